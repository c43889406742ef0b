package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/pattern"
)

// limits are the constants that comments name, as a reader of a contract sees them.
var limits = map[string]string{
	"MaxCursors":         number(events.MaxCursors),
	"MaxTopicBytes":      number(events.MaxTopicBytes),
	"MaxTopicSegments":   number(events.MaxTopicSegments),
	"MaxItemIDBytes":     number(events.MaxItemIDBytes),
	"MaxEpochBytes":      number(events.MaxEpochBytes),
	"MaxRequestIDBytes":  number(events.MaxRequestIDBytes) + " bytes",
	"MaxOrder":           number(events.MaxOrder),
	"MaxResumeChanges":   number(events.MaxResumeChanges) + " changes",
	"MaxResumeBytes":     number(events.MaxResumeBytes) + " bytes",
	"MaxFrameBytes":      number(events.MaxFrameBytes) + " bytes",
	"MaxDataBytes":       number(events.MaxDataBytes) + " bytes",
	"MeteredBytes":       number(events.MeteredBytes) + " bytes",
	"MaxExpiry":          fmt.Sprintf("%d days", events.MaxExpiry/(24*time.Hour)),
	"PresenceLease":      fmt.Sprintf("%.0f minutes", events.PresenceLease.Minutes()),
	"MaxMembers":         number(events.MaxMembers),
	"MaxMemberNameBytes": number(events.MaxMemberNameBytes),
	"MaxPresenceBytes":   number(events.MaxPresenceBytes) + " bytes",
	"MembersCount":       fmt.Sprintf("%q", events.MembersCount),
	"PresenceTopic":      string(events.PresenceTopic),
	"CodeForbidden":      string(events.CodeForbidden),
	"CodeOvertaken":      string(events.CodeOvertaken),
	"CodeTokenExpired":   string(events.CodeTokenExpired),
	"CodeReset":          string(events.CodeReset),
	"WholeView":          fmt.Sprintf("%q", events.WholeView),
	"ProblemType":        events.ProblemType,
	"WholeDestination":   fmt.Sprintf("%q", events.WholeDestination),
	"DestinationsTopic":  string(events.DestinationsTopic),
}

// number writes a number with commas, as people read it.
func number(n int) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// segment is a segment of a topic: not . or .., which mean something else in URLs.
const segment = `(?:\.*[A-Za-z0-9_:@-][A-Za-z0-9_.:@-]*|\.{3,})`

// reserved is the first segment of a reserved topic, which does not count.
const reserved = `(?:@[A-Za-z0-9_.:@-]*/)?`

// topicPattern is a regular expression for names of up to so many segments that end with something.
func topicPattern(segments int, end string) string {
	return fmt.Sprintf(`^%s%s(?:/%s){0,%d}%s$`, reserved, segment, segment, segments-1, end)
}

// texts are the types whose JSON is a text.
func texts() jsonschema.Definitions {
	topic := topicPattern(events.MaxTopicSegments, "")
	below := topicPattern(events.MaxTopicSegments-1, `/\*{1,2}`)
	cursor := fmt.Sprintf(`[a-z0-9]{0,%d}:(?:0|[1-9][0-9]{0,%d})`, events.MaxEpochBytes, len(fmt.Sprint(events.MaxSeq))-1)
	return jsonschema.Definitions{
		"Topic": {Type: "string", Pattern: topic, MaxLength: size(events.MaxTopicBytes), Examples: []any{"stocks/AAPL"},
			Description: "A topic: 1 to " + number(events.MaxTopicSegments) + " segments of letters, digits and _ - . : @ (ASCII), separated by slashes, such as stocks/AAPL. A first segment that begins with @ is the service's, and does not count."},
		"TopicOrPattern": {Type: "string", Pattern: strings.TrimSuffix(topic, "$") + "$|" + below, MaxLength: size(events.MaxTopicBytes), Examples: []any{"stocks/AAPL", "stocks/*"},
			Description: "A topic, or a pattern: stocks/* is all topics of one more segment, stocks/** those of any number more, and stocks itself."},
		"Cursor": {Type: "string", Pattern: "^" + cursor + "$", Examples: []any{"mfw3k1x0:1042"},
			Description: "A place in a topic, written epoch:seq: everything up to and including the change seq of that epoch. :0 is the place before the first change of a topic that has had none."},
		"Bookmark": {Type: "string", Pattern: "^" + cursor + "~",
			Description: "Where a snapshot goes on. Only the service can read it."},
		"Epoch": {Type: "string", Pattern: fmt.Sprintf("^[a-z0-9]{0,%d}$", events.MaxEpochBytes),
			Description: "The name of one life of the topic's numbering. Empty for a topic that never had a change."},
		"Time": {Type: "string", Format: "date-time", Examples: []any{"2026-11-25T09:30:00.000Z"}, Description: "A time of RFC 3339, in UTC with milliseconds where the service writes it."},
		"ItemID": {Type: "string", MinLength: size(1), MaxLength: size(events.MaxItemIDBytes), Pattern: "^[^\x00-\x1f\x7f-\u009f]*$", Extras: inBytes(events.MaxItemIDBytes), Examples: []any{"quote"},
			Description: "The id of an item in its topic: UTF-8 without control characters."},
		"MemberName": {Type: "string", MinLength: size(1), MaxLength: size(events.MaxMemberNameBytes), Pattern: "^[^\x00-\x1f\x7f-\u009f]*$", Extras: inBytes(events.MaxMemberNameBytes), Examples: []any{"Ada"},
			Description: "What a member calls itself. Nobody verifies it."},
		"RequestID": {Type: "string", MaxLength: size(events.MaxRequestIDBytes), Extras: inBytes(events.MaxRequestIDBytes), Examples: []any{"q1"},
			Description: "A client's own mark on a request."},
		"Code":        {Type: "string", Enum: enum(events.Codes()...), Extras: mayGrow(), Description: "Tells errors apart. A service of a later version may have more."},
		"Op":          {Type: "string", Enum: enum(events.Added, events.Modified, events.Removed, events.Skipped), Description: "What happened to the item; skipped stands in place of changes that the watcher does not see."},
		"ResetReason": {Type: "string", Enum: enum(events.ResetExpired, events.ResetEpoch, events.ResetLimit, events.ResetAhead, events.ResetView), Description: "Why what a client missed cannot be told: retention has passed for a part of it, the numbering has begun anew, it is too much, the cursor is beyond the latest change, or another view is seen."},
	}
}

func size(n uint64) *uint64 { return &n }

// inBytes says what JSON Schema cannot: it counts characters, and the service bytes.
func inBytes(most int) map[string]any {
	return map[string]any{"x-limits": map[string]any{"bytes": most}}
}

func enum[T ~string](values ...T) (all []any) {
	for _, v := range values {
		all = append(all, string(v))
	}
	return all
}

// bounds say more of members than their Go types do, by "Type.member".
var bounds = map[string]func(*jsonschema.Schema){
	"Subscribed.topic": is("TopicOrPattern"), "Unsubscribed.topic": is("TopicOrPattern"), "Snapshot.topic": is("TopicOrPattern"),
	"Reset.topic": is("TopicOrPattern"), "Published.topic": is("Topic"),
	"Subscribed.id": is("RequestID"), "Unsubscribed.id": is("RequestID"), "Published.id": is("RequestID"), "Pong.id": is("RequestID"),
	"Snapshot.id": is("RequestID"), "Reset.id": is("RequestID"), "Authorized.id": is("RequestID"), "Error.id": is("RequestID"),
	"Subscribed.epoch": is("Epoch"), "Snapshot.epoch": is("Epoch"), "Change.epoch": is("Epoch"),
	"Subscribed.seq": atLeast(0), "Snapshot.seq": atLeast(0), "Change.seq": atLeast(1), "Change.to": atLeast(2),
	"Subscribed.cursors": cursors, "Pong.cursors": cursors, "StandBelow.cursors": cursors,
	"Snapshot.from": is("Bookmark"), "Snapshot.next": is("Bookmark"), "TopicItems.next": is("Bookmark"),
	"Snapshot.costly": atLeast(1), "TopicItems.costly": atLeast(1),
	"Authorized.views":  by("TopicOrPattern"),
	"Reconnect.delayMs": atLeast(0),
	"Change.id":         is("ItemID"), "Item.id": is("ItemID"), "PublishedItem.id": is("ItemID"), "PublishRequest.id": is("ItemID"),
	"TopicItems.cursor": is("Cursor"), "TopicChanges.cursor": is("Cursor"),
	"ItemsBelow.topic": is("TopicOrPattern"), "StandBelow.topic": is("TopicOrPattern"),
	"Problem.type": equal("about:blank"), "Problem.status": between(400, 599),
	"DestinationRequest.topic": is("TopicOrPattern"), "DestinationRequest.batch": between(0, delivery.MaxBatch), "DestinationRequest.format": oneOf(string(delivery.Frames), string(delivery.CloudEvent), string(delivery.CloudEvents)),
	"PublishedItem.data": inDepth, "PublishRequest.data": inDepth,
	"DestinationRequest.url": webAddress, "PublishRequest.items": items(1, events.MaxPublishItems),
	"Destination.topic": is("TopicOrPattern"), "Test.topic": is("TopicOrPattern"), "Test.type": equal(events.TypeTest),
	"DestinationStanding.topic": is("TopicOrPattern"), "DestinationStanding.cursor": is("Cursor"), "DestinationNotice.cursor": is("Cursor"), "ReplayRequest.topic": is("Topic"), "ReplayRequest.after": is("Cursor"), "ReplayRequest.from": is("Time"),
	"DestinationNotice.state": oneOf(events.DestinationRetrying, events.DestinationDisabled),
	"PresenceRequest.name":    is("MemberName"), "Member.name": is("MemberName"), "MemberCount.count": atLeast(0), "Presence.leaseMs": atLeast(1),
	"Request.id": is("RequestID"), "Request.order": between(0, events.MaxOrder), "Request.topic": is("TopicOrPattern"), "Request.after": is("Cursor"),
	"Request.cursors": cursors, "Request.op": oneOf(events.OpRemove),
	"Request.filter": filter, "DestinationRequest.filter": filter, "Request.fields": fields, "DestinationRequest.fields": fields, "Request.key": is("RequestID"), "Request.expiresAt": between(0, events.MaxOrder), "PublishedItem.expiresAt": between(0, events.MaxOrder), "PublishRequest.expiresAt": between(0, events.MaxOrder),
}

// is lets a member be of one of the types.
func is(name string) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.Type, s.Ref = "", refer(name).Ref }
}

// by lets an object have members of names of a type.
func by(name string) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.PropertyNames = refer(name) }
}

// cursors has cursors by topics.
func cursors(s *jsonschema.Schema) {
	s.PropertyNames, s.AdditionalProperties, s.MaxProperties = refer("TopicOrPattern"), refer("Cursor"), size(events.MaxCursors)
}

// filter is an event pattern. One without conditions is refused.
func filter(s *jsonschema.Schema) {
	s.MinProperties = size(1)
	s.Extras = map[string]any{"x-limits": map[string]any{"bytes": grant.MaxFilterBytes, "conditions": grant.MaxFilterWeight, "depth": pattern.MaxDepth}}
}

// fields are paths of members.
func fields(s *jsonschema.Schema) {
	s.MaxItems, s.Extras = size(grant.MaxFields), inBytes(grant.MaxFieldsBytes)
	s.Items.MaxLength, s.Items.Extras = size(grant.MaxFieldBytes), inBytes(grant.MaxFieldBytes)
}

// inDepth is an item's data, as a client gives it.
func inDepth(s *jsonschema.Schema) {
	s.Extras = map[string]any{"x-limits": map[string]any{"depth": events.MaxDataDepth}}
}

func atLeast(least int64) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.Minimum = json.Number(fmt.Sprint(least)) }
}

func between(least, most int64) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) {
		s.Minimum, s.Maximum = json.Number(fmt.Sprint(least)), json.Number(fmt.Sprint(most))
	}
}

func atMost(bytes uint64) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.MaxLength, s.Extras = &bytes, inBytes(int(bytes)) }
}

func webAddress(s *jsonschema.Schema) {
	atMost(events.MaxURLBytes)(s)
	s.MinLength = size(1)
}

func items(least, most uint64) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.MinItems, s.MaxItems = &least, &most }
}

func equal(text string) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.Const = text }
}

func oneOf(texts ...string) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.Enum = enum(texts...) }
}

// bound adds the bounds to the schemas. One of a member that does not exist is an error.
func bound(all jsonschema.Definitions) error {
	for _, key := range slices.Sorted(maps.Keys(bounds)) {
		name, member, _ := strings.Cut(key, ".")
		if all[name] == nil {
			return fmt.Errorf("bounds name %s, and there is no such type", key)
		}
		property, ok := all[name].Properties.Get(member)
		if !ok {
			return fmt.Errorf("bounds name %s, and there is no such member", key)
		}
		bounds[key](property)
	}
	return nil
}

// mayGrow marks what a later version of the service may send more of, although the protocol's version stays:
// a client has to get on with values that it does not know.
func mayGrow() map[string]any { return map[string]any{"x-may-grow": true} }
