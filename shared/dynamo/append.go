package dynamo

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// A single change is numbered without a transaction, which would cost twice as much. Its row is the
// lock: it is put on the condition that its number has none, and then the head moves. Until the
// head has moved the change is not numbered, for nobody reads rows beyond the head. Whoever finds a
// row there ends what another has begun, or broken off: the head moves to that row.
//
//	head n ──put row n+1──► head n, a row beyond it ──move the head, by anyone──► head n+1
//
// Rows beyond the head are replaced in one case: by a transaction that moves the head past them. Then
// their writers' moves fail, as do those of all who have read them.

// Append puts up to watch.MaxAppendEntries entries and moves the head, on the condition that the head
// is still from, with as many lanes. Several entries take one transaction: two write units an entry of
// up to 1 KB, and two for the head. A single one takes half of that, unless it begins an epoch.
//
// ErrConflict means also that another change has its number, or has got it just now. The SDK repeats
// a call whose answer was lost. A transaction has the same token then, so that it is carried out once;
// a row is found in its place, which is a conflict.
func (s *Store) Append(ctx context.Context, topic events.Topic, from, to watch.Head, entries []watch.Entry) error {
	if len(entries) == 1 && from.Epoch == to.Epoch && entries[0].Seq == from.Seq+1 {
		put, err := s.putNext(ctx, topic, from, entries[0])
		if err != nil {
			return err
		}
		if put {
			return s.moveHeadAlone(ctx, topic, from, to)
		}
	}
	writes := []types.TransactWriteItem{{Update: s.moveHead(topic, from, to)}}
	for _, e := range entries {
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{TableName: &s.tables.Changes, Item: s.entryRow(e)}})
	}
	if _, err := s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes}); err != nil {
		return fmt.Errorf("append %d changes to %s: %w", len(entries), topic, translate(err))
	}
	return nil
}

// putNext puts the row after the head. It does not if a row is left over there from an earlier epoch,
// or from so long ago that it may vanish. If a change has the number already, the head moves to it,
// and the error is ErrConflict.
func (s *Store) putNext(ctx context.Context, topic events.Topic, head watch.Head, e watch.Entry) (put bool, err error) {
	_, err = s.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.tables.Changes, Item: s.entryRow(e),
		ConditionExpression:                 aws.String("attribute_not_exists(seq)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	failed := (*types.ConditionalCheckFailedException)(nil)
	if err == nil {
		return true, nil
	}
	if !errors.As(err, &failed) {
		return false, fmt.Errorf("append change %d to %s: %w", e.Seq, topic, translate(err))
	}
	if text(failed.Item, "epoch") != head.Epoch || expired(failed.Item, s.now()) {
		return false, nil
	}
	other, err := entry(topic, failed.Item)
	if err != nil {
		return false, fmt.Errorf("read change %d of %s: %w", e.Seq, topic, err)
	}
	to := head
	to.Seq, to.Position = other.Seq, other.High
	if err := s.moveHeadAlone(ctx, topic, head, to); err != nil {
		return false, err
	}
	return false, fmt.Errorf("append change %d to %s: another has the number: %w", e.Seq, topic, watch.ErrConflict)
}

// moveHeadAlone moves the head to a row that is there: a write unit.
func (s *Store) moveHeadAlone(ctx context.Context, topic events.Topic, from, to watch.Head) error {
	move := s.moveHead(topic, from, to)
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: move.TableName, Key: move.Key,
		UpdateExpression: move.UpdateExpression, ConditionExpression: move.ConditionExpression,
		ExpressionAttributeNames: move.ExpressionAttributeNames, ExpressionAttributeValues: move.ExpressionAttributeValues,
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return fmt.Errorf("move the head of %s to %d: %w", topic, to.Seq, watch.ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("move the head of %s to %d: %w", topic, to.Seq, translate(err))
	}
	return nil
}
