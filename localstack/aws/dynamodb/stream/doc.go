// Package stream is the only place that knows DynamoDB Streams: shards, sequence
// numbers, records, iterators and the 24-hour trim.
//
// A table that has its stream switched on holds a [Stream]; every committed
// change goes into it with [Stream.Append], and is read either over the Streams
// API ([Registry.Service]) or in-process ([Registry.Read]).
//
// The life of a shard:
//
//	open ──Split──► closed, two children are open ──24 h──► gone
//	  └───Disable─► closed, no children           ──24 h──► gone
//
// The changes of one partition key always go to one open shard, and after a
// split to a child of the one they went to, so whoever finishes parents before
// children sees each item's changes in commit order.
//
// Memory: a stream keeps the records of the last 24 hours, as DynamoDB does, unless
// [Options] give another retention, and nothing limits it otherwise. A record costs
// the images it carries until it is first read, its JSON after that, and some 200
// bytes. A shard is trimmed when it is appended to or read, and [Registry.Expire],
// which the engine calls every second, trims those that are idle.
//
// Shards close only by Split or Disable here; DynamoDB also closes them by
// itself, about every four hours.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
package stream
