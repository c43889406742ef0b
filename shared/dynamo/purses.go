package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/shared/watch"
)

// Draw counts units in the subject's row of the period: one write unit. ErrTooManyRequests
// means that limit units were drawn before; the units are not counted then.
func (s *Store) Draw(ctx context.Context, key watch.Key, period time.Time, units, limit int) error {
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: purseKey(key, period),
		UpdateExpression:    aws.String("ADD spent :units SET expiresAt = :end"),
		ConditionExpression: aws.String("attribute_not_exists(spent) OR spent < :limit"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":units": num(int64(units)), ":limit": num(int64(limit)), ":end": unix(period.Add(purseLife)),
		},
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return fmt.Errorf("allowance of the period is spent: %w", watch.ErrTooManyRequests)
	}
	if err != nil {
		return fmt.Errorf("draw units of a subject: %w", translate(err))
	}
	return nil
}

// purseLife is how long the row of a period is kept.
const purseLife = time.Hour

// The sort keys of the rows of periods begin with pursePrefix and come before pursesEnd. All
// ids of connections come after it, as they are base64url text.
const (
	pursePrefix = "*"
	pursesEnd   = "+"
)

// purseKey names the row of a period, and of the connection if the subject is nobody.
func purseKey(key watch.Key, period time.Time) map[string]types.AttributeValue {
	return connectionKey(watch.Key{Subject: key.Subject, ID: watch.ConnectionID(pursePrefix+strconv.FormatInt(period.Unix(), 10)) + key.ID})
}
