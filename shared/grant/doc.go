// Package grant reads and applies the claim of a token that says what its client may do: which
// topics, which actions, and what the client sees of them. It is the only place that knows the
// claim's format. It knows neither JWTs nor AWS.
//
// # The claim
//
// A token's claim "watchroute" is a JSON object of at most [MaxBytes] bytes:
//
//	{"v":1,"allow":[{
//	  "topics":["stocks/*","users/{sub}/**"],
//	  "actions":["subscribe","read","publish"],
//	  "filter":{"public":[true]},
//	  "mask":{"omit":["secret","address.street"],"replace":{"card":"****"}}}],
//	 "deliverFor":604800}
//
// The version v is 1. Other versions, and members that are not listed here, are refused,
// as they may mean less than what would be granted without them. A rule has:
//
//   - topics: patterns, see [Pattern]. The segment {sub} stands for the token's
//     subject, written as [events.SubjectSegment] does: "auth0|7" has the topic
//     users/auth0:7C7. It is always one segment and never a wildcard. If there is no
//     subject, or a pattern with it is longer than a topic may be, that pattern matches
//     nothing.
//   - actions: of [Subscribe], [Read], [Publish], [Deliver] and [Join].
//   - filter, optional: an event pattern (see package pattern) that the item's whole
//     data must have to be seen.
//   - mask, optional: members of the data that are left out or, where they are there,
//     replaced by a string, number, boolean or null of at most [MaxReplaceBytes].
//
// The first rule that names the topic and the action decides, filter and mask
// included; later ones are not looked at. What no rule names is not allowed. Filter and
// mask say what is seen, not what may be published: a rule by which nothing is seen has none.
//
// deliverFor, optional, is for how many seconds a destination lives that is registered or renewed with
// the token: from [MinDeliverFor] to [MaxDeliverFor], and [DefaultDeliverFor] if it is left out. The
// token itself may expire before.
//
// # Paths
//
// Masks and fields name members by paths: names separated by dots, from the outside
// in. A path goes through lists: people.phone is the phone of each of the people. A dot
// or backslash in a name is written with a backslash before it. Names are compared byte
// by byte. The empty name, which DynamoDB has not, cannot be named.
//
// # From the table to the watcher
//
//	data ─grant's filter─► ─mask─► ─client's filter─► ─client's fields─► seen
//
// The grant's filter looks at the whole data. The client's looks at what the mask left,
// so that no series of filters can find out what is masked. The same [View] holds for
// everything a watcher gets: live, resumed, in snapshots and as patches, which are made
// of what is seen before and after.
//
// # What a view may cost
//
// The issuer's part of a view, filter and mask, is applied once to a change for all views
// that share it. A filter that weighs more than [FullMustWeight] is not applied to large
// data. This depends on the size of the data alone, so that nothing else is learnt from it.
//
// The client's part, filter, fields and delta, is charged to a [Budget] in steps. A filter
// of more than [MaxFilterWeight] conditions is refused when it is given. A change may take
// [MaxStepsPerChange]; if it needs more it is [ErrCostly], and the next one is evaluated as
// usual. No filter is refused later for the data that it meets, because a publisher could
// then shut a watcher out.
package grant
