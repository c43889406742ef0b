package watch

import (
	"math/rand/v2"
	"time"

	"github.com/watchroute/watchroute/events"
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
)

// Connection is one open WebSocket.
type Connection struct {
	ID        ConnectionID
	Connected time.Time
}

// Expires is when nothing about the connection needs to be kept any more, even if
// API Gateway never reports its end.
func (c Connection) Expires() time.Time { return c.Connected.Add(connectionLife) }

// Subscription is one connection watching one topic.
type Subscription struct {
	Connection Connection
	Topic      events.Topic
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
