// Package conformance is the only place that knows how DynamoDB and DynamoDB
// Streams behave towards a client: its tests say so with the real SDK, and run
// on the embedded engine always, and on Amazon's DynamoDB Local as well when
// DYNAMODB_LOCAL_ENDPOINT is set (`go run ./localstack/aws/dynamodb/conformance/local`
// gets it, starts it and sets the variable).
//
// DynamoDB Local is not DynamoDB: where it departs from AWS's documents, the
// test names the difference (see differs) and holds only the embedded engine to
// the document.
package conformance
