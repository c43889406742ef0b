package watch

import "time"

// MinRetention is the shortest time that the log may be kept: longer than the 24 hours that a
// DynamoDB stream keeps its records, so that a record which is delivered again finds the
// number that it was given.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
const MinRetention = 25 * time.Hour
