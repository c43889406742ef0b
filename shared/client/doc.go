// Package client is the only place that knows how a watcher stays whole across
// broken connections. It watches topics over WebSocket or HTTP and gives every change once
// and in order, whatever happens to its connection, or says that it must start over
// and gives the topic's items to start from.
//
//	c, err := client.Dial(ctx, "wss://…/live", client.Options{})
//	for event, err := range c.Watch(ctx, "stocks/AAPL", client.WatchOptions{}) { … }
//
// One Client is one connection at a time, however many topics it watches; it is
// safe for concurrent use.
//
// # What it does by itself
//
// A connection that breaks, is cut by API Gateway after 10 idle minutes or 2 hours,
// or does not answer is replaced, with random pauses that grow ([Options].MaxBackoff),
// and each watch resumes from where it stands. The pauses are short again only after a
// connection has lasted. When the service asks to reconnect, the new connection is there
// before the old one is given up. Changes that come
// twice are dropped, those that come early wait. A hole is asked for after
// [Options].HoleTime, at once again if the answer brought a part of what is missing, and
// later each time if it brought nothing.
//
// # Pings
//
// The last change of a topic may be lost while no other follows. Then there is no hole to
// see, and the next regular ping finds it. Pings come every [Options].PingInterval at first,
// and more and more seldom as long as they find nothing missing. So a lost last change is
// found at the latest after [Options].MaxPingInterval, which is 8 minutes by default, and 4
// with tokens; later only if that ping fails too. A lower value finds it sooner and costs more
// pings. A deployment with very many clients should set it as high as it can.
//
// # A service that is busy
//
// What the service refuses for now is asked for again with back-off. All other requests of
// the client wait too, and then come one by one, and faster as they are answered: a
// hundred watches ask no more often than one would. A ping that failed is not repeated
// before the next is due, unless something is known to be missing.
//
// # A service in disorder
//
// Whatever a service does, the client ends only where the remedies of package events say
// so, and is not busier than its pauses allow. A watch that has to begin again, and soon once
// more, waits longer each time. A frame that is no answer to the request whose id it has is
// passed over, and so are changes with numbers that cannot be.
//
// # Over HTTP
//
// With [Options].HTTPURL, a client goes on over HTTP where WebSockets are blocked, with the same
// promises, and comes back when they are not. A watch keeps its cursor whichever transport brings
// its changes. Topics that are seen alike share streams of Server-Sent Events; where streams are
// held back on the way, as by a proxy that buffers, topics are polled. A client holds at most 4
// streams or polls at once. A pattern has a stream of its own. Where it has none, the client looks
// where its topics stand, and reads those that stand further: after a second at first, then later
// each time nothing has come, up to 15 seconds; later in proportion if there are more than 100
// topics. That is so with long polls, with more than 3 patterns, and where the service makes no
// stream because the topics are too many to be named, some 100. Of a pattern of more than
// events.MaxCursors topics, only those that the service names, and Cursors, are watched over HTTP.
// [Read] reads a topic's items without watching it.
//
//	WebSocket ── blocked ──► streams ── held back ──► long polls
//	    ▲                      │  ▲                       │
//	    └─ BetterInterval ─────┘  └──── BetterInterval ───┘
//
// # Tokens
//
// Where the service wants tokens, [Options].Token fetches them: one for each connection,
// and another when the service warns that the one in use expires, which replaces it
// without a new connection. Over HTTP, requests share a token until it is refused. If that fails until the token has expired, the service
// closes the connection, and the watches resume on another. What a token does not allow
// ends the watch concerned; a token that was revoked ends the client. A handshake that is
// refused with 401 is repeated for 2 minutes, with another token each time: the service may
// know of a new key a minute late.
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
// The watch of a pattern is one subscription and a watch of each of its topics. They come
// in when the service names them, which it does with each answer to a ping, or when a change
// of theirs arrives; each is followed, healed and started over by itself. With
// [WatchOptions].Snapshot the subscription brings the items of the first topics with it, and
// those of others are asked for topic by topic. If the service could
// not name all topics when the watch began, those that it names later may be older than the
// watch. They begin where they stand.
//
// # Memory
//
// A watch holds at most [Options].Buffer changes and [Options].BufferBytes of their
// data, and 128 events, for a consumer that is slow; of a pattern, each topic holds the
// changes, and all share the events. What comes beyond is let go, and
// is read from the service's log when the consumer has caught up. So a slow consumer
// costs no memory and loses nothing, unless it falls behind by more than the log
// gives at once: then it is told to start over, as anyone who was away for too long.
package client
