package stack_test

import (
	"strings"
	"testing"

	"github.com/watchroute/watchroute/shared/dynamo"
)

type tableProperties struct {
	TableName                        string
	BillingMode                      string
	DeletionProtectionEnabled        bool
	AttributeDefinitions             []struct{ AttributeName, AttributeType string }
	KeySchema                        []keyElement
	PointInTimeRecoverySpecification struct{ PointInTimeRecoveryEnabled bool }
	StreamSpecification              struct{ StreamViewType string }
	TimeToLiveSpecification          struct {
		AttributeName string
		Enabled       bool
	}
	LocalSecondaryIndexes, GlobalSecondaryIndexes []index
}

type index struct {
	IndexName  string
	KeySchema  []keyElement
	Projection struct{ ProjectionType string }
}

type keyElement struct{ AttributeName, KeyType string }

// key writes a key schema as "topic S HASH, id S RANGE".
func (p tableProperties) key(schema []keyElement) string {
	types := map[string]string{}
	for _, definition := range p.AttributeDefinitions {
		types[definition.AttributeName] = definition.AttributeType
	}
	var elements []string
	for _, element := range schema {
		elements = append(elements, element.AttributeName+" "+types[element.AttributeName]+" "+element.KeyType)
	}
	return strings.Join(elements, ", ")
}

func TestTables(t *testing.T) {
	all := resources(t)
	tables := ofType[tableProperties](t, all, "AWS::DynamoDB::Table")
	want := map[string]struct {
		key, stream, policy string
		protected           bool
	}{
		"Events":        {"topic S HASH, id S RANGE", "NEW_AND_OLD_IMAGES", "Retain", true},
		"Changes":       {"topic S HASH, seq N RANGE", "", "Retain", true},
		"Connections":   {"subject S HASH, connectionId S RANGE", "", "Delete", false},
		"Revocations":   {"subject S HASH, tokenId S RANGE", "NEW_IMAGE", "Retain", true},
		"Subscriptions": {"topic S HASH, connectionId S RANGE", "", "Delete", false},
		"Destinations":  {"destination S HASH, topic S RANGE", "", "Retain", true},
	}
	for id, table := range tables {
		w, ok := want[id]
		if !ok {
			t.Errorf("unexpected table %s", id)
		}
		if got := table.key(table.KeySchema); got != w.key {
			t.Errorf("%s has the key %s, want %s", id, got, w.key)
		}
		if got := table.StreamSpecification.StreamViewType; got != w.stream {
			t.Errorf("%s has the stream %q, want %q", id, got, w.stream)
		}
		if all[id].DeletionPolicy != w.policy || all[id].UpdateReplacePolicy != w.policy || table.DeletionProtectionEnabled != w.protected {
			t.Errorf("%s: deleted %s, replaced %s, protected %v", id, all[id].DeletionPolicy, all[id].UpdateReplacePolicy, table.DeletionProtectionEnabled)
		}
		checkEveryTable(t, id, table)
	}
	if len(tables) != len(want) {
		t.Errorf("%d tables, want %d", len(tables), len(want))
	}
}

func checkEveryTable(t *testing.T, id string, table tableProperties) {
	t.Helper()
	if table.TableName != "" {
		t.Errorf("%s is named %s, which would make it irreplaceable", id, table.TableName)
	}
	throwAway := id == "Connections" || id == "Subscriptions" // they describe sockets
	if table.BillingMode != "PAY_PER_REQUEST" || table.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled == throwAway {
		t.Errorf("%s is billed %s, recovery %v", id, table.BillingMode, table.PointInTimeRecoverySpecification)
	}
	if ttl := table.TimeToLiveSpecification; ttl.AttributeName != "expiresAt" || !ttl.Enabled {
		t.Errorf("%s expires by %v", id, ttl)
	}
}

// The empty index keeps a topic in one partition, and so in one stream shard.
func TestEventsCannotBeSplitWithinATopic(t *testing.T) {
	events := ofType[tableProperties](t, resources(t), "AWS::DynamoDB::Table")["Events"]
	if len(events.LocalSecondaryIndexes) != 1 || len(events.GlobalSecondaryIndexes) > 0 {
		t.Fatalf("Events has the indexes %v, %v", events.LocalSecondaryIndexes, events.GlobalSecondaryIndexes)
	}
	index := events.LocalSecondaryIndexes[0]
	if got, want := events.key(index.KeySchema), "topic S HASH, unsplit S RANGE"; got != want {
		t.Errorf("index %s has the key %s, want %s", index.IndexName, got, want)
	}
	if index.IndexName != "unsplit" || index.Projection.ProjectionType != "KEYS_ONLY" {
		t.Errorf("index %s projects %s", index.IndexName, index.Projection.ProjectionType)
	}
}

// TestSweepFindsWhatIsDue by an index of the standings that are awake. It has their keys alone, so that
// a delivery writes into it only when a standing awakes or falls asleep.
func TestSweepFindsWhatIsDue(t *testing.T) {
	tables := ofType[tableProperties](t, resources(t), "AWS::DynamoDB::Table")
	for id, table := range tables {
		if id != "Destinations" && len(table.GlobalSecondaryIndexes) > 0 {
			t.Errorf("%s has the indexes %+v", id, table.GlobalSecondaryIndexes)
		}
	}
	destinations := tables["Destinations"]
	if len(destinations.GlobalSecondaryIndexes) != 1 || len(destinations.LocalSecondaryIndexes) > 0 {
		t.Fatalf("Destinations has the indexes %+v, %+v", destinations.GlobalSecondaryIndexes, destinations.LocalSecondaryIndexes)
	}
	index := destinations.GlobalSecondaryIndexes[0]
	if got, want := destinations.key(index.KeySchema), "part S HASH, due N RANGE"; got != want {
		t.Errorf("index %s has the key %s, want %s", index.IndexName, got, want)
	}
	if index.IndexName != dynamo.DueIndex || index.Projection.ProjectionType != "KEYS_ONLY" {
		t.Errorf("index %s projects %s", index.IndexName, index.Projection.ProjectionType)
	}
}
