package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/watch"
)

// Disable costs four write units: two for the settings, and two for the item that tells operators.
func (s *Store) Disable(ctx context.Context, d delivery.Destination, why delivery.Reason) error {
	until := time.Time{}
	if !d.Expires.IsZero() {
		until = d.Expires.Add(settledFor)
	}
	notice, err := s.notify(d.ID, events.WholeDestination, why.Notice(), until)
	if err != nil {
		return err
	}
	u := inVersion(d.Version)
	u.put("disabled", str(string(why)))
	_, err = s.changeSettings(ctx, d.ID, u, notice)
	return err
}

// EnableDestination costs four write units, and for the index four.
func (s *Store) EnableDestination(ctx context.Context, id string, version int64, round string, look time.Time) error {
	u := inVersion(version)
	u.begin(round, true, look)
	u.remove = append(u.remove, "disabled")
	_, err := s.changeSettings(ctx, id, u, s.denotify(id, events.WholeDestination))
	return err
}

// Verify costs a write unit, and if a round begins, for the index two.
func (s *Store) Verify(ctx context.Context, id string, version int64, round string, look time.Time) error {
	u := inVersion(version)
	if round != "" {
		u.begin(round, true, look)
	}
	u.put("verified", &types.AttributeValueMemberBOOL{Value: true})
	_, err := s.changeSettings(ctx, id, u)
	return err
}

// NoteFailing costs a write unit.
func (s *Store) NoteFailing(ctx context.Context, id string, topic events.Topic, at time.Time) error {
	err := apart(ctx, func() error {
		_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &s.tables.Destinations, Key: settingsKey(id),
			UpdateExpression:         aws.String("ADD #failing :topics SET #probed = :at"),
			ConditionExpression:      aws.String(thatExist + " AND (attribute_not_exists(#failing) OR size(#failing) < :most)"),
			ExpressionAttributeNames: map[string]string{"#version": "version", "#failing": "failing", "#probed": "probed"},
			ExpressionAttributeValues: map[string]types.AttributeValue{
				":topics": &types.AttributeValueMemberSS{Value: []string{string(topic)}}, ":most": num(delivery.MostFailing), ":at": millis(at),
			},
		})
		return err
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &failed) {
		return fmt.Errorf("note that a topic of destination %s fails: %w", id, err)
	}
	return nil
}

// Probe costs a write unit.
func (s *Store) Probe(ctx context.Context, d delivery.Destination, at time.Time) (ok bool, err error) {
	u := newUpdate(thatExist + " AND #probed = :was")
	u.values[":was"] = millis(d.Probed)
	u.put("probed", millis(at))
	return s.changeSettings(ctx, d.ID, u)
}

// ClearFailing costs a write unit. If a round begins, it costs another, and for the index two.
func (s *Store) ClearFailing(ctx context.Context, id, round string, look time.Time) (begun bool, err error) {
	u := newUpdate(thatExist + " AND (attribute_not_exists(#failing) OR size(#failing) < :most)")
	u.values[":most"] = num(delivery.MostFailing)
	u.remove = []string{"failing"}
	if held, err := s.changeSettings(ctx, id, u); err != nil || held {
		return false, err
	}
	u = newUpdate(thatExist)
	u.begin(round, false, look)
	return s.changeSettings(ctx, id, u)
}

// MoveRound costs a write unit, and for the index two.
func (s *Store) MoveRound(ctx context.Context, id string, r delivery.Round, look time.Time) error {
	u := newUpdate("#round = :round")
	u.values[":round"] = str(r.ID)
	u.put("roundAfter", str(string(r.After)))
	u.put("due", millis(look))
	held, err := s.changeSettings(ctx, id, u)
	if err == nil && !held {
		err = fmt.Errorf("round of destination %s: %w", id, delivery.ErrOvertaken)
	}
	return err
}

// EndRound costs a write unit, and for the index two.
func (s *Store) EndRound(ctx context.Context, d delivery.Destination) error {
	u := newUpdate(thatExist + " AND (attribute_not_exists(#round) OR #round = :round)")
	u.values[":round"] = str(d.Round.ID)
	u.remove = []string{"round", "roundAll", "roundAfter"}
	if d.Expires.IsZero() {
		u.remove = append(u.remove, "due")
	} else {
		u.put("due", millis(d.Expires.Add(settledFor)))
	}
	_, err := s.changeSettings(ctx, d.ID, u)
	return err
}

// NoteShown costs a write unit.
func (s *Store) NoteShown(ctx context.Context, id, version string) error {
	u := newUpdate(thatExist)
	u.put("shown", str(version))
	_, err := s.changeSettings(ctx, id, u)
	return err
}

// AskTest costs a write unit.
func (s *Store) AskTest(ctx context.Context, id string, version int64, t delivery.Test) error {
	u := inVersion(version)
	u.put("test", testValue(t))
	held, err := s.changeSettings(ctx, id, u)
	if err == nil && !held {
		err = fmt.Errorf("ask for a test of destination %s, which has changed: %w", id, watch.ErrUnavailable)
	}
	return err
}

// NoteTest costs a write unit.
func (s *Store) NoteTest(ctx context.Context, id string, t delivery.Test) error {
	u := newUpdate("#test.#id = :id")
	u.values[":id"] = str(t.ID)
	u.put("test", testValue(t))
	_, err := s.changeSettings(ctx, id, u)
	return err
}
