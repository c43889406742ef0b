package dynamo

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/shared/watch"
)

// Revocations reads what was revoked of all tokens of a subject, and of the one with the id,
// which may be empty: two read units, however many others of the subject are revoked. A row
// counts until DynamoDB may delete it. One whose expiresAt DynamoDB ignores, such as 0, counts
// for as long as it is there.
func (s *Store) Revocations(ctx context.Context, subject, tokenID string) ([]watch.Revocation, error) {
	keys := []map[string]types.AttributeValue{revocationKey(subject, watch.AnyToken)}
	if tokenID != "" && tokenID != watch.AnyToken {
		keys = append(keys, revocationKey(subject, tokenID))
	}
	now := s.now()
	rows, err := s.batchGet(ctx, s.tables.Revocations, consistent(keys))
	if err != nil {
		return nil, fmt.Errorf("read revocations of a subject: %w", translate(err))
	}
	var all []watch.Revocation
	for _, row := range rows {
		if !expired(row, now) {
			all = append(all, revocation(row))
		}
	}
	return all, nil
}

func revocationKey(subject, tokenID string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"subject": str(subject), "tokenId": str(tokenID)}
}

// Revocation reads a record of the Revocations table's stream. The row counts whatever its
// expiresAt is: the record may be late, and the connections that it is about may still live.
// The error says that the record has no new image that can be read.
func Revocation(record Record) (watch.Revocation, error) {
	row, err := rowOf(record.Change.NewImage)
	if err != nil {
		return watch.Revocation{}, err
	}
	return revocation(row), nil
}

// revocation reads a row that an operator wrote: a subject, a token's id or "*", and
// before, in seconds since 1970. Without before, or if that is no such time, it hits tokens of
// all times: whoever writes a row wants something refused.
func revocation(row map[string]types.AttributeValue) watch.Revocation {
	r := watch.Revocation{Subject: text(row, "subject"), TokenID: text(row, "tokenId"), Before: instant(row, "before")}
	if r.Before.Unix() <= 0 {
		r.Before = endOfTime
	}
	return r
}

// endOfTime is after every token's time.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
