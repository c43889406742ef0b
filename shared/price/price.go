// Package price is the only place that knows what AWS charges, in dollars: the list prices in us-east-1
// on 2026-11-26, without free tiers. Those of DynamoDB's units are watch.ReadPrice and watch.WritePrice,
// which the allowance of a subject is made of.
//
// Sources: https://aws.amazon.com/api-gateway/pricing/, https://aws.amazon.com/lambda/pricing/,
// https://aws.amazon.com/sqs/pricing/
package price

// Prices in dollars.
const (
	Message     = 1.00 / 1e6   // of a WebSocket, up to 32 KB, of the first Bulk in a month
	BulkMessage = 0.80 / 1e6   // of those beyond
	Bulk        = 1e9          // messages
	Minute      = 0.25 / 1e6   // of a WebSocket that is open
	Request     = 3.50 / 1e6   // of a REST API, up to 10 MB of a stream
	Invocation  = 0.20 / 1e6   // of a function
	Second      = 0.0000133334 // of a function with 1 GB, on arm64
	QueueCall   = 0.50 / 1e6   // a request of a FIFO queue, up to 64 KB
)
