package watch

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// ConnectionID is API Gateway's name for one WebSocket.
type ConnectionID string

const (
	// maxConnection is when API Gateway cuts a connection, whatever it does.
	//
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
	maxConnection = 2 * time.Hour
	// handoverFrom is the age from which a client is asked to move. A client that
	// pings, as it must within 10 minutes, is asked in time.
	handoverFrom = maxConnection - 15*time.Minute
	// handoverMargin before the cut everyone should have moved.
	handoverMargin = time.Minute
	// connectionLife is how long a row about a connection is kept: its last
	// messages may be under way when it is cut.
	connectionLife = maxConnection + 10*time.Minute
	// expiryWarning before its token expires a client is told so. A client that pings
	// every two minutes is told in time.
	expiryWarning = 5 * time.Minute
	// turnedAwayFor is the age up to which a connection that nothing is kept of counts as one
	// that was not admitted. Later the service has forgotten it.
	turnedAwayFor = time.Minute
	// expiryGrace after it has expired a client may still send another.
	expiryGrace = time.Minute
)

// Key names a connection: DynamoDB keeps those of one subject together.
type Key struct {
	Subject string // whose it is; Anonymous without authentication
	ID      ConnectionID
}

// Anonymous is the subject of connections that were made without a token.
const Anonymous = "anonymous"

// Deployer is the subject of what the deployer has declared. It needs no token, has no allowance, and
// cannot be revoked. No token has it, because a token's subject has no control character.
const Deployer = "deployer\n"

// Connection is one open WebSocket, and what its client may do.
type Connection struct {
	Key
	Connected time.Time
	Access
	// ToldInside says that the connection may be open although it was not admitted, so
	// that the client can be told. Nothing is kept of it then.
	ToldInside bool
	watches    []events.Topic       // the topics that it watches when it is answered
	shards     map[events.Topic]int // the shards of its subscriptions, see Subscription.Shard
	subscribes int                  // how often it has subscribed so far
}

// Access is what a token gives its subject.
type Access struct {
	Grant   grant.Grant
	TokenID string    // may be empty
	Issued  time.Time // revocations hit the tokens that were issued before
	Expires time.Time // zero: never
	Order   Order     // of the auth that brought the token; 0 for the one the connection was made with
	// Delivers is set for a destination: it sees what the grant allows to deliver, whether or not that
	// may be watched or read as well.
	Delivers bool
}

// same reports whether two accesses are of the same token, as far as can be told.
func (a Access) same(b Access) bool {
	return a.TokenID == b.TokenID && a.Issued.Unix() == b.Issued.Unix() && a.Expires.Unix() == b.Expires.Unix() && a.Grant.String() == b.Grant.String()
}

// Ends is when nothing about the connection needs to be kept any more, even if API
// Gateway never reports its end.
func (c Connection) Ends() time.Time { return c.Connected.Add(connectionLife) }

// until is when its subscriptions end by themselves: with the connection, or some
// time after the token has expired.
func (c Connection) until() time.Time {
	end := c.Ends()
	if last := c.Expires.Add(expiryGrace); !c.Expires.IsZero() && last.Before(end) {
		return last
	}
	return end
}

// lapsed reports whether the token has expired for too long.
func (c Connection) lapsed(now time.Time) bool {
	return !c.Expires.IsZero() && !now.Before(c.Expires.Add(expiryGrace))
}

// expiring reports whether the client is to be warned that its token expires.
func (c Connection) expiring(now time.Time) bool {
	return !c.Expires.IsZero() && !now.Before(c.Expires.Add(-expiryWarning))
}

// Subscription is one connection watching one topic.
type Subscription struct {
	Key
	Topic events.Topic
	Options
	Order Order      // of the request that made it
	View  grant.View // what is seen of the topic, by the token and the options
	Auth  Order      // that of the token's Access
	Until time.Time  // when it ends by itself
	Quota Quota      // what the connection may have of them
	Again bool       // whether the connection watches the topic already, as far as the caller knows
	// Shard is the part of the audience in which the store keeps it. It stays the same for as long
	// as the connection watches the topic.
	Shard int
	// Lease is until when a census counts the connection as present.
	Lease time.Time
}

// Kept describes a subscription that was kept.
type Kept struct {
	Already bool // the connection watched the topic before
	Shard   int  // as in Subscription
	// Replaces is the order of the subscription with presence that it replaces; [Unordered] if there
	// was none.
	Replaces Order
	Census   Census // of the topic, before the subscription was kept
}

// Quota bounds a connection's subscriptions.
type Quota struct {
	Topics     int // at a time; 0 for no bound
	Subscribes int // ever, by now; 0 for no bound
}

// check gives the error that the write of a subscription would be refused with, and saves
// that write. The write has the same condition, because others may subscribe at the same time.
func (q Quota) check(c Connection, topic events.Topic) error {
	switch {
	case q.Subscribes > 0 && c.subscribes >= q.Subscribes:
		return ErrTooManyRequests
	case q.Topics > 0 && len(c.watches) >= q.Topics && !slices.Contains(c.watches, topic):
		return ErrTooManySubscriptions
	}
	return nil
}

// Options are what a client asks of its subscription.
type Options struct {
	Filter []byte   // an event pattern as JSON; nil for none
	Fields []string // nil for all
	Delta  bool
	Latest bool // only the latest state of each item when the watcher is behind; excludes Delta
	// Presence is the name of the member that the connection's subject is meanwhile; empty for none.
	// Over HTTP there is none.
	Presence string
}

// handover tells whether a connection is to be replaced, and after which random
// delay, by its age alone.
func handover(c Connection, now time.Time) (delay time.Duration, due bool) {
	if now.Sub(c.Connected) < handoverFrom {
		return 0, false
	}
	latest := c.Connected.Add(maxConnection - handoverMargin).Sub(now)
	return rand.N(max(latest, time.Millisecond)), true
}
