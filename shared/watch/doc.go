// Package watch is the only place that knows what watching means: how a topic's
// changes are numbered, who is told of them, and what a client's request does. It
// knows neither AWS nor the network; package dynamo keeps its state and package
// apigw reaches its watchers.
//
// # From a write to a frame
//
//	Events stream ─► Write ─Numberer─► Entry (in the log) ─Pusher─► frames ─► watchers
//
// [Numberer] gives each write of a topic the next number, atomically with the
// log; [Pusher] then loads the topic's subscribers and posts. The order matters: a
// client is told "subscribed" after its row is written and the head is read, so a
// change numbered after that read finds the row. Loading subscribers before
// numbering would lose changes to whoever subscribes between the two.
//
// # Numbering
//
// The head of a topic is its latest seq, its epoch, and how far the stream has
// been taken in. A topic's head goes through these states:
//
//	none ──first write──► epoch A, 1…n ──a later stream──► epoch B, 1…n
//
// Lambda delivers a stream at least once, and may repeat, split or, after
// failures, interleave batches. A write after the head's position is new. One that
// is not is looked up in the log by its position: found, it keeps its number and is
// pushed again; not found, it is numbered now. Nothing is taken for seen without
// being found. Two fan-outs that race on a topic are told apart by the head's seq:
// the slower one's append is refused, and it starts over by looking up.
//
// # Requests at the same time
//
// API Gateway hands the messages of a connection to several functions at once. Each request has
// an [Order] among those of its connection, which the client gives or else the time does. Of two
// requests about one topic, or publishes of one item, the one with the higher order counts,
// whichever is carried out first; the other one is refused with [ErrOvertaken].
//
// # Expiry
//
// An item may have a time to live. Nobody is told when it passes: the item is deleted later,
// and this is a change. Meanwhile readers pass the item over, so a snapshot does not show it,
// while whoever held it holds it still. A write to such an item reaches both, and which of
// them a watcher is, is not known. So what is told depends on the two states of the write
// alone, and on whether they had expired by its time, as the stream has it ([grant.Lapse]):
//
//	state before   state after     told
//	there          there           modified, as a patch or whole
//	expired        there           added, whole, also if it looks as before
//	there          expired         removed, expired, with the state before
//	expired        expired         the same, unless nothing is changed that is seen
//	none           there           added
//	none           expired         skipped
//	any            deleted         removed; expired, if by time to live
//
// A view that hides the state after shows each of these as removed, if it shows the state
// before. So an item may be added to who holds it, which replaces it, and removed from who
// does not, or twice: both are carried out as they are. Whoever does so holds what is there
// of all items that have not expired, however it came to the topic.
//
// A state that expires within two seconds after the write counts as expired before it, unless
// the write leaves its time to live as it is: a reader's clock may be ahead of the stream's,
// which has whole seconds. The log keeps what was decided, so that a change that is missed is
// told as it was pushed.
//
// # Who is present
//
// A subscription with Options.Presence makes its subject a member of the topic. An item of the topic's
// presence topic stands for the member. It names the subscriptions by which the member is present, and
// goes with the last of them. It also ends by itself, unless a ping renews it.
//
//	none ──subscribe──► there ──unsubscribe, disconnect, gone: the last subscription──► none
//	                    │   ▲
//	                    │   └─ping: renewed, at most once in half a lease
//	                    └─lease over: no member any more; DynamoDB deletes the item within days
//
// Everyone who watches presence is told of everyone who comes. This is quadratic, so a topic with
// many members has a [Census] instead: they are counted, and have no items.
//
//	items ──more than [events.MaxMembers]──► census ──fewer than three quarters──► items
//
// # Who may, and what is seen
//
// A connection has an [Access], by the token that it was made with or the latest that it
// sent to a [Renewer]. [Answerer] asks its grant before anything is read or written, and keeps in each
// [Subscription] the view that it gives, narrowed by what the client asked for. The same
// view is laid over changes that are pushed, missed, and over items; what a view does not
// show of a topic's numbers is told as skipped.
//
//	connected ──5 min before the end: expiring──► warned ──auth──► connected
//	                                                │
//	                                                └─1 min after the end─► nothing pushed, closed
//	connected, warned ──[Revoker]──► closed
package watch
