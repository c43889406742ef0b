package dynamo

import (
	"fmt"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/delivery"
)

// Operators are told of destinations by items of reserved topics. What an item tells is written in
// one transaction with it, so that it is never missing and never left behind.

// notify writes the item that tells operators of a destination; until is when it may be removed, and
// zero for never.
func (s *Store) notify(destination, id string, notice events.DestinationNotice, until time.Time) (types.TransactWriteItem, error) {
	data, err := events.Marshal(notice)
	if err != nil {
		return types.TransactWriteItem{}, fmt.Errorf("write notice of destination %s: %w", destination, err)
	}
	row, err := attributes(data)
	if err != nil {
		return types.TransactWriteItem{}, fmt.Errorf("write notice of destination %s: %w", destination, err)
	}
	maps.Copy(row, itemKey(delivery.Notices(destination), id))
	if !until.IsZero() {
		row["expiresAt"] = unix(until)
	}
	return types.TransactWriteItem{Put: &types.Put{TableName: &s.tables.Events, Item: row}}, nil
}

// denotify removes the item, if there is one.
func (s *Store) denotify(destination, id string) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{TableName: &s.tables.Events, Key: itemKey(delivery.Notices(destination), id)}}
}
