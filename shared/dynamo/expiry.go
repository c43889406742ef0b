package dynamo

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/ttl"
)

// expired reports whether a row of any table had expired at an instant. Readers take the
// instant before they read: so a row that they pass over had expired before whatever is
// written to it after they read it.
func expired(row map[string]types.AttributeValue, at time.Time) bool {
	return ttl.Expired(number(row, "expiresAt"), at)
}

// clockSkew is how far a reader's clock may be ahead of the time that a stream has for a write.
// The stream rounds that time down to a second. Another second is for the clocks, which
// Amazon's time service keeps within milliseconds.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html
const clockSkew = 2 * time.Second

// lapse says what had expired of an item when it was written; package watch says what that
// means. before and after are the digits of its times to live; empty for none.
//
// A state that expires within clockSkew counts as one that a reader may have passed over
// before the write, unless the write leaves its time to live as it is.
func lapse(before, after string, at time.Time) grant.Lapse {
	switch {
	case ttl.Expired(after, at) && before == after:
		return grant.AlreadyEnded
	case ttl.Expired(after, at):
		return grant.Ended
	case ttl.Expired(before, at.Add(clockSkew)) && before != after:
		return grant.Renewed
	}
	return ""
}
