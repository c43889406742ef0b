package dynamo

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/watch"
)

// DueIndex is the index of Destinations with the destinations, and the standings that are neither asleep
// nor stopped, by the time at which the sweep looks at them. Its partitions are the parts of all.
const DueIndex = "due"

// Marks of standings that wait for no message.
const (
	markRetry = "retry"
	markStop  = "stop"
)

func standingKey(ref delivery.Ref) map[string]types.AttributeValue {
	if ref.Topic == "" {
		return settingsKey(ref.Destination)
	}
	return map[string]types.AttributeValue{"destination": str(ref.Destination), "topic": str(string(ref.Topic))}
}

// partOf gives the part of all standings that a standing is in.
func partOf(ref delivery.Ref) string {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(ref.Destination + "\n" + string(ref.Topic))) // Write of a hash never fails
	return strconv.Itoa(int(hash.Sum32() % delivery.Parts))
}

// update is a change of one standing.
type update struct {
	set, condition string
	values         map[string]types.AttributeValue
}

// standingNames are the names of the attributes, by their placeholders in updates.
var standingNames = map[string]string{
	"#waiting": "waiting", "#due": "due", "#part": "part", "#generation": "generation", "#replays": "replays", "#after": "after", "#items": "items", "#next": "next",
	"#attempt": "attempt", "#until": "until", "#failures": "failures", "#since": "since", "#retryAt": "retryAt",
	"#gaveUp": "gaveUp", "#lastAt": "lastAt", "#lastStatus": "lastStatus", "#lastError": "lastError", "#told": "told",
}

// change updates a standing. held is false if the condition does not hold; before is what the row
// was before.
func (s *Store) change(ctx context.Context, ref delivery.Ref, u update) (before map[string]types.AttributeValue, held bool, err error) {
	input := &dynamodb.UpdateItemInput{
		TableName: &s.tables.Destinations, Key: standingKey(ref),
		UpdateExpression: &u.set, ConditionExpression: &u.condition,
		ReturnValues: types.ReturnValueAllOld,
	}
	input.ExpressionAttributeNames = namesIn(u.set+u.condition, standingNames)
	if u.condition == "" {
		input.ConditionExpression = nil
	}
	if len(u.values) > 0 {
		input.ExpressionAttributeValues = u.values
	}
	out, err := s.db.UpdateItem(ctx, input)
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("update standing of destination %s in %s: %w", ref.Destination, ref.Topic, translate(err))
	}
	return out.Attributes, true, nil
}

// Mark costs one write unit, and for the index another if the standing was asleep, and two if it is
// being delivered. One that is marked already costs one write unit.
func (s *Store) Mark(ctx context.Context, ref delivery.Ref, message string, after events.Cursor, look time.Time) (bool, error) {
	_, marked, err := s.change(ctx, ref, update{
		set:       "SET #waiting = :message, #after = if_not_exists(#after, :after), #due = :look, #part = :part",
		condition: "attribute_not_exists(#waiting) OR #waiting = :message", // its own, if the SDK repeats the call
		values:    map[string]types.AttributeValue{":message": str(message), ":after": str(after.String()), ":look": millis(look), ":part": str(partOf(ref))},
	})
	return marked, err
}

// Unmark costs one write unit.
func (s *Store) Unmark(ctx context.Context, ref delivery.Ref, message string) error {
	_, _, err := s.change(ctx, ref, update{
		set: "REMOVE #waiting", condition: "#waiting = :message",
		values: map[string]types.AttributeValue{":message": str(message)},
	})
	return err
}

// Begin costs one write unit, and another for the index if the standing was asleep or stopped.
func (s *Store) Begin(ctx context.Context, ref delivery.Ref, look time.Time) (delivery.Standing, error) {
	row, there, err := s.change(ctx, ref, update{
		set: "SET #due = if_not_exists(#due, :look), #part = :part REMOVE #waiting ADD #generation :one", condition: "attribute_exists(#after)",
		values: map[string]types.AttributeValue{":one": num(1), ":look": millis(look), ":part": str(partOf(ref))},
	})
	if err != nil {
		return delivery.Standing{}, err
	}
	if !there {
		return delivery.Standing{}, fmt.Errorf("begin %s of %s: %w", ref.Topic, ref.Destination, delivery.ErrUnknown)
	}
	begun, err := standing(row)
	begun.Generation++ // the row is as it was before
	return begun, err
}

// Try costs one write unit.
func (s *Store) Try(ctx context.Context, of delivery.Standing) error {
	return s.changeOf(ctx, of, update{set: "SET #attempt = :attempt, #until = :until", values: map[string]types.AttributeValue{
		":attempt": str(of.Attempt.ID), ":until": str(of.Attempt.Until.String()),
	}})
}

// changeOf changes a standing if its generation is that of the given one, and the condition of u holds.
// What is written beside it is written in the same transaction, which makes each of them twice as dear.
func (s *Store) changeOf(ctx context.Context, of delivery.Standing, u update, beside ...types.TransactWriteItem) (err error) {
	u.condition = "#generation = :generation" + u.condition
	u.values[":generation"] = num(of.Generation)
	held := true
	if len(beside) == 0 {
		_, held, err = s.change(ctx, of.Ref, u)
	} else if err = s.changeWith(ctx, of.Ref, u, beside); errors.Is(err, watch.ErrConflict) {
		held, err = false, nil
	}
	if err == nil && !held {
		err = fmt.Errorf("%s of destination %s: %w", of.Topic, of.Destination, delivery.ErrOvertaken)
	}
	return err
}

// changeWith updates a standing and writes something else, both or none. It is watch.ErrConflict if the
// condition does not hold.
func (s *Store) changeWith(ctx context.Context, ref delivery.Ref, u update, beside []types.TransactWriteItem) error {
	own := &types.Update{
		TableName: &s.tables.Destinations, Key: standingKey(ref), UpdateExpression: &u.set, ConditionExpression: &u.condition, ExpressionAttributeValues: u.values,
	}
	own.ExpressionAttributeNames = namesIn(u.set+u.condition, standingNames)
	if err := s.writeTogether(ctx, append([]types.TransactWriteItem{{Update: own}}, beside...)); err != nil {
		return fmt.Errorf("update standing of destination %s in %s: %w", ref.Destination, ref.Topic, err)
	}
	return nil
}

// Move costs one write unit, and another for the index if the standing falls asleep. If operators were
// told of a failure it costs two units more, and what is written twice as much.
func (s *Store) Move(ctx context.Context, of delivery.Standing, to watch.Place, asleep bool, last delivery.Result) error {
	values := map[string]types.AttributeValue{}
	set := "SET " + setPlace(to, values) + setResult(last, values)
	remove := " REMOVE #attempt, #until, #failures, #since, #retryAt, #gaveUp" + removePlace(to)
	var beside []types.TransactWriteItem
	if of.Told {
		beside = append(beside, s.denotify(of.Destination, string(of.Topic)))
		remove += ", #told"
	}
	if !asleep {
		return s.changeOf(ctx, of, update{set: set + remove, values: values}, beside...)
	}
	err := s.changeOf(ctx, of, update{set: set + remove + ", #due, #part", values: values, condition: " AND attribute_not_exists(#waiting)"}, beside...)
	if !errors.Is(err, delivery.ErrOvertaken) {
		return err
	}
	return s.changeOf(ctx, of, update{set: set + remove, values: values}, beside...) // it was marked meanwhile, or is another
}

// setPlace and removePlace write a place.
func setPlace(to watch.Place, values map[string]types.AttributeValue) string {
	values[":after"] = str(to.After.String())
	set := "#after = :after"
	if to.Items {
		values[":items"] = &types.AttributeValueMemberBOOL{Value: true}
		set += ", #items = :items"
	}
	if to.Next != "" {
		values[":next"] = str(to.Next)
		set += ", #next = :next"
	}
	return set
}

func removePlace(to watch.Place) (remove string) {
	if !to.Items {
		remove += ", #items"
	}
	if to.Next == "" {
		remove += ", #next"
	}
	return remove
}

func setResult(r delivery.Result, values map[string]types.AttributeValue) string {
	if r.At.IsZero() {
		return ""
	}
	values[":lastAt"], values[":lastStatus"], values[":lastError"] = millis(r.At), num(int64(r.Status)), str(r.Error)
	return ", #lastAt = :lastAt, #lastStatus = :lastStatus, #lastError = :lastError"
}

// Fail costs two write units, two for the item that tells operators, and four for the index. If nothing
// has failed, it costs one, and two for the index.
func (s *Store) Fail(ctx context.Context, of delivery.Standing) error {
	values := map[string]types.AttributeValue{
		":failures": num(int64(of.Failures)), ":since": millis(of.Since), ":retryAt": millis(of.RetryAt), ":retry": str(markRetry), ":part": str(partOf(of.Ref)),
	}
	set := "SET #failures = :failures, #since = :since, #retryAt = :retryAt, #due = :retryAt, #part = :part, #waiting = :retry" + setResult(of.Last, values)
	if of.Failures == 0 {
		return s.changeOf(ctx, of, update{set: set, values: values})
	}
	notice, err := s.notify(of.Destination, string(of.Topic), of.Notice(), of.RetryAt.Add(delivery.NoticeLife))
	if err != nil {
		return err
	}
	values[":told"] = &types.AttributeValueMemberBOOL{Value: true}
	return s.changeOf(ctx, of, update{set: set + ", #told = :told", values: values}, notice)
}

// Stop costs one write unit, and another for the index.
func (s *Store) Stop(ctx context.Context, of delivery.Standing) error {
	u := update{set: "SET #waiting = :stop REMOVE #due, #part", values: map[string]types.AttributeValue{":stop": str(markStop)}}
	if of.GivenUp {
		u.set = "SET #waiting = :stop, #gaveUp = :true REMOVE #due, #part"
		u.values[":true"] = &types.AttributeValueMemberBOOL{Value: true}
	}
	return s.changeOf(ctx, of, u)
}

// Drop costs one write unit, and another for the index; twice as much, and two more, if operators were
// told of a failure.
func (s *Store) Drop(ctx context.Context, ref delivery.Ref) error {
	_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &s.tables.Destinations, Key: standingKey(ref), ConditionExpression: aws.String("attribute_not_exists(told)"),
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		err = s.writeTogether(ctx, []types.TransactWriteItem{
			{Delete: &types.Delete{TableName: &s.tables.Destinations, Key: standingKey(ref)}}, s.denotify(ref.Destination, string(ref.Topic)),
		})
	}
	if err != nil {
		return fmt.Errorf("delete standing of destination %s in %s: %w", ref.Destination, ref.Topic, translate(err))
	}
	return nil
}

// Restart costs one write unit, and two for the index.
func (s *Store) Restart(ctx context.Context, ref delivery.Ref, at *watch.Place, message string, look time.Time) error {
	values := map[string]types.AttributeValue{":message": str(message), ":look": millis(look), ":part": str(partOf(ref)), ":one": num(1)}
	set, remove := "SET #waiting = :message, #due = :look, #part = :part", " REMOVE #attempt, #until, #failures, #since, #retryAt, #gaveUp"
	condition, add := "attribute_exists(#after)", " ADD #generation :one"
	if at != nil {
		set, remove = set+", "+setPlace(*at, values), remove+removePlace(*at)
		condition = "" // it may be a topic that the destination has had nothing of
		add += ", #replays :one"
	}
	_, held, err := s.change(ctx, ref, update{set: set + remove + add, condition: condition, values: values})
	if err == nil && !held {
		err = fmt.Errorf("restart %s of %s: %w", ref.Topic, ref.Destination, delivery.ErrUnknown)
	}
	return err
}

// Due costs half a read unit for every 4 KB of the index, of up to 1 MB with each call. It is read with
// eventual consistency: a standing that it misses is found by the next sweep.
func (s *Store) Due(ctx context.Context, part int, now time.Time, most int) (refs []delivery.Ref, err error) {
	query := &dynamodb.QueryInput{
		TableName: &s.tables.Destinations, IndexName: aws.String(DueIndex),
		KeyConditionExpression:    aws.String("#part = :part AND #due <= :now"),
		ExpressionAttributeNames:  map[string]string{"#part": "part", "#due": "due"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":part": str(strconv.Itoa(part)), ":now": millis(now)},
	}
	for {
		query.Limit = aws.Int32(int32(most - len(refs)))
		out, err := s.db.Query(ctx, query)
		if err != nil {
			return nil, fmt.Errorf("read what is due in part %d: %w", part, translate(err))
		}
		for _, row := range out.Items {
			ref := delivery.Ref{Destination: text(row, "destination"), Topic: events.Topic(text(row, "topic"))}
			if ref.Topic == settingsTopic {
				ref.Topic = ""
			}
			refs = append(refs, ref)
		}
		if out.LastEvaluatedKey == nil || len(refs) >= most {
			return refs, nil
		}
		query.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// Claim costs one write unit, and two for the index.
func (s *Store) Claim(ctx context.Context, ref delivery.Ref, message string, now, look time.Time) (bool, error) {
	_, claimed, err := s.change(ctx, ref, update{
		set: "SET #waiting = :message, #due = :look", condition: "#due <= :now OR #waiting = :message",
		values: map[string]types.AttributeValue{":message": str(message), ":look": millis(look), ":now": millis(now)},
	})
	return claimed, err
}

// Standings reads the standings of a destination, up to a number of them, after a topic or from the
// first. more says that there are others after them. It costs a read unit for every 4 KB.
func (s *Store) Standings(ctx context.Context, destination string, after events.Topic, most int) (standings []delivery.Standing, more bool, err error) {
	query := &dynamodb.QueryInput{
		TableName: &s.tables.Destinations, ConsistentRead: aws.Bool(true), Limit: aws.Int32(int32(most)),
		KeyConditionExpression:    aws.String("destination = :destination"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":destination": str(destination)},
	}
	if after != "" {
		query.ExclusiveStartKey = standingKey(delivery.Ref{Destination: destination, Topic: after})
	}
	out, err := s.db.Query(ctx, query)
	if err != nil {
		return nil, false, fmt.Errorf("read standings of destination %s: %w", destination, translate(err))
	}
	for _, row := range out.Items {
		if text(row, "topic") == settingsTopic {
			continue
		}
		standing, err := standing(row)
		if err != nil {
			return nil, false, err
		}
		standings = append(standings, standing)
	}
	return standings, out.LastEvaluatedKey != nil, nil
}

// standing reads a row.
func standing(row map[string]types.AttributeValue) (s delivery.Standing, err error) {
	s.Ref = delivery.Ref{Destination: text(row, "destination"), Topic: events.Topic(text(row, "topic"))}
	s.Generation, _ = integer(row, "generation") // 0 if there is none
	s.Replays, _ = integer(row, "replays")
	s.Items, s.Next = flag(row, "items"), text(row, "next")
	s.Phase, s.GivenUp = phase(row), flag(row, "gaveUp")
	if s.After, err = events.ParseCursor(text(row, "after")); err != nil {
		return s, fmt.Errorf("read standing of destination %s in %s: %w", s.Destination, s.Topic, err)
	}
	if attempt := text(row, "attempt"); attempt != "" {
		s.Attempt = &delivery.Attempt{ID: attempt}
		if s.Attempt.Until, err = events.ParseCursor(text(row, "until")); err != nil {
			return s, fmt.Errorf("read attempt of destination %s in %s: %w", s.Destination, s.Topic, err)
		}
	}
	failures, _ := integer(row, "failures")
	status, _ := integer(row, "lastStatus")
	s.Failures, s.Since, s.RetryAt = int(failures), instantMillis(row, "since"), instantMillis(row, "retryAt")
	s.Last = delivery.Result{At: instantMillis(row, "lastAt"), Status: int(status), Error: text(row, "lastError")}
	s.Told = flag(row, "told")
	return s, nil
}

// phase reads where a standing is between asleep and stopped.
func phase(row map[string]types.AttributeValue) delivery.Phase {
	switch text(row, "waiting") {
	case markStop:
		return delivery.Stopped
	case markRetry:
		return delivery.Retrying
	case "":
		if row["due"] == nil {
			return delivery.Asleep
		}
		return delivery.Running
	}
	return delivery.Called
}

func millis(t time.Time) *types.AttributeValueMemberN { return num(t.UnixMilli()) }

// instantMillis gives a time in milliseconds since 1970; the zero time if there is none.
func instantMillis(row map[string]types.AttributeValue, name string) time.Time {
	n, err := integer(row, name)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(n)
}
