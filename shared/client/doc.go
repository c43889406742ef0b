// Package client is the only place that knows how a client keeps its watches complete when
// connections break. It watches topics over WebSocket or HTTP and gives every change once and in
// order. If it cannot, it says that the watch starts over and gives the topic's items to start
// from.
//
//	c, err := client.Dial(ctx, "wss://…/live", client.Options{})
//	for event, err := range c.Watch(ctx, "stocks/AAPL", client.WatchOptions{}) { … }
//
// One Client is one connection at a time, however many topics it watches; it is
// safe for concurrent use.
//
// # What it does by itself
//
// The client replaces a connection that breaks, that API Gateway cuts after 10 idle minutes or 2
// hours, or that does not answer. It pauses between attempts for random times that grow up to
// [Options].MaxBackoff, and are short again only after a connection has lasted. Each watch resumes
// from where it stands. When the service asks the client to reconnect, the client opens the new
// connection before it gives up the old one. It drops changes that come twice, and keeps changes
// that come early until those before them have come. It asks for missing changes after
// [Options].HoleTime. If the answer brought a part of them, it asks again at once; if it brought
// nothing, it waits longer each time.
//
// # Pings
//
// The last change of a topic may be lost while no other follows. Then the client sees no hole, and
// the next regular ping finds the change. Pings come every [Options].PingInterval at first, and
// more seldom as long as they find nothing missing. A lost last change is found after
// [Options].MaxPingInterval at the latest, or later if that ping fails too. The default is 8
// minutes, and 4 minutes with tokens. A lower value finds it sooner and costs more pings. A
// deployment with very many clients should set it as high as it can.
//
// # A service that is busy
//
// The client repeats, with back-off, a request that the service refuses for now. All its other
// requests wait too. Then they are sent one by one, and faster as they are answered, so a hundred
// watches ask no more often than one would. A failed ping is not repeated before the next is due,
// unless the client knows that something is missing.
//
// # A service in disorder
//
// With any service, the client ends only where the remedies of package events say so, and asks no
// more often than its pauses allow. A watch that has to begin again, and soon once more,
// waits longer each time. The client ignores a frame that does not answer the request with its id,
// and changes with impossible numbers.
//
// # Over HTTP
//
// With [Options].HTTPURL, a client goes on over HTTP where WebSockets are blocked, with the same
// promises, and returns to WebSockets when they work again. A watch keeps its cursor when the
// transport changes. Topics with the same filter, fields, delta and latest share streams of Server-Sent Events.
// Where something on the way holds streams back, such as a proxy that buffers, the client polls
// topics. It holds at most 4 streams or polls at once. [Read] reads a topic's items without
// watching it.
//
// A pattern has a stream of its own. A pattern without a stream is polled: the client asks for the
// cursors of its topics, and reads the topics that have moved. It asks after a second at first, and
// later each time nothing has come, up to 15 seconds. With more than 100 topics the pauses are
// longer in proportion. Patterns are polled with long polls, from the fourth pattern on, and where
// the service refuses the stream because the pattern has too many topics, about 100. Of a pattern
// with more than events.MaxCursors topics, the client watches over HTTP only the topics that the
// service names and those in Cursors.
//
//	WebSocket ── blocked ──► streams ── held back ──► long polls
//	    ▲                      │  ▲                       │
//	    └─ BetterInterval ─────┘  └──── BetterInterval ───┘
//
// # Tokens
//
// If the service requires tokens, [Options].Token fetches them: one for each connection, and
// another when the service warns that the token in use expires soon. The new token replaces the old
// one without a new connection. Over HTTP, requests share a token until it is refused. If no new
// token comes before the old one expires, the service closes the connection, and the watches resume
// on another. A watch ends if the token does not allow it; the client ends if its token was
// revoked. A handshake that is refused with 401 is repeated for 2 minutes, with another token each
// time, because the service may learn of a new key a minute late.
//
// # A watch
//
//	          ┌──────────── connection lost, not subscribed any more ───────────┐
//	          ▼                                                                 │
//	joining ── recovered ──────────────────────────────────────────────────► following
//	   │                                                                        ▲  │
//	   └── reset, or a snapshot was asked for ──► snapshot, page by page ───────┘  │ hole
//	                                                                            ▲  ▼
//	                                                                            healing
//
// # A pattern
//
// The watch of a pattern is one subscription and a watch of each of its topics. The watch learns of
// a topic when the service names it in the answer to a ping, or when a change of the topic arrives.
// Each topic is followed, healed and started over by itself. With [WatchOptions].Snapshot the
// subscription brings the items of the first topics, and the client asks for the items of the
// others topic by topic. If the service could not name all topics when the watch began, topics that
// it names later may be older than the watch. The watch of such a topic begins at its current
// cursor.
//
// # Memory
//
// For a slow consumer, a watch holds at most [Options].Buffer changes, [Options].BufferBytes of
// their data, and 128 events. In the watch of a pattern, each topic holds as many changes, and all
// topics share the events. With [WatchOptions].Latest, it holds only the last change of each item.
// The watch drops what exceeds this, and reads it from the service's log
// when the consumer has caught up. A slow consumer therefore costs little memory and loses nothing.
// If it falls behind by more than the log gives at once, it is told to start over, as after a long
// absence.
package client
