package events

import "encoding/json"

// DestinationRequest is the body of POST /destinations: where the changes of a topic, or of all topics
// of a pattern, are to be delivered.
type DestinationRequest struct {
	Topic string `json:"topic"` // or a pattern
	URL   string `json:"url"`   // https, at most 2,048 bytes; it must answer a challenge
	// Filter is an EventBridge event pattern on the items' data: only the items that match are delivered.
	Filter json.RawMessage `json:"filter,omitempty"`
	Fields []string        `json:"fields,omitempty"` // only these members of the items' data are delivered
	// Format is how changes are written: changes (the default), cloudevents or cloudevents-batch.
	Format string `json:"format,omitempty"`
	// Batch is how many changes one message has at most, from 1 to 100. 0 is the default: 100, and 1 for
	// cloudevents.
	Batch int `json:"batch,omitempty"`
}

// Destination is a place that changes are delivered to, as its owner sees it.
type Destination struct {
	ID      string          `json:"id"`               // by which it is asked for: dst_ and letters and digits
	Topic   Topic           `json:"topic"`            // or pattern whose changes it gets
	URL     string          `json:"url"`              // that messages are posted to
	Filter  json.RawMessage `json:"filter,omitempty"` // an EventBridge event pattern: only the items that match
	Fields  []string        `json:"fields,omitempty"` // only these members of the items' data
	Format  string          `json:"format"`           // how changes are written: changes, cloudevents or cloudevents-batch
	Batch   int             `json:"batch"`            // how many changes one message has at most
	Created Time            `json:"created"`          // when it was registered
	Expires Time            `json:"expires"`          // when it ends by itself
	// Disabled says why nothing is delivered: paused, gone (it answered 410), failing (for three days)
	// or ended (its token was revoked, or its time is over). Its cursors stay.
	Disabled string `json:"disabled,omitempty"`
	// Unverified says that it has not answered the challenge yet, so nothing is sent.
	Unverified bool `json:"unverified,omitempty"`
	// Failing says that it fails as a whole: ten of its topics are tried, and one other every five minutes,
	// until one is taken.
	Failing bool `json:"failing,omitempty"`
	// Secret is what its messages are signed with, whsec_…; only in the answer to POST /destinations, and
	// to GET and POST /destinations/{id}/secret.
	Secret string `json:"secret,omitempty"`
	// Rotated is when it got another secret. For a day its messages are signed with the one before, too.
	Rotated Time `json:"rotated,omitzero"`
	// Test is the last test, see [DestinationTest].
	Test *DestinationTest `json:"test,omitempty"`
	// Standings say how far it has come, topic by topic; only in the answer to GET /destinations/{id}.
	Standings []DestinationStanding `json:"standings,omitempty"`
	// Next is the topic to ask on with, as ?after=, if there are more standings.
	Next string `json:"next,omitempty"`
}

// DestinationStanding is how far a destination has come in a topic.
type DestinationStanding struct {
	Topic  Topic  `json:"topic"`           // whose changes these are; the pattern while its challenge fails
	Cursor string `json:"cursor"`          // up to which everything has been taken
	Items  bool   `json:"items,omitempty"` // it is being sent the topic's items after a reset
	// Behind is how many changes there are after the cursor, as of about a second ago. It is left out if
	// there are none, and while the topic's numbering has begun anew.
	Behind int64 `json:"behind,omitempty"`
	// Disabled says why nothing of this topic is delivered: failing (for three days, while others were taken).
	Disabled string `json:"disabled,omitempty"`
	// Failures counts the attempts that have failed in a row, since Since. The next one is made at RetryAt.
	Failures   int    `json:"failures,omitempty"`
	Since      Time   `json:"since,omitzero"`       // when the first of the failed attempts was made
	RetryAt    Time   `json:"retryAt,omitzero"`     // when the next attempt is made
	LastAt     Time   `json:"lastAt,omitzero"`      // when the last attempt was made
	LastStatus int    `json:"lastStatus,omitempty"` // that it was answered with, if that was not 2xx
	LastError  string `json:"lastError,omitempty"`  // what it failed with
}

// Destinations is the answer to GET /destinations.
type Destinations struct {
	Destinations []Destination `json:"destinations"` // of the subject of the token
}

// ReplayRequest is the body of POST /destinations/{id}/replay.
type ReplayRequest struct {
	// Topic may be left out if the destination watches a topic and no pattern.
	Topic string `json:"topic,omitempty"`
	// One of these: the cursor after which, or the time (RFC 3339) from which all is delivered again. A
	// time brings up to a second more.
	After string `json:"after,omitempty"`
	From  string `json:"from,omitempty"` // a time in place of the cursor
}

// Test is the message that POST /destinations/{id}/test sends. In the CloudEvents formats it is an event of the
// type watchroute.test instead, whose data it is.
type Test struct {
	Type        string `json:"type"`        // tells a test from frames
	Destination string `json:"destination"` // the id of the destination
	Topic       Topic  `json:"topic"`       // or pattern that the destination watches
	Time        Time   `json:"time"`        // when it was asked for
}

// TypeTest tells a test from frames.
const TypeTest = "test"

// DestinationTest is what has become of a test: the answer to POST /destinations/{id}/test, and a part of
// [Destination].
type DestinationTest struct {
	ID    string `json:"id"`    // of the message, its webhook-id
	Asked Time   `json:"asked"` // when it was asked for
	// At is when the destination had answered; left out as long as nothing was sent. Status, of an answer
	// that is not 2xx, and Error are left out if it has taken the message.
	At           Time   `json:"at,omitzero"`
	Status       int    `json:"status,omitempty"`       // that it was answered with, if that is not 2xx
	Error        string `json:"error,omitempty"`        // what it failed with
	Milliseconds int64  `json:"milliseconds,omitempty"` // that the answer took
}

// DestinationsTopic is the reserved topic below which the service tells operators what is wrong with
// destinations. The topic @destinations/{id} has one item for each topic of that destination whose
// last attempt has failed; its id is that topic. It has the item [WholeDestination] while nothing is
// delivered to the destination at all. An item is removed when what it tells has passed. So the items are what is
// wrong at present, and their changes say when it began and ended.
const DestinationsTopic Topic = "@destinations"

// WholeDestination is the id of the item that tells of a destination as a whole. No topic has this
// name.
const WholeDestination = "*"

// What is wrong with a destination, as State of [DestinationNotice].
const (
	DestinationRetrying = "retrying" // a topic is tried again
	DestinationDisabled = "disabled" // nothing is delivered
)

// DestinationNotice is the data of an item below [DestinationsTopic].
type DestinationNotice struct {
	State string `json:"state"` // what is wrong: retrying (a topic is tried again) or disabled (nothing is delivered)
	// Reason says why it is disabled: paused, gone, failing or ended, as in [Destination].
	Reason string `json:"reason,omitempty"`
	// Failures counts the attempts that have failed in a row, since Since. The next one is made at RetryAt.
	Failures int  `json:"failures,omitempty"`
	Since    Time `json:"since,omitzero"`   // when the first of the failed attempts was made
	RetryAt  Time `json:"retryAt,omitzero"` // when the next attempt is made
	// LastStatus and LastError are of the last attempt, as in [DestinationStanding].
	LastStatus int    `json:"lastStatus,omitempty"`
	LastError  string `json:"lastError,omitempty"` // what the last attempt failed with
	Cursor     string `json:"cursor,omitempty"`    // up to which everything has been taken
}
