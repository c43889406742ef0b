package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// laneKey is the key of a lane's row in Changes. The lanes have sort keys below the head's.
func laneKey(topic events.Topic, lane int) map[string]types.AttributeValue {
	return rowKey(topic, headSeq-1-int64(lane))
}

// Widen gives a topic more lanes, in one transaction. Its condition is that the topic has as many
// lanes as head says. It costs two write units for the head, and two for each lane.
func (s *Store) Widen(ctx context.Context, topic events.Topic, head watch.Head, added []watch.Progress) error {
	condition, value := lanesCondition(head.Lanes)
	update := &types.Update{
		TableName: &s.tables.Changes, Key: rowKey(topic, headSeq),
		UpdateExpression:          aws.String("SET lanes = :more"),
		ConditionExpression:       aws.String("attribute_exists(topic) AND " + condition),
		ExpressionAttributeValues: map[string]types.AttributeValue{":more": num(int64(head.Lanes + len(added)))},
	}
	if value != nil {
		update.ExpressionAttributeValues[":lanes"] = value
	}
	writes := []types.TransactWriteItem{{Update: update}}
	for i, progress := range added {
		if progress == (watch.Progress{}) {
			continue // an unknown progress stays unknown for the new lane
		}
		row := laneKey(topic, head.Lanes+i)
		row["progress"] = str(progressText(progress))
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{TableName: &s.tables.Changes, Item: row}})
	}
	if _, err := s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes}); err != nil {
		return fmt.Errorf("give %s %d more lanes than %d: %w", topic, len(added), head.Lanes, translate(err))
	}
	return nil
}

// lanesCondition gives a condition that holds for a head with so many lanes.
func lanesCondition(lanes int) (condition string, value types.AttributeValue) {
	if lanes == 0 {
		return "attribute_not_exists(lanes)", nil
	}
	return "lanes = :lanes", num(int64(lanes))
}

// Want records in the head that a topic with so many lanes wants more. It costs a write unit.
func (s *Store) Want(ctx context.Context, topic events.Topic, lanes, wanted int) error {
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.tables.Changes, Key: rowKey(topic, headSeq),
		UpdateExpression:          aws.String("SET wanted = :wanted"),
		ConditionExpression:       aws.String("lanes = :lanes"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":lanes": num(int64(lanes)), ":wanted": num(int64(wanted))},
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("want %d lanes of %s instead of %d: %w", wanted, topic, lanes, translate(err))
	}
	return nil
}

// Progress reads the progress of a lane. It costs one read unit.
func (s *Store) Progress(ctx context.Context, topic events.Topic, lane int) (watch.Progress, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.tables.Changes, Key: laneKey(topic, lane), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return watch.Progress{}, fmt.Errorf("get lane %d of %s: %w", lane, topic, translate(err))
	}
	return progressIn(out.Item)
}

// AllProgress reads the progress of a topic's first lanes, up to maxGets of them. It costs one read
// unit for each.
func (s *Store) AllProgress(ctx context.Context, topic events.Topic, lanes int) ([]watch.Progress, error) {
	keys := make([]map[string]types.AttributeValue, lanes)
	for lane := range keys {
		keys[lane] = laneKey(topic, lane)
	}
	rows, err := s.batchGet(ctx, s.tables.Changes, consistent(keys))
	if err != nil {
		return nil, fmt.Errorf("get %d lanes of %s: %w", lanes, topic, translate(err))
	}
	all := make([]watch.Progress, lanes)
	for _, row := range rows {
		seq, err := integer(row, "seq")
		if err != nil {
			return nil, fmt.Errorf("read a lane of %s: %w", topic, err)
		}
		if all[headSeq-1-seq], err = progressIn(row); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Advance moves a lane's progress. It costs a write unit.
func (s *Store) Advance(ctx context.Context, topic events.Topic, lane int, from, to watch.Progress) error {
	update := &dynamodb.UpdateItemInput{
		TableName: &s.tables.Changes, Key: laneKey(topic, lane),
		UpdateExpression:          aws.String("SET progress = :to"),
		ConditionExpression:       aws.String("attribute_not_exists(progress)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":to": str(progressText(to))},
	}
	if from != (watch.Progress{}) {
		update.ConditionExpression = aws.String("progress = :from")
		update.ExpressionAttributeValues[":from"] = str(progressText(from))
	}
	_, err := s.db.UpdateItem(ctx, update)
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return fmt.Errorf("move lane %d of %s: %w", lane, topic, watch.ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("move lane %d of %s: %w", lane, topic, translate(err))
	}
	return nil
}

// progressText puts the progress into one attribute, so that one condition compares all of it.
func progressText(p watch.Progress) string {
	if p.Until == 0 && p.After == "" {
		return p.Cursor.String()
	}
	return p.Cursor.String() + " " + strconv.FormatInt(p.Until, 10) + " " + string(p.After)
}

// progressIn reads what progressText wrote.
func progressIn(row map[string]types.AttributeValue) (p watch.Progress, err error) {
	written := text(row, "progress")
	if written == "" {
		return p, nil
	}
	cursor, rest, more := strings.Cut(written, " ")
	if p.Cursor, err = events.ParseCursor(cursor); err == nil && more {
		until, after, _ := strings.Cut(rest, " ")
		p.After = watch.ConnectionID(after)
		p.Until, err = strconv.ParseInt(until, 10, 64)
	}
	if err != nil {
		return watch.Progress{}, fmt.Errorf("read lane %q of %s: %w", number(row, "seq"), text(row, "topic"), err)
	}
	return p, nil
}
