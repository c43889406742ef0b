package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/watch"
)

// AddDestination keeps a destination, its owner's list and its subscription, all or nothing, if the
// owner has fewer than most and no other has the id. It costs six write units, two for the index, and a
// read unit. One that is declared is kept only while its edition has not ended.
func (s *Store) AddDestination(ctx context.Context, d delivery.Destination, most int) error {
	base, _ := d.Query.Topic.Split()
	head, err := s.headcount(ctx, base, true)
	if err != nil {
		return fmt.Errorf("add destination %s: %w", d.ID, err)
	}
	d.Shard = home(watch.DestinationID(d.ID), shardsOf(head))
	owner := s.inEdition(d)
	owner.UpdateExpression = aws.String("ADD ids :id")
	owner.ConditionExpression = aws.String("(attribute_not_exists(ids) OR size(ids) < :most)" + editionCondition(d, " AND "))
	owner.ExpressionAttributeValues[":id"] = &types.AttributeValueMemberSS{Value: []string{d.ID}}
	owner.ExpressionAttributeValues[":most"] = num(int64(most))
	err = s.writeTogether(ctx, []types.TransactWriteItem{
		{Update: owner},
		{Put: &types.Put{TableName: &s.tables.Destinations, Item: settingsRow(d), ConditionExpression: aws.String("attribute_not_exists(destination)")}},
		{Put: &types.Put{TableName: &s.tables.Subscriptions, Item: subscriptionRow(subscriptionOf(d))}},
	})
	switch {
	case unmet(err, 1):
		err = delivery.ErrExists
	case unmet(err, 0) && d.Name != "":
		err = delivery.ErrOvertaken
	case unmet(err, 0):
		err = delivery.ErrTooMany
	}
	if err != nil {
		return fmt.Errorf("add destination %s: %w", d.ID, err)
	}
	return nil
}

// ReplaceDestination replaces the settings and the subscription, both or none: four write units, and
// for the index four. Two more are for the item that has told operators that it was disabled. One that is
// declared costs two more, and is replaced only while its edition has not ended.
func (s *Store) ReplaceDestination(ctx context.Context, d, was delivery.Destination, look time.Time) error {
	u, row := inVersion(was.Version), settingsRow(d)
	for _, name := range owned {
		if value := row[name]; value != nil {
			u.put(name, value)
		} else {
			u.remove = append(u.remove, name)
		}
	}
	if !d.Verified {
		u.remove = append(u.remove, "verified")
	}
	if d.Disabled == "" && was.Disabled != "" {
		u.remove = append(u.remove, "disabled")
	}
	if d.Round != was.Round {
		u.begin(d.Round.ID, true, look)
	} else if d.Round.ID == "" && row["due"] != nil {
		u.put("due", row["due"])
	}
	writes := []types.TransactWriteItem{
		{Update: u.on(s.tables.Destinations, d.ID)},
		{Put: &types.Put{TableName: &s.tables.Subscriptions, Item: subscriptionRow(subscriptionOf(d))}},
	}
	if d.Disabled == "" && was.Disabled != "" {
		writes = append(writes, s.denotify(d.ID, events.WholeDestination))
	}
	if d.Name != "" {
		owner := s.inEdition(d)
		owner.UpdateExpression, owner.ConditionExpression = aws.String("SET working = :edition"), aws.String(editionCondition(d, ""))
		owner.ExpressionAttributeValues[":edition"] = num(d.Edition)
		writes = append(writes, types.TransactWriteItem{Update: owner})
	}
	err := s.writeTogether(ctx, writes)
	if errors.Is(err, watch.ErrConflict) {
		err = fmt.Errorf("%w: %w", watch.ErrUnavailable, err)
	}
	if err != nil {
		return fmt.Errorf("replace destination %s: %w", d.ID, err)
	}
	return nil
}

// subscriptionOf is how a destination watches.
func subscriptionOf(d delivery.Destination) watch.Subscription {
	return watch.Subscription{
		Key: watch.Key{Subject: d.Subject, ID: watch.DestinationID(d.ID)}, Topic: d.Query.Topic, Shard: d.Shard,
		Until: cmp.Or(d.Expires, never),
	}
}

// never is when the subscription of a destination ends that does not end by itself.
var never = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)

// RemoveDestination removes what AddDestination has kept, and what operators are told: eight write units,
// and for the index four. The standings are left, and of the settings what lets the sweep find them. One
// that is declared is removed only while the edition of which it has the number has not ended.
func (s *Store) RemoveDestination(ctx context.Context, d delivery.Destination, look time.Time) error {
	left := newUpdate("")
	left.put("removed", &types.AttributeValueMemberBOOL{Value: true})
	left.put("due", millis(look))
	left.put("part", str(partOf(delivery.Ref{Destination: d.ID})))
	left.remove = owned
	owner := s.inEdition(d)
	owner.UpdateExpression = aws.String("DELETE ids :id")
	owner.ExpressionAttributeValues[":id"] = &types.AttributeValueMemberSS{Value: []string{d.ID}}
	if d.Name != "" {
		owner.ConditionExpression = aws.String(editionCondition(d, ""))
	}
	writes := []types.TransactWriteItem{
		{Update: owner},
		{Update: left.on(s.tables.Destinations, d.ID)},
		{Delete: &types.Delete{TableName: &s.tables.Subscriptions, Key: subscriptionKey(subscriptionOf(d))}},
		s.denotify(d.ID, events.WholeDestination),
	}
	if err := s.writeTogether(ctx, writes); err != nil {
		return fmt.Errorf("remove destination %s: %w", d.ID, err)
	}
	return nil
}

// Retire costs a write unit, and for the index two.
func (s *Store) Retire(ctx context.Context, id string) (gone bool, err error) {
	u := newUpdate("attribute_exists(#removed) OR #ends <= :before")
	u.put("removed", &types.AttributeValueMemberBOOL{Value: true})
	u.values[":before"] = unix(s.now().Add(-settledFor))
	u.remove = []string{"version"} // so that nothing changes the settings any more
	return s.changeSettings(ctx, id, u)
}

// ForgetDestination removes what operators are told of it as well: four write units, and for the index two.
func (s *Store) ForgetDestination(ctx context.Context, id string) error {
	err := s.writeTogether(ctx, []types.TransactWriteItem{
		{Delete: &types.Delete{TableName: &s.tables.Destinations, Key: settingsKey(id), ConditionExpression: aws.String("attribute_exists(removed)")}},
		s.denotify(id, events.WholeDestination),
	})
	if err != nil && !errors.Is(err, watch.ErrConflict) {
		return fmt.Errorf("forget destination %s: %w", id, err)
	}
	return nil
}

// Destination reads a destination: a read unit.
func (s *Store) Destination(ctx context.Context, id string) (delivery.Destination, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.tables.Destinations, Key: settingsKey(id), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return delivery.Destination{}, fmt.Errorf("get destination %s: %w", id, translate(err))
	}
	if out.Item == nil || flag(out.Item, "removed") || out.Item["ends"] != nil && !s.now().Before(instant(out.Item, "ends").Add(settledFor)) {
		return delivery.Destination{}, fmt.Errorf("destination %s: %w", id, delivery.ErrUnknown)
	}
	return destination(out.Item)
}

// Destinations reads the destinations of a subject: a read unit, and one for each of them. It takes
// from the owner's list those that have expired.
func (s *Store) Destinations(ctx context.Context, subject string) ([]delivery.Destination, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.tables.Destinations, Key: ownerKey(subject), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, fmt.Errorf("read destinations of a subject: %w", translate(err))
	}
	ids, _ := out.Item["ids"].(*types.AttributeValueMemberSS)
	if ids == nil {
		return nil, nil
	}
	all, gone := []delivery.Destination{}, []string{}
	for _, id := range slices.Sorted(slices.Values(ids.Value)) {
		d, err := s.Destination(ctx, id)
		switch {
		case errors.Is(err, delivery.ErrUnknown):
			gone = append(gone, id)
		case err != nil:
			return nil, err
		default:
			all = append(all, d)
		}
	}
	if len(gone) > 0 {
		err = apart(ctx, func() error {
			_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
				TableName: &s.tables.Destinations, Key: ownerKey(subject), UpdateExpression: aws.String("DELETE ids :gone"),
				ExpressionAttributeValues: map[string]types.AttributeValue{":gone": &types.AttributeValueMemberSS{Value: gone}},
			})
			return err
		})
	}
	return all, err
}
