package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/shared/watch"
)

// unmet reports whether the condition of one of the writes was the reason why none was made.
func unmet(err error, write int) bool {
	cancelled := (*types.TransactionCanceledException)(nil)
	return errors.As(err, &cancelled) && write < len(cancelled.CancellationReasons) &&
		aws.ToString(cancelled.CancellationReasons[write].Code) == "ConditionalCheckFailed"
}

// writeTogether writes all or nothing.
func (s *Store) writeTogether(ctx context.Context, writes []types.TransactWriteItem) error {
	return apart(ctx, func() error {
		_, err := s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
		return err
	})
}

// collisions bounds how often a write is repeated that meets another one of the same row.
const collisions = 5

// apart repeats a write that meets a transaction with the same row, as the SDK does not. It gives
// ErrUnavailable if it always does. Other errors are translated.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
func apart(ctx context.Context, write func() error) error {
	for attempt := range collisions {
		err := write()
		if err == nil || !collides(err) {
			return translate(err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(rand.N(20 * time.Millisecond << attempt)):
		}
	}
	return fmt.Errorf("another write of the same row each time: %w", watch.ErrUnavailable)
}

// collides reports whether another write of a row is the only reason of an error.
func collides(err error) bool {
	if single := (*types.TransactionConflictException)(nil); errors.As(err, &single) {
		return true
	}
	cancelled := (*types.TransactionCanceledException)(nil)
	if !errors.As(err, &cancelled) {
		return false
	}
	found := false
	for _, reason := range cancelled.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "TransactionConflict":
			found = true
		case "None", "":
		default:
			return false
		}
	}
	return found
}

// updateAlone makes an update without a transaction, which costs half as much.
func (s *Store) updateAlone(ctx context.Context, u *types.Update) error {
	input := &dynamodb.UpdateItemInput{
		TableName: u.TableName, Key: u.Key, UpdateExpression: u.UpdateExpression, ConditionExpression: u.ConditionExpression,
		ExpressionAttributeNames: u.ExpressionAttributeNames,
	}
	if len(u.ExpressionAttributeValues) > 0 {
		input.ExpressionAttributeValues = u.ExpressionAttributeValues
	}
	_, err := s.db.UpdateItem(ctx, input)
	return err
}
