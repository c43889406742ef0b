package watch

import (
	"time"

	"github.com/watchroute/watchroute/events"
)

// ConnectionID is API Gateway's name for one WebSocket.
type ConnectionID string

// connectionLife is how long a row about a connection is kept: API Gateway cuts
// every connection after 2 hours, and its last messages may be under way then.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const connectionLife = 2*time.Hour + 10*time.Minute

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
