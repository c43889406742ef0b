package dynamo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/watch"
)

// Lists of whole tables are for tools that look on, such as a console. They scan, which no function may.
// A list ends after so many rows of the table, and more says that there are others.

// ListConnections lists connections, also those that have ended without anybody knowing.
func (s *Store) ListConnections(ctx context.Context, most int) (list []watch.Connection, more bool, err error) {
	more, err = s.scan(ctx, s.tables.Connections, most, func(row map[string]types.AttributeValue) error {
		if text(row, "connectionId") < pursesEnd {
			return nil // what a subject has spent, or holds
		}
		one, err := connection(row)
		list = append(list, one)
		return err
	})
	return list, more, err
}

// ListSubscriptions lists subscriptions, of destinations too.
func (s *Store) ListSubscriptions(ctx context.Context, most int) (list []watch.Subscription, more bool, err error) {
	more, err = s.scan(ctx, s.tables.Subscriptions, most, func(row map[string]types.AttributeValue) error {
		if text(row, "connectionId") == headcount {
			return nil
		}
		one, err := subscription(row)
		list = append(list, one)
		return err
	})
	return list, more, err
}

// ListDestinations lists destinations and their standings.
func (s *Store) ListDestinations(ctx context.Context, most int) (list []delivery.Destination, standings []delivery.Standing, more bool, err error) {
	more, err = s.scan(ctx, s.tables.Destinations, most, func(row map[string]types.AttributeValue) error {
		switch {
		case text(row, "topic") != settingsTopic:
			one, err := standing(row)
			standings = append(standings, one)
			return err
		case row["version"] == nil || flag(row, "removed"):
			return nil // of an owner, or of one that is gone
		}
		one, err := destination(row)
		list = append(list, one)
		return err
	})
	return list, standings, more, err
}

// scan reads the first rows of a table: half a read unit for every 4 KB.
func (s *Store) scan(ctx context.Context, table string, most int, read func(map[string]types.AttributeValue) error) (more bool, err error) {
	out, err := s.db.Scan(ctx, &dynamodb.ScanInput{TableName: &table, Limit: aws.Int32(int32(most))})
	if err != nil {
		return false, fmt.Errorf("list %s: %w", table, translate(err))
	}
	for _, row := range out.Items {
		if err := read(row); err != nil {
			return false, fmt.Errorf("list %s: %w", table, err)
		}
	}
	return out.LastEvaluatedKey != nil, nil
}
