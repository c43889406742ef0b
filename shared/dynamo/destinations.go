package dynamo

import (
	"cmp"
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
// owner has fewer than most and no other has the id. It costs six write units, two for the index, and a
// read unit. One that is declared is kept only while its edition has not ended.
func (s *Store) AddDestination(ctx context.Context, d delivery.Destination, most int) error {
	base, _ := d.Query.Topic.Split()
	shards, err := s.shards(ctx, base)
	if err != nil {
		return fmt.Errorf("add destination %s: %w", d.ID, err)
	}
	d.Shard = home(watch.DestinationID(d.ID), shards)
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

// inEdition begins an update of the owner's row that is made together with another write of a destination.
// If that is declared, the update has to have editionCondition, and its value.
func (s *Store) inEdition(d delivery.Destination) *types.Update {
	u := &types.Update{TableName: &s.tables.Destinations, Key: ownerKey(d.Subject), ExpressionAttributeValues: map[string]types.AttributeValue{}}
	if d.Name != "" {
		u.ExpressionAttributeValues[":before"] = num(d.Edition - 1)
	}
	return u
}

// editionCondition holds while the edition of a declared destination has not ended. It is empty for a
// client's.
func editionCondition(d delivery.Destination, joined string) string {
	switch {
	case d.Name == "":
		return ""
	case d.Edition > 1:
		return joined + "edition = :before"
	}
	return joined + "(attribute_not_exists(edition) OR edition = :before)"
}

// unmet reports whether the condition of one of the writes was the reason why none was made.
func unmet(err error, write int) bool {
	cancelled := (*types.TransactionCanceledException)(nil)
	return errors.As(err, &cancelled) && write < len(cancelled.CancellationReasons) &&
		aws.ToString(cancelled.CancellationReasons[write].Code) == "ConditionalCheckFailed"
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

// owned are the attributes of the settings that the owner changes. The others are what has become of
// deliveries.
var owned = []string{
	"kind", "target", "name", "edition", "grant", "tokenId", "issuedAt", "url", "format", "batch", "version", "ends", "expiresAt", "filter", "fields", "rotations", "rotated",
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
	update := &types.Update{
		TableName: &table, Key: settingsKey(id), UpdateExpression: &expression,
		ExpressionAttributeNames: names, ExpressionAttributeValues: u.values,
	}
	if u.condition != "" {
		update.ConditionExpression = &u.condition
	}
	return update
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

// Declaration reads what was declared last: a read unit.
func (s *Store) Declaration(ctx context.Context) (d delivery.Declaration, err error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.tables.Destinations, Key: ownerKey(watch.Deployer), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return d, fmt.Errorf("read the declaration: %w", translate(err))
	}
	d.Edition, _ = integer(out.Item, "edition") // 0 if there is none
	d.Digest, d.Pending, d.Since = text(out.Item, "declared"), text(out.Item, "pending"), instantMillis(out.Item, "since")
	return d, nil
}

// NoteDeclaration costs a write unit.
func (s *Store) NoteDeclaration(ctx context.Context, was, now delivery.Declaration) error {
	input := &dynamodb.UpdateItemInput{
		TableName: &s.tables.Destinations, Key: ownerKey(watch.Deployer),
		UpdateExpression: aws.String("SET declared = :declared, edition = :edition REMOVE pending, since"), ConditionExpression: aws.String("edition = :was"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":declared": str(now.Digest), ":edition": num(now.Edition), ":was": num(was.Edition)},
	}
	if was.Edition == 0 {
		input.ConditionExpression = aws.String("attribute_not_exists(edition) OR edition = :was")
	}
	if !now.Since.IsZero() {
		input.UpdateExpression = aws.String("SET declared = :declared, edition = :edition, pending = :pending, since = :since")
		input.ExpressionAttributeValues[":pending"], input.ExpressionAttributeValues[":since"] = str(now.Pending), millis(now.Since)
	}
	err := apart(ctx, func() error {
		_, err := s.db.UpdateItem(ctx, input)
		return err
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return fmt.Errorf("note the declaration: %w", delivery.ErrOvertaken)
	}
	if err != nil {
		return fmt.Errorf("note the declaration: %w", err)
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

// changeSettings changes settings, and writes something else in the same transaction. held is false if the
// condition does not hold: they are gone, or have changed, and are looked at anew.
func (s *Store) changeSettings(ctx context.Context, id string, u *settingsUpdate, beside ...types.TransactWriteItem) (held bool, err error) {
	change := u.on(s.tables.Destinations, id)
	if len(beside) > 0 {
		err = s.writeTogether(ctx, append([]types.TransactWriteItem{{Update: change}}, beside...))
	} else {
		err = apart(ctx, func() error { return s.updateAlone(ctx, change) })
	}
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) || errors.Is(err, watch.ErrConflict) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("change destination %s: %w", id, err)
	}
	return true, nil
}

// updateAlone makes an update without a transaction, which costs half as much.
func (s *Store) updateAlone(ctx context.Context, u *types.Update) error {
	input := &dynamodb.UpdateItemInput{
		TableName: u.TableName, Key: u.Key, UpdateExpression: u.UpdateExpression, ConditionExpression: u.ConditionExpression,
		ExpressionAttributeNames: u.ExpressionAttributeNames,
	}
	if len(u.ExpressionAttributeValues) > 0 {
		input.ExpressionAttributeValues = u.ExpressionAttributeValues
	}
	_, err := s.db.UpdateItem(ctx, input)
	return err
}

func settingsRow(d delivery.Destination) map[string]types.AttributeValue {
	row := settingsKey(d.ID)
	maps.Copy(row, tokenRow(d.Access))
	row["subject"], row["grant"] = str(d.Subject), str(d.Grant.String())
	row["watches"], row["url"], row["format"] = str(string(d.Query.Topic)), str(d.URL), str(string(d.Format))
	row["batch"], row["created"], row["version"], row["shard"] = num(int64(d.Batch)), millis(d.Created), num(d.Version), num(int64(d.Shard))
	if !d.Expires.IsZero() {
		row["ends"], row["expiresAt"] = unix(d.Expires), unix(d.Expires.Add(unsweptFor))
		row["due"] = millis(d.Expires.Add(settledFor))
	}
	row["part"] = str(partOf(delivery.Ref{Destination: d.ID})) // of the index, if it is due
	if d.Kind != delivery.Webhook {
		row["kind"], row["target"] = str(string(d.Kind)), str(d.Target)
	}
	if d.Name != "" {
		row["name"], row["edition"] = str(d.Name), num(d.Edition)
	}
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
		ID: text(row, "destination"), Kind: cmp.Or(delivery.Kind(text(row, "kind")), delivery.Webhook), Name: text(row, "name"),
		URL: text(row, "url"), Target: text(row, "target"), Format: delivery.Format(text(row, "format")),
		Created: instantMillis(row, "created"), Disabled: delivery.Reason(text(row, "disabled")), Verified: flag(row, "verified"),
		Round: delivery.Round{ID: text(row, "round"), All: flag(row, "roundAll"), After: events.Topic(text(row, "roundAfter"))},
		Test:  testOf(row), Probed: instantMillis(row, "probed"), Rotated: instantMillis(row, "rotated"), Shown: text(row, "shown"),
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
	if d.Name != "" {
		d.Edition = whole("edition")
	}
	var err error
	d.Grant, err = grant.Decode(text(row, "grant"))
	if err := errors.Join(append(errs, err)...); err != nil {
		return d, fmt.Errorf("read destination %s: %w", d.ID, err)
	}
	return d, nil
}
