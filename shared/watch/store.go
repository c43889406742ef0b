package watch

import (
	"context"
	"time"

	"github.com/watchroute/watchroute/events"
)

// Store is all that the requests of a connection read and write.
type Store interface {
	TopicStore
	ConnectionStore
	Presences
}

// TopicStore keeps the items and the changes of topics.
type TopicStore interface {
	Items
	History
}

// ConnectionStore keeps connections and their subscriptions.
type ConnectionStore interface {
	Sessions
	Subscriptions
}

// Items is the users' own table.
type Items interface {
	// Put writes an item, unless it is there by the same publication. ErrBadItem says what the
	// table refuses in it. ErrOvertaken means that the item is there by a publication of the
	// same publisher with a higher order.
	Put(context.Context, Publication) error
	// Remove deletes an item; one that does not exist is no error. ErrOvertaken means the same.
	Remove(context.Context, Publication) error
	// Page reads rows of a topic as they are at this moment, in the order of
	// their ids, after the id given, at most limit. next is empty on the last page.
	Page(ctx context.Context, topic events.Topic, after string, limit int) (rows []Row, next string, err error)
}

// Row is a row of the users' own table.
type Row struct {
	events.Item
	// Void says that the row is shown to nobody, because it has expired or its id breaks the
	// rules. In the latter case it has no data. Views are evaluated on it like on others, so
	// that a page does not tell which of the hidden rows are void.
	Void bool
	// Expires is when the row will expire; zero if it has no such time, or has expired.
	Expires time.Time
}

// History is the log as clients resume from it.
type History interface {
	// Head reads a topic's head as it is at this moment.
	Head(context.Context, events.Topic) (Head, error)
	// Since reads entries with a seq above from, up to to, in order. It leaves out
	// those whose retention has passed, and may stop short while there are more.
	Since(ctx context.Context, topic events.Topic, from, to int64) ([]Entry, error)
	// Below reads which topics of a pattern have had a change, up to limit of them, after one
	// of them or from the first if that is empty. They are in an order of their own, which
	// does not change. more says that there are others after them.
	Below(ctx context.Context, pattern, after events.Topic, limit int) (topics []events.Topic, more bool, err error)
}

// Subscriptions keeps who watches what. When a subscription with presence ends or is replaced, its
// presence ends as well.
type Subscriptions interface {
	// Subscribe makes the connection watch the topic, or changes how it does. It gives where the
	// subscription is kept. ErrNotConnected, ErrTooManySubscriptions, ErrTooManyRequests and
	// ErrOvertaken change nothing. If an unsubscribe overtakes it while it runs, the subscription
	// may be written and not count. Then the session lacks it, and the caller withdraws it.
	Subscribe(context.Context, Subscription) (Kept, error)
	// Renew replaces a subscription that is there with the same Order and no higher Auth, and
	// tells whether it is; if not, nothing is written.
	Renew(context.Context, Subscription) (there bool, err error)
	// Unsubscribe ends the subscription to a topic, if there is one, and refuses those of a
	// lower Order from now on. ErrOvertaken means that one of a higher Order is there.
	Unsubscribe(context.Context, Key, events.Topic, Order) error
	// Withdraw takes back subscriptions of one connection, each only if it still has the same
	// Order; doing so twice is no error.
	Withdraw(context.Context, Key, ...Subscription) error
	// Subscriptions reads the connection's subscriptions to the topics, from the shards that its
	// session has for them.
	Subscriptions(ctx context.Context, key Key, topics []events.Topic, shards map[events.Topic]int) ([]Subscription, error)
}

// Sessions keeps what has become of connections since they were made.
type Sessions interface {
	// Session reads it. ErrNotConnected means that nothing is known of the connection.
	Session(context.Context, Key) (Session, error)
	// Refresh has the connection go by another token from now on. ErrOvertaken means that it
	// goes by the token of a later auth.
	Refresh(context.Context, Key, Access) error
	// Forget removes a connection with all its subscriptions and presences.
	Forget(context.Context, Key, []Subscription) error
}

// Session is what has become of a connection since it was made.
type Session struct {
	Topics     []events.Topic         // that it watches
	Orders     map[events.Topic]Order // of the subscribe that counts for each
	Shards     map[events.Topic]int   // the shard of the subscription to each topic, unless it is shard 0
	Subscribes int                    // how many there were
	Access     *Access                // by its latest token; nil if that is the one it was made with
}
