package events

// TopicItems is the HTTP answer to a GET of a topic: a page of the topic's items, in the order of
// their ids.
type TopicItems struct {
	Topic Topic `json:"topic"` // that was read
	// Cursor is where the items are true, once the last page is read: what comes after it is
	// read with ?after=. An item may already show a change after the cursor.
	Cursor string `json:"cursor"`
	// View marks what is seen of the topic, as in [Subscribed].
	View  string `json:"view,omitempty"`
	Items []Item `json:"items"` // in the order of their ids
	// Costly is how many more items there are on the page that were not looked at, as in
	// [Snapshot].
	Costly int    `json:"costly,omitempty"`
	Next   string `json:"next,omitempty"` // the value of ?next= for the next page; empty in the last
}

// ItemsBelow is the HTTP answer to a GET of a pattern: the first page of the items of each topic,
// in an order that does not change. The further pages of a topic are read by the topic's own name.
type ItemsBelow struct {
	Topic  Topic        `json:"topic"`          // the pattern
	View   string       `json:"view,omitempty"` // marks what is seen of the topics, as in [Subscribed]
	Topics []TopicItems `json:"topics"`         // each with its first page
	Next   string       `json:"next,omitempty"` // the value of ?next= for more topics; empty if there are none
}

// StandBelow is the HTTP answer to a GET of a pattern with ?after=now: where its topics stand.
// Later changes are read topic by topic.
type StandBelow struct {
	Topic Topic  `json:"topic"`          // the pattern
	View  string `json:"view,omitempty"` // marks what is seen of the topics, as in [Subscribed]
	// Cursors says where the topics stand, by their names. It is there even if there are none.
	Cursors map[Topic]string `json:"cursors"`
	More    bool             `json:"more,omitempty"` // there are more topics than [MaxCursors]
}

// TopicChanges is the HTTP answer to a GET of a topic with ?after=: the changes after that cursor,
// in order.
type TopicChanges struct {
	Topic   Topic    `json:"topic"`          // that was read
	Cursor  string   `json:"cursor"`         // to go on from
	View    string   `json:"view,omitempty"` // marks what is seen of the topic, as in [Subscribed]
	Changes []Change `json:"changes"`        // in order
	More    bool     `json:"more,omitempty"` // there are more changes, to be read at once from the cursor
}

// Problem is an error as HTTP answers it, of the content type [ProblemType].
//
// Source: RFC 9457
type Problem struct {
	Type   string `json:"type"`             // always about:blank: the code says what is wrong
	Title  string `json:"title"`            // of the status
	Status int    `json:"status"`           // the same as the answer's
	Code   Code   `json:"code"`             // tells errors apart, and does not change
	Detail string `json:"detail,omitempty"` // for people; it may change
	Topic  string `json:"topic,omitempty"`  // that the request was about
	// Reason says why what was missed cannot be told, if the code is [CodeReset]. The client reads
	// the items anew.
	Reason ResetReason `json:"reason,omitempty"`
}

// ProblemType is the content type of a [Problem].
const ProblemType = "application/problem+json"

// PublishRequest is the body of a POST to a topic: one item, or several.
type PublishRequest struct {
	PublishedItem
	Items []PublishedItem `json:"items,omitempty"` // several items, in place of one
}

// PublishedItem is an item as it is published. Without an ID, one is made up that sorts by time.
type PublishedItem struct {
	Item
	// ExpiresAt is when the item expires, in seconds since 1970: after now, and within [MaxExpiry].
	// 0 is never. Without it, an item keeps the time that it has, unless that is over.
	ExpiresAt *int64 `json:"expiresAt,omitempty"`
}

// PublishResult answers for an item: that it is in the Events table, or why not.
type PublishResult struct {
	ID    string   `json:"id,omitempty"`    // of the item
	Mark  string   `json:"mark,omitempty"`  // that the change will have
	Error *Problem `json:"error,omitempty"` // why the item is not in the table
}

// PublishResults answers for several items, in their order.
type PublishResults struct {
	Topic   Topic           `json:"topic"`   // that the items are in
	Results []PublishResult `json:"results"` // one for each item, in their order
}
