// Package dynamo is the only place that knows DynamoDB: where the state of
// watching lies in seven tables, and how items look as JSON.
//
//	table          partition key   sort key        attributes
//	Events         topic           id              the users' data; expiresAt; of a client's publication
//	                                               watchroute: mark, sum, by, order
//	               @presence/ and  a subject       name, since, until, expiresAt; watchroute (connection
//	               a topic                         and order → when the connection ends)
//	                               @count          count, until, expiresAt
//	Changes        topic           seq = 0         the head: last, epoch, stream, position, first,
//	                                               [lanes], [wanted]
//	               topic           seq = -1, -2…   the lanes: progress
//	               topic           seq = 1, 2, 3…  the log: epoch, id, op, at, data, position, lapse,
//	                                               [undo] or [before], [high], [expired], [large],
//	                                               expiresAt
//	               topic + "/**"   seq = a hash    a topic below that has had a change: name
//	Connections    subject         connectionId    watches (topic → order), left (slot → order),
//	                                               subscribes (how many there were), connectedAt,
//	                                               expiresAt, [# and a hash of a topic] (its shard),
//	                                               [present] (hashes of topics, string set);
//	                                               before there were orders topics
//	                                               (string set) instead of the two maps;
//	                                               of the token: [tokenId], [issuedAt], and when it
//	                                               was refreshed grant, tokenExpiresAt, auth (its order)
//	               subject         * and a time    spent: what the subject's requests have cost
//	                                               then; expiresAt
//	               anonymous       *holds/ and a   holds: which HTTP requests are held (name → until)
//	                               number
//	Subscriptions  topic # shard   connectionId    subject, order, [auth], [view], [filter], [fields],
//	                                               [delta], [latest], [presence] (a name), [lease],
//	                                               expiresAt
//	               topic # shard   * or ** and     the same, for the pattern topic/* or topic/**
//	                               connectionId
//	               topic # shard   destination:    the same, of a destination
//	                               and its id
//	               topic + "#0"    *               shards: how many there are, if more than one; while
//	                                               members are counted: counted (when next), census
//	                                               (since when)
//	Revocations    subject         tokenId or *    before, expiresAt
//	Destinations   destination     *               the settings: subject, grant, [tokenId], [issuedAt],
//	                                               watches (a topic or pattern), [filter], [fields],
//	                                               url, format, batch, created, version, shard,
//	                                               [kind], [target], [rotations], [rotated], [shown],
//	                                               [verified], [disabled], [failing] (topics),
//	                                               [probed], [round], [roundAll], [roundAfter], [test], [ends],
//	                                               [expiresAt], part, and due for the index; of one
//	                                               that the deployer declares name and edition; of one
//	                                               that was removed: removed, part and due
//	               destination     topic           a standing: after, [items], [next], generation,
//	                                               [replays], [waiting] (its mark), [attempt], [until],
//	                                               [failures], [since], [retryAt], [gaveUp], [told],
//	                                               [lastAt], [lastStatus], [lastError]; unless it is
//	                                               asleep or stopped, part and due, which are the
//	                                               index
//	               # and a subject *               ids: the subject's destinations; of the deployer
//	                                               [declared], [edition], [pending], [since],
//	                                               [working]
//	Positions      topic           id              from and a source (lane, at), [expiresAt]; a stack
//	                                               without sources of intake has no such table
//
// expiresAt is DynamoDB's time to live, in seconds since 1970. Rows that have passed it may stay
// for days, and all readers skip them; package ttl lists these rows. Subscriptions are not skipped:
// the pusher reads an expired one and closes its connection. Log rows beyond the head's last are
// left over from an earlier epoch, or do not have their number yet. They are never read.
//
// Requests of one connection may be carried out in any order. The connection's row decides which
// one counts for a topic, by the order of each request, see watch.Order. The row lives as long as
// the connection. A trace of an unsubscribe in Subscriptions would have to be read with every
// change.
//
// Connections lie together by their subject. All connections of a subject can therefore be counted
// and closed without another index.
//
// The subscriptions to a topic with many of them are spread over several partitions, its shards.
// The number of shards doubles whenever a shard is found too full, by a reader or by one of the few
// subscribers that look. New subscriptions go into the shards that were added last.
//
// Every read that a promise rests on is strongly consistent. No function scans: lists of whole tables are for
// tools that look on.
//
// Rows are read and written by hand, without attributevalue and tagged structs. Fan-out reads the
// rows of a whole audience for each batch: 1,000 of them take 0.11 ms and no allocation by hand, and
// 0.61 ms and 6,000 allocations by tags (BenchmarkSubscriptionRow). Several attributes would still
// need a second step: keys that hold a pattern or a shard, orders, views.
package dynamo
