// Package feed holds what Lambda's event source mappings read from a stream, be it of DynamoDB or
// of Kinesis.
package feed

import "time"

// Record is one record as readers get it.
type Record struct {
	SequenceNumber string
	Created        time.Time // as its source tells it: DynamoDB to the second, Kinesis to the millisecond
	Appended       time.Time
	Size           int    // bytes of JSON
	JSON           []byte // as Lambda delivers it in "Records"; not to be changed
}

// Shard is one shard of a stream as readers see it.
type Shard struct {
	ID     string
	Parent string // "" if it has none; the parent may be gone already
	Closed bool   // takes in no more records
}
