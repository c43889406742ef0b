package events

// TopicItems is what HTTP answers a GET of a topic with: a page of the topic's items, in the
// order of their ids.
type TopicItems struct {
	Topic Topic `json:"topic"`
	// Cursor is where the items are true, once the last page is read: what comes after it is
	// read with ?after=. An item may already show a change after the cursor.
	Cursor string `json:"cursor"`
	// View marks what is seen of the topic, as in [Subscribed].
	View  string `json:"view,omitempty"`
	Items []Item `json:"items"`
	// Costly is how many more items there are on the page that were not looked at, as in
	// [Snapshot].
	Costly int    `json:"costly,omitempty"`
	Next   string `json:"next,omitempty"` // what ?next= takes for the next page; empty in the last
}

// TopicChanges is what HTTP answers a GET of a topic with ?after= with: the changes after that
// cursor, in order.
type TopicChanges struct {
	Topic   Topic    `json:"topic"`
	Cursor  string   `json:"cursor"` // to go on from
	View    string   `json:"view,omitempty"`
	Changes []Change `json:"changes"`
	More    bool     `json:"more,omitempty"` // there are more changes, to be read at once from the cursor
}

// Problem is an error as HTTP answers it, of the content type [ProblemType].
//
// Source: RFC 9457
type Problem struct {
	Type   string `json:"type"`   // always about:blank: the code says what is wrong
	Title  string `json:"title"`  // of the status
	Status int    `json:"status"` // the same as the answer's
	Code   Code   `json:"code"`
	Detail string `json:"detail,omitempty"`
	Topic  string `json:"topic,omitempty"`
	// Reason is that of [CodeReset]: why what was missed cannot be told. The client reads the
	// items anew.
	Reason ResetReason `json:"reason,omitempty"`
}

// ProblemType is the content type of a [Problem].
const ProblemType = "application/problem+json"
