package dynamo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// settingsTopic is the sort key of a destination's settings. No topic has this name.
const settingsTopic = events.AnySegment

// settledFor is how long the settings of a destination whose time is over can still be read. Then the
// sweep has it removed. If nobody sweeps, DynamoDB removes the settings after another time.
const (
	settledFor = 7 * 24 * time.Hour
	unsweptFor = settledFor + 30*24*time.Hour
)

func settingsKey(id string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"destination": str(id), "topic": str(settingsTopic)}
}

// ownerKey is the key of the row with the ids of a subject's destinations. No id begins with #.
func ownerKey(subject string) map[string]types.AttributeValue { return settingsKey("#" + subject) }

// AddDestination keeps a destination, its owner's list and its subscription, all or nothing, if the
// owner has fewer than most. It costs six write units, two for the index, and a read unit.
func (s *Store) AddDestination(ctx context.Context, d delivery.Destination, most int) error {
	base, _ := d.Query.Topic.Split()
	shards, err := s.shards(ctx, base)
	if err != nil {
		return fmt.Errorf("add destination %s: %w", d.ID, err)
	}
	d.Shard = home(watch.DestinationID(d.ID), shards)
	writes := []types.TransactWriteItem{
		{Update: &types.Update{
			TableName: &s.tables.Destinations, Key: ownerKey(d.Subject),
			UpdateExpression:    aws.String("ADD ids :id"),
			ConditionExpression: aws.String("attribute_not_exists(ids) OR size(ids) < :most"),
			ExpressionAttributeValues: map[string]types.AttributeValue{
				":id": &types.AttributeValueMemberSS{Value: []string{d.ID}}, ":most": num(int64(most)),
			},
		}},
		{Put: &types.Put{TableName: &s.tables.Destinations, Item: settingsRow(d)}},
		{Put: &types.Put{TableName: &s.tables.Subscriptions, Item: subscriptionRow(subscriptionOf(d))}},
	}
	err = s.writeTogether(ctx, writes)
	if cancelled := (*types.TransactionCanceledException)(nil); errors.As(err, &cancelled) &&
		slices.ContainsFunc(cancelled.CancellationReasons, func(r types.CancellationReason) bool { return aws.ToString(r.Code) == "ConditionalCheckFailed" }) {
		return fmt.Errorf("add destination %s: %w", d.ID, delivery.ErrTooMany) // the only condition
	}
	if err != nil {
		return fmt.Errorf("add destination %s: %w", d.ID, err)
	}
	return nil
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

// ReplaceDestination replaces the settings and the subscription, both or none: four write units, and
// for the index four.
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
	} else if d.Round.ID == "" {
		u.put("due", row["due"])
	}
	err := s.writeTogether(ctx, []types.TransactWriteItem{
		{Update: u.on(s.tables.Destinations, d.ID)},
		{Put: &types.Put{TableName: &s.tables.Subscriptions, Item: subscriptionRow(subscriptionOf(d))}},
	})
	if errors.Is(err, watch.ErrConflict) {
		err = fmt.Errorf("%w: %w", watch.ErrUnavailable, err)
	}
	if err != nil {
		return fmt.Errorf("replace destination %s: %w", d.ID, err)
	}
	return nil
}

// owned are the attributes of the settings that the owner changes. The others are what has become of
// deliveries.
var owned = []string{
	"grant", "tokenId", "issuedAt", "url", "format", "batch", "version", "ends", "expiresAt", "filter", "fields", "rotations", "rotated",
}

// ofVersion and thatExist are conditions of settings.
const (
	ofVersion = "#version = :ofVersion"
	thatExist = "attribute_exists(#version)"
)

// settingsUpdate is a change of settings.
type settingsUpdate struct {
	set, remove []string // names of attributes
	condition   string
	values      map[string]types.AttributeValue
}

func newUpdate(condition string) *settingsUpdate {
	return &settingsUpdate{condition: condition, values: map[string]types.AttributeValue{}}
}

// inVersion is a change of settings that still have a version.
func inVersion(version int64) *settingsUpdate {
	u := newUpdate(ofVersion)
	u.values[":ofVersion"] = num(version)
	return u
}

// put sets an attribute.
func (u *settingsUpdate) put(name string, value types.AttributeValue) {
	u.set = append(u.set, name)
	u.values[":"+name] = value
}

// begin begins a round: of all standings, or else of those that the round before it was of. No topic
// fails any more.
func (u *settingsUpdate) begin(round string, all bool, look time.Time) {
	u.put("round", str(round))
	u.put("due", millis(look))
	if all {
		u.put("roundAll", &types.AttributeValueMemberBOOL{Value: true})
	}
	u.remove = append(u.remove, "roundAfter", "failing")
}

func (u *settingsUpdate) expression() string {
	var parts []string
	for _, name := range u.set {
		parts = append(parts, fmt.Sprintf("#%s = :%s", name, name))
	}
	text := ""
	if len(parts) > 0 {
		text = "SET " + strings.Join(parts, ", ")
	}
	if len(u.remove) > 0 {
		text += " REMOVE #" + strings.Join(u.remove, ", #")
	}
	return text
}

// on is the update of a destination's settings.
func (u *settingsUpdate) on(table, id string) *types.Update {
	expression, names := u.expression(), map[string]string{}
	for _, word := range strings.FieldsFunc(expression+" "+u.condition, func(r rune) bool { return strings.ContainsRune(" ,.()", r) }) {
		if name, ok := strings.CutPrefix(word, "#"); ok {
			names[word] = name
		}
	}
	return &types.Update{
		TableName: &table, Key: settingsKey(id), UpdateExpression: &expression, ConditionExpression: &u.condition,
		ExpressionAttributeNames: names, ExpressionAttributeValues: u.values,
	}
}

// subscriptionOf is how a destination watches.
func subscriptionOf(d delivery.Destination) watch.Subscription {
	return watch.Subscription{
		Key: watch.Key{Subject: d.Subject, ID: watch.DestinationID(d.ID)}, Topic: d.Query.Topic, Shard: d.Shard, Until: d.Expires,
	}
}

// RemoveDestination removes what AddDestination has kept: six write units, and for the index four. The
// standings are left, and in place of the settings a row with which the sweep finds them.
func (s *Store) RemoveDestination(ctx context.Context, d delivery.Destination, look time.Time) error {
	left := settingsKey(d.ID)
	left["removed"], left["due"], left["part"] = &types.AttributeValueMemberBOOL{Value: true}, millis(look), str(partOf(delivery.Ref{Destination: d.ID}))
	writes := []types.TransactWriteItem{
		{Update: &types.Update{
			TableName: &s.tables.Destinations, Key: ownerKey(d.Subject), UpdateExpression: aws.String("DELETE ids :id"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":id": &types.AttributeValueMemberSS{Value: []string{d.ID}}},
		}},
		{Put: &types.Put{TableName: &s.tables.Destinations, Item: left}},
		{Delete: &types.Delete{TableName: &s.tables.Subscriptions, Key: subscriptionKey(subscriptionOf(d))}},
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

// ForgetDestination costs a write unit, and for the index another.
func (s *Store) ForgetDestination(ctx context.Context, id string) error {
	_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &s.tables.Destinations, Key: settingsKey(id), ConditionExpression: aws.String("attribute_exists(removed)"),
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &failed) {
		return fmt.Errorf("forget destination %s: %w", id, translate(err))
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

// Disable costs a write unit.
func (s *Store) Disable(ctx context.Context, id string, version int64, why delivery.Reason) error {
	u := inVersion(version)
	u.put("disabled", str(string(why)))
	_, err := s.changeSettings(ctx, id, u)
	return err
}

// EnableDestination costs a write unit, and for the index two.
func (s *Store) EnableDestination(ctx context.Context, id string, version int64, round string, look time.Time) error {
	u := inVersion(version)
	u.begin(round, true, look)
	u.remove = append(u.remove, "disabled")
	_, err := s.changeSettings(ctx, id, u)
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
func (s *Store) NoteFailing(ctx context.Context, id string, topic events.Topic) error {
	err := apart(ctx, func() error {
		_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &s.tables.Destinations, Key: settingsKey(id),
			UpdateExpression:         aws.String("ADD #failing :topics"),
			ConditionExpression:      aws.String(thatExist + " AND (attribute_not_exists(#failing) OR size(#failing) < :most)"),
			ExpressionAttributeNames: map[string]string{"#version": "version", "#failing": "failing"},
			ExpressionAttributeValues: map[string]types.AttributeValue{
				":topics": &types.AttributeValueMemberSS{Value: []string{string(topic)}}, ":most": num(delivery.MostFailing),
			},
		})
		return err
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &failed) {
		return fmt.Errorf("note that a topic of destination %s fails: %w", id, err)
	}
	return nil
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
	u.put("due", millis(d.Expires.Add(settledFor)))
	u.remove = []string{"round", "roundAll", "roundAfter"}
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

func testValue(t delivery.Test) types.AttributeValue {
	value := map[string]types.AttributeValue{"id": str(t.ID), "asked": millis(t.Asked)}
	if !t.Result.At.IsZero() {
		value["at"], value["status"], value["error"] = millis(t.Result.At), num(int64(t.Result.Status)), str(t.Result.Error)
		value["took"] = num(t.Took.Milliseconds())
	}
	return &types.AttributeValueMemberM{Value: value}
}

// testOf reads what testValue wrote.
func testOf(row map[string]types.AttributeValue) delivery.Test {
	value, _ := row["test"].(*types.AttributeValueMemberM)
	if value == nil {
		return delivery.Test{}
	}
	status, _ := integer(value.Value, "status")
	took, _ := integer(value.Value, "took")
	return delivery.Test{
		ID: text(value.Value, "id"), Asked: instantMillis(value.Value, "asked"), Took: time.Duration(took) * time.Millisecond,
		Result: delivery.Result{At: instantMillis(value.Value, "at"), Status: int(status), Error: text(value.Value, "error")},
	}
}

// changeSettings changes settings. held is false if the condition does not hold: they are gone, or have
// changed, and are looked at anew.
func (s *Store) changeSettings(ctx context.Context, id string, u *settingsUpdate) (held bool, err error) {
	change := u.on(s.tables.Destinations, id)
	input := &dynamodb.UpdateItemInput{
		TableName: change.TableName, Key: change.Key, UpdateExpression: change.UpdateExpression, ConditionExpression: change.ConditionExpression,
		ExpressionAttributeNames: change.ExpressionAttributeNames,
	}
	if len(change.ExpressionAttributeValues) > 0 {
		input.ExpressionAttributeValues = change.ExpressionAttributeValues
	}
	err = apart(ctx, func() error {
		_, err := s.db.UpdateItem(ctx, input)
		return err
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("change destination %s: %w", id, err)
	}
	return true, nil
}

func settingsRow(d delivery.Destination) map[string]types.AttributeValue {
	row := settingsKey(d.ID)
	maps.Copy(row, tokenRow(d.Access))
	row["subject"], row["grant"] = str(d.Subject), str(d.Grant.String())
	row["watches"], row["url"], row["format"] = str(string(d.Query.Topic)), str(d.URL), str(string(d.Format))
	row["batch"], row["created"], row["version"], row["shard"] = num(int64(d.Batch)), millis(d.Created), num(d.Version), num(int64(d.Shard))
	row["ends"], row["expiresAt"] = unix(d.Expires), unix(d.Expires.Add(unsweptFor))
	row["due"], row["part"] = millis(d.Expires.Add(settledFor)), str(partOf(delivery.Ref{Destination: d.ID}))
	if d.Filter != nil {
		row["filter"] = str(string(d.Filter))
	}
	if d.Fields != nil {
		row["fields"] = list(d.Fields)
	}
	if d.Verified {
		row["verified"] = &types.AttributeValueMemberBOOL{Value: true}
	}
	if d.Disabled != "" {
		row["disabled"] = str(string(d.Disabled))
	}
	if d.Rotations > 0 {
		row["rotations"], row["rotated"] = num(d.Rotations), millis(d.Rotated)
	}
	return row
}

// destination reads what settingsRow wrote.
func destination(row map[string]types.AttributeValue) (delivery.Destination, error) {
	d := delivery.Destination{
		ID: text(row, "destination"), URL: text(row, "url"), Format: delivery.Format(text(row, "format")),
		Created: instantMillis(row, "created"), Disabled: delivery.Reason(text(row, "disabled")), Verified: flag(row, "verified"),
		Round: delivery.Round{ID: text(row, "round"), All: flag(row, "roundAll"), After: events.Topic(text(row, "roundAfter"))},
		Test:  testOf(row), Rotated: instantMillis(row, "rotated"), Shown: text(row, "shown"),
	}
	d.Rotations, _ = integer(row, "rotations") // 0 if it never was
	if failing, ok := row["failing"].(*types.AttributeValueMemberSS); ok {
		for _, topic := range failing.Value {
			d.Failing = append(d.Failing, events.Topic(topic))
		}
	}
	d.Key = watch.Key{Subject: text(row, "subject"), ID: watch.DestinationID(d.ID)}
	d.Access = tokenOf(row)
	d.Delivers = true
	d.Expires = instant(row, "ends")
	d.Query.Topic, d.Fields = events.Topic(text(row, "watches")), listed(row, "fields")
	if filter := text(row, "filter"); filter != "" {
		d.Filter = []byte(filter)
	}
	var errs []error
	whole := func(name string) int64 {
		n, err := integer(row, name)
		errs = append(errs, err)
		return n
	}
	d.Batch, d.Version, d.Shard = int(whole("batch")), whole("version"), int(whole("shard"))
	var err error
	d.Grant, err = grant.Decode(text(row, "grant"))
	if err := errors.Join(append(errs, err)...); err != nil {
		return d, fmt.Errorf("read destination %s: %w", d.ID, err)
	}
	return d, nil
}
