package dynamo

import (
	"context"
	"fmt"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/shared/watch"
)

// Revocations reads what was revoked of a subject: one read unit for every 4 KB.
func (s *Store) Revocations(ctx context.Context, subject string) ([]watch.Revocation, error) {
	rows, err := s.rows(ctx, ofSubject(s.tables.Revocations, subject))
	if err != nil {
		return nil, fmt.Errorf("read revocations of a subject: %w", err)
	}
	all := make([]watch.Revocation, len(rows))
	for i, row := range rows {
		all[i] = revocation(row)
	}
	return all, nil
}

// Revocation reads a record of the Revocations table's stream.
func Revocation(record awsevents.DynamoDBEventRecord) watch.Revocation {
	return revocation(attributeMapFromStream(record.Change.NewImage))
}

// revocation reads a row that an operator wrote: a subject, a token's id or "*", and
// before, in seconds since 1970. Without before it hits tokens of all times.
func revocation(row map[string]types.AttributeValue) watch.Revocation {
	r := watch.Revocation{Subject: text(row, "subject"), TokenID: text(row, "tokenId"), Before: instant(row, "before")}
	if r.Before.IsZero() {
		r.Before = endOfTime
	}
	return r
}

// endOfTime is after every token's time.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
