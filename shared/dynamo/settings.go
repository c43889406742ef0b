package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

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
