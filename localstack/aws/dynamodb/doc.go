// Package dynamodb is the only place that knows how tables are stored and how
// DynamoDB's operations are carried out.
//
// It is an embedded engine that speaks the real protocol: [New] makes one,
// [Engine.Service] is what the SDKs and the AWS CLI talk to. Its parts:
//
//	request ─► decode ─► mutation or page request ─► table ─► rows, indexes, stream
//	           (no lock: JSON, expressions, keys)    (the table's lock, memory only)
//
// A table is one ordered tree of rows, sorted by a hash of the partition key, the
// partition key and the sort key, so that a Query walks its partition and nothing
// else, and a segment of a Scan is a range of hashes. Every secondary index is such
// a tree too. Rows are replaced, never changed, so what a read collected under the
// lock stays true while it is filtered and encoded without one.
//
// Where the engine is simpler than DynamoDB, it errs on the strict side of
// consistency: every read is consistent, indexes and streams follow at once, and
// transactions lock their tables in one order instead of conflicting, so
// TransactionConflictException never happens. Nothing is throttled and nothing is
// kept on disk.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/Welcome.html
package dynamodb
