package dynamo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/watchroute/watchroute/shared/intake"
	"github.com/watchroute/watchroute/shared/watch"
)

// positionRetention is how long the position of an item stays that was removed or has expired. No
// message comes again after so long: a queue keeps its messages for 14 days at most.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-queue-parameters.html
const positionRetention = 30 * 24 * time.Hour

// isNewer is true if a message counts: its source has no position of the item, or one in another
// lane, or a lower one.
const isNewer = "attribute_not_exists(#source) OR #source.lane <> :lane OR #source.#at < :at"

// intakeAttempts bounds how often an item is put that others write at the same time. Each try takes
// longer than their write, so none waits.
const intakeAttempts = 4

// Apply puts or removes an item of the Events table, and moves its position in Positions, both or
// neither. applied is false if the position there is as high already: then it writes nothing. An item
// that is the same as the one in its place makes no record in the stream, though its position moves.
// It costs two write units for every KB of the larger of the two items, and two for the position.
//
// What DynamoDB refuses in the item is a watch.ErrBadItem. watch.ErrConflict, of others that write
// the item all the time, and watch.ErrUnavailable pass by themselves.
func (s *Store) Apply(ctx context.Context, item intake.Item) (applied bool, err error) {
	write, err := s.intakeWrite(item)
	if err != nil {
		return false, err
	}
	writes := []types.TransactWriteItem{write, {Update: s.movePosition(item)}}
	for range intakeAttempts {
		// The SDK gives each input another token, by which an answer that was lost is repeated.
		if _, err = s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes}); err == nil {
			return true, nil
		}
		switch codes := cancellationCodes(err); {
		case slices.Contains(codes, "ConditionalCheckFailed"): // which only the position has
			return false, nil
		case slices.ContainsFunc(codes, refusesItem), refusedItem(err):
			return false, fmt.Errorf("%w: %w", watch.ErrBadItem, err)
		case !slices.Contains(codes, "TransactionConflict"):
			return false, fmt.Errorf("apply a message to an item of %s: %w", item.Topic, translate(err))
		}
	}
	return false, fmt.Errorf("apply a message to an item of %s: %w", item.Topic, translate(err))
}

// intakeWrite puts the item as a whole, or deletes it.
func (s *Store) intakeWrite(item intake.Item) (types.TransactWriteItem, error) {
	key := itemKey(item.Topic, item.ID)
	if item.Remove {
		return types.TransactWriteItem{Delete: &types.Delete{TableName: &s.tables.Events, Key: key}}, nil
	}
	row, err := attributes(item.Data)
	if err != nil {
		return types.TransactWriteItem{}, fmt.Errorf("%w: %w", watch.ErrBadItem, err)
	}
	maps.Copy(row, key)
	if item.ExpiresAt > 0 {
		row["expiresAt"] = num(item.ExpiresAt)
	}
	return types.TransactWriteItem{Put: &types.Put{TableName: &s.tables.Events, Item: row}}, nil
}

// movePosition notes the position of an item in its source. The row stays as long as the item, and
// positionRetention after it.
func (s *Store) movePosition(item intake.Item) *types.Update {
	p := item.Position
	update := &types.Update{
		TableName: &s.tables.Positions, Key: itemKey(item.Topic, item.ID),
		ConditionExpression:      aws.String(isNewer),
		UpdateExpression:         aws.String("SET #source = :position REMOVE expiresAt"),
		ExpressionAttributeNames: map[string]string{"#source": "from " + item.Source, "#at": "at"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":lane": str(p.Lane), ":at": str(p.At),
			":position": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"lane": str(p.Lane), "at": str(p.At)}},
		},
	}
	var ends time.Time
	switch {
	case item.Remove:
		ends = s.now()
	case item.ExpiresAt > 0:
		ends = time.Unix(item.ExpiresAt, 0)
	default:
		return update
	}
	update.UpdateExpression = aws.String("SET #source = :position, expiresAt = :expiresAt")
	update.ExpressionAttributeValues[":expiresAt"] = unix(ends.Add(positionRetention))
	return update
}

// cancellationCodes are the reasons for which a transaction was cancelled; none for another error.
func cancellationCodes(err error) (codes []string) {
	cancelled := (*types.TransactionCanceledException)(nil)
	if errors.As(err, &cancelled) {
		for _, reason := range cancelled.CancellationReasons {
			codes = append(codes, aws.ToString(reason.Code))
		}
	}
	return codes
}

// refusesItem tells whether DynamoDB refuses an item for a reason that does not pass by itself: what it
// has, or that its topic has 10 GB of items, which is as much as one with a local index may have.
//
// Sources: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html,
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html#LSI.ItemCollections.SizeLimit
func refusesItem(code string) bool {
	return code == "ValidationError" || code == "ItemCollectionSizeLimitExceeded"
}

// refusedItem tells whether DynamoDB refuses what an item has.
func refusedItem(err error) bool {
	var refused smithy.APIError
	return errors.As(err, &refused) && refused.ErrorCode() == "ValidationException"
}
