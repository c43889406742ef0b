package dynamo

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/shared/ttl"
)

// expired reports whether a row of any table had expired at an instant. Readers take the
// instant before they read: so a row that they pass over had expired before whatever is
// written to it after they read it.
func expired(row map[string]types.AttributeValue, at time.Time) bool {
	return ttl.Expired(number(row, "expiresAt"), at)
}
