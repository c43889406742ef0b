// Package dynamo is the only place that knows DynamoDB: where the state of
// watching lies in four tables, and how items look as JSON.
//
//	table          partition key   sort key        attributes
//	Events         topic           id              the users' data; expiresAt
//	Changes        topic           seq = 0         the head: last, epoch, stream, position, first
//	               topic           seq = 1, 2, 3…  the log: epoch, id, op, at, data, position,
//	                                               [high], [expired], [large], expiresAt
//	Connections    connectionId                    topics (string set), expiresAt
//	Subscriptions  topic + "#0"    connectionId    expiresAt
//
// expiresAt is DynamoDB's time to live, in seconds since 1970. Rows that have
// passed it may stay for days and are skipped by whoever reads them. Log rows beyond
// the head's last are left over from an earlier epoch and are never read.
//
// The "#0" in the key of Subscriptions leaves room to spread the subscribers of one
// topic over several partitions.
//
// Every read that a promise rests on is strongly consistent. No operation scans.
package dynamo
