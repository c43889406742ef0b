package events

import "encoding/json"

// DestinationRequest is the body of POST /destinations: where the changes of a topic, or of all topics
// of a pattern, are to be delivered.
type DestinationRequest struct {
	Topic string `json:"topic"` // or a pattern
	URL   string `json:"url"`   // https, at most 2,048 bytes; it must answer a challenge
	// Filter and Fields narrow what is delivered, as in [Request].
	Filter json.RawMessage `json:"filter,omitempty"`
	Fields []string        `json:"fields,omitempty"`
	// Format is how changes are written: changes (the default), cloudevents or cloudevents-batch.
	Format string `json:"format,omitempty"`
	// Batch is how many changes one message has at most, from 1 to 100. Default: 100, and 1 for
	// cloudevents.
	Batch int `json:"batch,omitempty"`
}

// Destination is a place that changes are delivered to, as its owner sees it.
type Destination struct {
	ID      string          `json:"id"`
	Topic   Topic           `json:"topic"`
	URL     string          `json:"url"`
	Filter  json.RawMessage `json:"filter,omitempty"`
	Fields  []string        `json:"fields,omitempty"`
	Format  string          `json:"format"`
	Batch   int             `json:"batch"`
	Created Time            `json:"created"`
	Expires Time            `json:"expires"` // when it ends by itself
	// Disabled says why nothing is delivered: paused, gone (it answered 410), failing (for three days)
	// or ended (its token was revoked, or its time is over). Its cursors stay.
	Disabled string `json:"disabled,omitempty"`
	// Unverified says that it has not answered the challenge yet, so that nothing is sent.
	Unverified bool `json:"unverified,omitempty"`
	// Secret is what its messages are signed with, whsec_…; only in the answer to POST /destinations
	// and POST /destinations/{id}/secret.
	Secret string `json:"secret,omitempty"`
	// Standings say how far it has come, topic by topic; only in the answer to GET /destinations/{id}.
	Standings []DestinationStanding `json:"standings,omitempty"`
	// Next is the topic to ask on with, as ?after=, if there are more standings.
	Next string `json:"next,omitempty"`
}

// DestinationStanding is how far a destination has come in a topic.
type DestinationStanding struct {
	Topic  Topic  `json:"topic"`
	Cursor string `json:"cursor"`          // up to which everything has been taken
	Items  bool   `json:"items,omitempty"` // it is being sent the topic's items after a reset
	// Behind is how many changes there are after the cursor, as of about a second ago. It is left out if
	// there are none, and while the topic's numbering is another.
	Behind int64 `json:"behind,omitempty"`
	// Failures counts the attempts that have failed in a row, since Since. The next one is made at RetryAt.
	Failures   int    `json:"failures,omitempty"`
	Since      Time   `json:"since,omitzero"`
	RetryAt    Time   `json:"retryAt,omitzero"`
	LastAt     Time   `json:"lastAt,omitzero"`
	LastStatus int    `json:"lastStatus,omitempty"`
	LastError  string `json:"lastError,omitempty"`
}

// Destinations is the answer to GET /destinations.
type Destinations struct {
	Destinations []Destination `json:"destinations"`
}

// ReplayRequest is the body of POST /destinations/{id}/replay.
type ReplayRequest struct {
	Topic string `json:"topic"`
	After string `json:"after"` // the cursor after which all is delivered again
}

// DestinationsTopic is the reserved topic below which the service tells operators what is wrong with
// destinations. The topic @destinations/{id} has one item for each topic of that destination whose
// last attempt has failed, with the topic as its id, and the item [WholeDestination] while nothing is
// delivered to it at all. An item is removed when what it tells has passed. So the items are what is
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
	State string `json:"state"`
	// Reason says why it is disabled: paused, gone, failing or ended, as in [Destination].
	Reason string `json:"reason,omitempty"`
	// Failures counts the attempts that have failed in a row, since Since. The next one is made at RetryAt.
	Failures int  `json:"failures,omitempty"`
	Since    Time `json:"since,omitzero"`
	RetryAt  Time `json:"retryAt,omitzero"`
	// LastStatus and LastError are of the last attempt, as in [DestinationStanding].
	LastStatus int    `json:"lastStatus,omitempty"`
	LastError  string `json:"lastError,omitempty"`
	Cursor     string `json:"cursor,omitempty"` // up to which everything has been taken
}
