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

// A single change is numbered without a transaction, because a transaction costs twice as much. Its
// row is the lock: it is put on the condition that there is no row with its number. Then the head
// moves. Until the head has moved, the change has no number, because nobody reads rows beyond the
// head. A process that finds a row there finishes what another process has begun or broken off: it
// moves the head to that row.
//
//	head n ──put row n+1──► head n, a row beyond it ──move the head, by anyone──► head n+1
//
// A row beyond the head is replaced in one case: by a transaction that moves the head past it. Then
// the moves of its writer, and of all who have read it, fail on their condition.

// Append puts up to watch.MaxAppendEntries entries and moves the head. Its condition is that the
// head still is from, with as many lanes. Several entries take one transaction: two write units for
// each entry of up to 1 KB, and two for the head. A single entry takes half of that, unless it
// begins another epoch, because rows of the epoch before are in the places of the new ones.
//
// ErrConflict also means that another change has the number. If an answer is lost, the SDK repeats
// the call. It repeats a transaction with the same token, and DynamoDB carries it out once. It finds
// a row in its place, which is a conflict.
func (s *Store) Append(ctx context.Context, topic events.Topic, from, to watch.Head, entries []watch.Entry) error {
	if len(entries) == 1 && entries[0].Seq == from.Seq+1 && (from.Epoch == to.Epoch || from.Epoch == "") {
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

// putNext puts the row after the head. It puts nothing if there is a row from an earlier epoch, or
// one that has expired and may vanish. If another change has the number, putNext moves the head to
// it and gives ErrConflict.
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

// moveHeadAlone moves the head to a row that exists. It costs one write unit.
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
