package watch

import (
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// RequestTime is how long a function may take for one request, by the template. An answer ends
// its work sooner, so that there is time to send what has been made of it, see package reply.
const RequestTime = 10 * time.Second

// What DynamoDB counts in units, and at most gives in one read or takes as one item, in bytes.
// A read ends with the row that reaches maxReadBytes.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
// and https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	readUnit     = 4 << 10
	writeUnit    = 1 << 10
	maxReadBytes = 1 << 20
	maxItemBytes = 400 << 10
)

// The largest rows there can be, in bytes: names and values of attributes. JSON takes twice as
// much for quotes.
const (
	smallAttributes = 320 // the names of all attributes, and the values of the small ones
	// orderBytes is the order of a request that is kept in a map, besides its name there.
	orderBytes = 12
	// leftBytes is what a row of Connections remembers of the topics that were left: package
	// dynamo has 64 slots for them.
	leftBytes = 64 * (len("63") + orderBytes)
	// shardBytes is the size of a topic's shard in a row of Connections. Package dynamo names it by
	// # and 12 characters.
	shardBytes = 13 + 3
	// presentBytes is a topic in the set of those in which a connection is present.
	presentBytes = 12
	// connectionBytes is a row of Connections: the topics with their orders, and the grant of a
	// token that came later with its subject and id.
	connectionBytes = events.MaxSubscriptions*(events.MaxTopicBytes+orderBytes+shardBytes+presentBytes) + leftBytes + grant.MaxBytes + 4*grant.MaxSubjectBytes + smallAttributes
	// optionBytes are a client's filter and fields as it gave them.
	optionBytes = grant.MaxFilterBytes + grant.MaxFieldsBytes
	// viewBytes is what comes of them and the grant's filter and mask, which are written anew
	// in no more bytes than they were given in.
	viewBytes = grant.MaxBytes + grant.MaxFilterBytes + grant.MaxFieldsBytes
	// subscriptionBytes is a row of Subscriptions.
	subscriptionBytes = events.MaxTopicBytes + grant.MaxSubjectBytes + optionBytes + viewBytes + smallAttributes
	// memberBytes is the item of a member, and standBytes what each of its connections adds: its id, the
	// order of its subscription, and when it ends.
	memberBytes = 2*events.MaxTopicBytes + events.MaxMemberNameBytes + smallAttributes
	standBytes  = 16 + len(" -1y2p0ij32e8e7") + 9
	// entryBytes is a row of the log: both states of an item, and what an entry has besides.
	entryBytes = 2*events.MaxDataBytes + 1<<10
	// listedBytes is a topic in the list of those below another: the names of both, and the key
	// of 34 digits.
	listedBytes = 2*events.MaxTopicBytes + 40
)

// The same in units.
const (
	connectionReads    = (connectionBytes + readUnit - 1) / readUnit
	connectionWrites   = (connectionBytes + writeUnit - 1) / writeUnit
	subscriptionReads  = (subscriptionBytes + readUnit - 1) / readUnit
	subscriptionWrites = (subscriptionBytes + writeUnit - 1) / writeUnit
	revocationReads    = 2 // one row for the token, one for all tokens of the subject
	headReads          = 1
	shardsReads        = 1 // the number of shards of a topic
	logPageReads       = (maxReadBytes + entryBytes) / readUnit
	// logOverReads are the read units that an answer's pages of the log may take beyond those
	// counted. A page ends as if all rows held the whole state before. The next page reads again
	// the rows that were read beyond that end.
	logOverReads  = maxAnswerReads / (maxReadBytes / readUnit) * entryBytes / readUnit
	itemPageReads = (maxReadBytes + maxItemBytes) / readUnit
	// listReads are the units of reading as many topics of a list as an answer tells, and one
	// more.
	listReads = (events.MaxCursors+1)*listedBytes/readUnit + 1
	// itemsBelowReads are those of the topics of a pattern, with their items.
	itemsBelowReads = maxPatternReads + itemPageReads
	// keepWrites are the units of keeping a subscription, or of taking it back.
	keepWrites = connectionWrites + subscriptionWrites
	// addAttempts is how often package dynamo writes the connection's row to keep a subscription.
	// Whether the connection watches the topic already may change between two attempts.
	addAttempts = 3
	// withdrawAttempts is how often a connection's row is written to end subscriptions.
	withdrawAttempts = 5
	// forgetWrites are those of deleting a connection with all its subscriptions.
	forgetWrites = connectionWrites + events.MaxSubscriptions*subscriptionWrites
	// joinAttempts, renewAttempts and leaveAttempts are how often package dynamo writes the item of a
	// member that other connections of the member change at the same time. Each attempt to leave may
	// take two writes.
	joinAttempts, renewAttempts, leaveAttempts = 5, 3, 2
)

// What is sent, in bytes.
const (
	// smallBytes is an answer of one small frame: at most an error that repeats the client's
	// topic, id and words, which JSON may make six times as long.
	smallBytes = 6*(2*maxRepeated+events.MaxRequestIDBytes) + 1<<10
	// missedBytes is what an answer may bring of missed changes: their names and numbers, and
	// as much data as a mask may make of theirs.
	missedBytes = 2 * events.MaxResumeBytes
	// pageBytes is a page of a snapshot. What is around the items is an eighth of it, as two
	// frames that follow each other hold more than one can.
	pageBytes = (maxSnapshotBytes+events.MaxDataBytes)*9/8 + smallBytes
	// itemsBelowBytes is what is sent of the topics of a pattern: pages, and what stands around
	// the items of each topic in a frame of its own.
	itemsBelowBytes = pageBytes + maxSnapshotTopics*(events.MaxTopicBytes+6*events.MaxRequestIDBytes+toldBytes)
	// toldBytes is what a client is told of one topic of its own besides the topic's name.
	toldBytes = 128
)

// Bound is the most that one request may cost, whatever it says and whatever is stored.
type Bound struct {
	Action string        // what is asked for
	Reads  int           // read units of DynamoDB
	Writes int           // write units
	Bytes  int           // that are sent to the client
	Steps  int           // of evaluating views, see [grant.Budget]
	Time   time.Duration // until Lambda ends the function
	Worst  string        // what makes it cost so much
}

// Bounds is the table of what requests may cost. connections is how many a subject may have.
// A test of package reply tries the worst input for each, and prints what it measures.
//
// Some of the writes draw on the subject's allowance, which a request does once for 1,000 units.
//
// The service pays for counting a shard, which one of about 60 subscribes does: about 13 read units,
// and 1 write unit if there have to be more shards. Full of the largest views, it is 131 read units.
// It also pays for counting the members of a topic: one of eight who join reads up to 404 of their items,
// 128 read units at most. See [Census] for what follows.
func Bounds(connections int) []Bound {
	const subscribeReads = connectionReads + keepAttempts*(shardsReads+connectionReads)
	const subscribeWrites = (addAttempts-1)*connectionWrites + keepAttempts*keepWrites + keepWrites
	memberWrites := (memberBytes + connections*standBytes + writeUnit - 1) / writeUnit
	leaveWrites := 2 * leaveAttempts * memberWrites
	// Whether members are counted, and the item of the member, as of about a second ago.
	presentReads := (1 + (memberBytes+connections*standBytes+readUnit-1)/readUnit + 1) / 2
	paid := []Bound{
		{Action: "refused unread", Bytes: smallBytes,
			Worst: "Frames that are no JSON object, that come too fast, or whose subject has spent its allowance are refused before anything is read. What is over 128 KB never arrives."},
		{Action: "refused", Reads: connectionReads, Bytes: smallBytes,
			Worst: "The connection watches a hundred topics of 256 bytes by a token of 4 KB that came later, all of which is in its row. So it is with all that follow."},
		{Action: "subscribe", Reads: subscribeReads + headReads, Writes: subscribeWrites, Bytes: smallBytes,
			Worst: "Other tokens overtake it three times, so that it is written three times and taken back, with a view of 9 KB."},
		{Action: "subscribe with presence", Reads: subscribeReads + headReads + presentReads, Writes: subscribeWrites + keepAttempts*joinAttempts*memberWrites + leaveWrites, Bytes: smallBytes,
			Worst: "The member has as many connections as a subject may have. They come and go meanwhile."},
		{Action: "subscribe to a pattern", Reads: subscribeReads + listReads + events.MaxCursors*headReads, Writes: subscribeWrites, Bytes: events.MaxFrameBytes,
			Worst: "There are more than 500 topics below it, with names of 256 bytes."},
		{Action: "subscribe to a pattern with snapshot", Reads: itemsBelowReads, Writes: subscribeWrites, Bytes: events.MaxFrameBytes + itemsBelowBytes, Steps: maxAnswerSteps,
			Worst: "Its topics have large items, as with one topic. An answer goes on to another topic as long as it has read and sent little."},
		{Action: "subscribe with snapshot", Reads: subscribeReads + headReads + itemPageReads, Writes: subscribeWrites, Bytes: pageBytes, Steps: maxAnswerSteps,
			Worst: "The items that one read gives are just below 1 MB, and the last one has 400 KB. They are sent whole if they are small and full of characters that JSON escapes."},
		{Action: "subscribe with after", Reads: maxAnswerReads + logOverReads + logPageReads + itemPageReads, Writes: subscribeWrites, Bytes: missedBytes + smallBytes, Steps: maxAnswerSteps,
			Worst: "What was missed has little data, but large states before, so it is given up late, for a snapshot. It is sent if it fits: short members that a mask makes longer, and long names."},
		{Action: "unsubscribe", Reads: connectionReads, Writes: keepWrites + connectionWrites, Bytes: smallBytes,
			Worst: "Both rows are as large as they can be. The connection has left another topic meanwhile that is remembered in the same place, so the row is written twice."},
		{Action: "unsubscribe with presence", Reads: connectionReads, Writes: keepWrites + connectionWrites + leaveWrites, Bytes: smallBytes,
			Worst: "Another connection of the member leaves at the same time."},
		{Action: "snapshot", Reads: connectionReads + headReads + itemPageReads, Bytes: pageBytes, Steps: maxAnswerSteps,
			Worst: "As with subscribe."},
		{Action: "snapshot, next page", Reads: connectionReads + itemPageReads, Bytes: pageBytes, Steps: maxAnswerSteps,
			Worst: "As with the first page."},
		{Action: "snapshot of a pattern", Reads: itemsBelowReads, Bytes: itemsBelowBytes, Steps: maxAnswerSteps,
			Worst: "As with subscribe. So it is with each of the next answers."},
		{Action: "publish", Reads: connectionReads + maxItemBytes/readUnit, Writes: 2 * maxItemBytes / writeUnit, Bytes: smallBytes,
			Worst: "The item replaces one of 400 KB, which somebody else has written. That one changes once more after it was read, so it is put twice."},
		{Action: "publish, to remove", Reads: connectionReads, Writes: maxItemBytes / writeUnit, Bytes: smallBytes,
			Worst: "The item has 400 KB."},
		{Action: "ping", Reads: connectionReads, Bytes: smallBytes,
			Worst: "The token expires within five minutes, so there may be another, or it came as a subprotocol, so the connection may not have been admitted. Else nothing is read."},
		{Action: "ping with cursors", Reads: max(maxAnswerReads+logOverReads+logPageReads, maxListReads+listReads+events.MaxCursors*headReads), Bytes: missedBytes + events.MaxFrameBytes, Steps: maxAnswerSteps,
			Worst: "All subscriptions and heads are read, and then of the logs what an answer may. Patterns end sooner, to leave room for that."},
		{Action: "ping with presence", Reads: 2*connectionReads + events.MaxSubscriptions*(subscriptionReads+presentReads+headReads), Bytes: smallBytes + events.MaxSubscriptions*(events.MaxTopicBytes+toldBytes),
			Writes: events.MaxSubscriptions*(renewAttempts*memberWrites+subscriptionWrites+leaveWrites) + withdrawAttempts*connectionWrites,
			Worst:  "A hundred presences are renewed, and are left again because the connection was forgotten meanwhile. What was missed comes on top, as with other pings."},
		{Action: "auth with presence", Reads: 3*connectionReads + 2*revocationReads + events.MaxSubscriptions*subscriptionReads, Writes: (1+withdrawAttempts)*connectionWrites + events.MaxSubscriptions*(subscriptionWrites+leaveWrites),
			Bytes: events.MaxSubscriptions*(events.MaxTopicBytes+toldBytes) + smallBytes,
			Worst: "A hundred presences end, because the token is revoked or does not allow to join."},
		{Action: "auth", Reads: 3*connectionReads + 2*revocationReads + events.MaxSubscriptions*subscriptionReads, Writes: (1+withdrawAttempts)*connectionWrites + events.MaxSubscriptions*subscriptionWrites,
			Bytes: 2*events.MaxSubscriptions*(events.MaxTopicBytes+toldBytes) + smallBytes,
			Worst: "A hundred subscriptions are renewed, or end. Some of those that end are made anew meanwhile, so the row is written again. If the token is revoked, the connection is forgotten instead, which costs as much."},
		{Action: "connect", Reads: (connections*connectionBytes+readUnit-1)/readUnit + connections*connectionBytes/maxReadBytes + revocationReads, Writes: 1 + forgetWrites,
			Worst: "The rows of all connections of the subject are read, each as large as it can be. One of them is found gone, and deleted with its subscriptions. Rows that have expired are read until DynamoDB deletes them."},
		{Action: "connect, and end presences", Reads: (connections*connectionBytes+readUnit-1)/readUnit + connections*connectionBytes/maxReadBytes + revocationReads, Writes: 1 + forgetWrites + events.MaxSubscriptions*leaveWrites,
			Worst: "The one that is found gone was present in a hundred topics."},
	}
	for i := range paid {
		if paid[i].Reads > 0 {
			paid[i].Writes += 2 + paid[i].Reads/drawnUnits
		}
	}
	table := append(paid, []Bound{
		{Action: "handshake", Reads: revocationReads,
			Worst: "A token that is not valid costs nothing."},
		{Action: "numbering what was published", Reads: headReads, Writes: 3*((entryBytes+writeUnit-1)/writeUnit) + 2 + events.MaxTopicSegments - 1,
			Worst: "Fan-out does it. Both states of the item have 124 KB and differ in all of it. The place of the row has one of an earlier epoch. The row is put on a condition that fails, and then in a transaction, which costs twice."},
		{Action: "disconnect", Writes: forgetWrites,
			Worst: "The connection is deleted with a hundred subscriptions. It costs no more than they did."},
		{Action: "disconnect, and end presences", Writes: forgetWrites + events.MaxSubscriptions*leaveWrites,
			Worst: "The subscriptions were with presence, of a member with as many connections as a subject may have."},
	}...)
	for i := range table {
		table[i].Time = RequestTime
	}
	return table
}
