package mapping

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
)

// batchOf makes records of which only the numbers matter.
func batchOf(numbers ...string) []stream.Record {
	var records []stream.Record
	for _, n := range numbers {
		records = append(records, stream.Record{SequenceNumber: n})
	}
	return records
}

// TestFirstFailure holds the conditions that Lambda's guide lists, and those
// recorded from AWS.
func TestFirstFailure(t *testing.T) {
	records := batchOf("10", "9", "11", "12")
	for _, c := range []struct {
		name, output string
		first        int // -1: the whole batch failed
	}{
		{"no answer", ``, 4},
		{"null response", `null`, 4},
		{"empty string", `""`, 4},
		{"empty array", `[]`, 4},
		{"empty response", ` {} `, 4},
		{"other response", `{"ok":true}`, 4},
		{"empty list", `{"batchItemFailures":[]}`, 4},
		{"null list", `{"batchItemFailures":null}`, 4},
		{"one", `{"batchItemFailures":[{"itemIdentifier":"11"}]}`, 2},
		{"lowest is by place, not by text", `{"batchItemFailures":[{"itemIdentifier":"12"},{"itemIdentifier":"9"}]}`, 1},
		{"first", `{"batchItemFailures":[{"itemIdentifier":"10"}]}`, 0},
		{"empty identifier", `{"batchItemFailures":[{"itemIdentifier":""}]}`, -1},
		{"null identifier", `{"batchItemFailures":[{"itemIdentifier":null}]}`, -1},
		{"bad key", `{"batchItemFailures":[{"foo":"11"}]}`, -1},
		{"bad key in another case", `{"batchItemFailures":[{"ItemIdentifier":"11"}]}`, -1},
		{"null entry", `{"batchItemFailures":[null]}`, -1},
		{"not in the batch", `{"batchItemFailures":[{"itemIdentifier":"11"},{"itemIdentifier":"13"}]}`, -1},
		{"a number", `{"batchItemFailures":[{"itemIdentifier":11}]}`, -1},
		{"no list", `{"batchItemFailures":{"itemIdentifier":"11"}}`, -1},
		{"no JSON", `done`, -1},
	} {
		first, err := firstFailure([]byte(c.output), records)
		if err != nil {
			first = -1
		}
		if first != c.first {
			t.Errorf("%s: first failure %d, %v, want %d", c.name, first, err, c.first)
		}
	}
}

func FuzzFirstFailure(f *testing.F) {
	f.Add([]byte(`{"batchItemFailures":[{"itemIdentifier":"11"}]}`))
	f.Add([]byte(`{"batchItemFailures":null}`))
	f.Add([]byte(`[[[`))
	records := batchOf("10", "11", "12")
	f.Fuzz(func(t *testing.T, output []byte) {
		first, err := firstFailure(output, records)
		if first < 0 || first > len(records) || err != nil && first != 0 {
			t.Fatalf("%q gives %d, %v", output, first, err)
		}
		if err == nil && first < len(records) {
			held := struct {
				F []struct{ I string } `json:"batchItemFailures"`
			}{}
			if !json.Valid(output) || json.Unmarshal(output, &held) != nil {
				t.Fatalf("%q reports %d and is no JSON object", output, first)
			}
		}
	})
}

func TestDueHoldsChildrenBack(t *testing.T) {
	shards := []stream.Shard{{ID: "a"}, {ID: "b", Parent: "a"}, {ID: "c", Parent: "gone"}, {ID: "d", Parent: "b"}}
	names := func(shards []stream.Shard) (all []string) {
		for _, s := range shards {
			all = append(all, s.ID)
		}
		return all
	}
	for _, c := range []struct{ started, finished, want []string }{
		{nil, nil, []string{"a", "c"}},
		{[]string{"a", "c"}, nil, nil},
		{[]string{"a", "c"}, []string{"a"}, []string{"b"}},
		{[]string{"a", "b", "c"}, []string{"a", "b", "c"}, []string{"d"}},
	} {
		got := names(due(shards, set(c.started), set(c.finished)))
		if !slices.Equal(got, c.want) {
			t.Errorf("started %v, finished %v: %v is due, want %v", c.started, c.finished, got, c.want)
		}
	}
	// The parent has been trimmed from the list while it is still processed.
	if got := due(shards[1:2], set([]string{"a"}), nil); len(got) != 0 {
		t.Errorf("%v is due before its parent has finished", names(got))
	}
}

func set(names []string) map[string]bool {
	s := map[string]bool{}
	for _, name := range names {
		s[name] = true
	}
	return s
}

func TestSettingsAreChecked(t *testing.T) {
	valid := Mapping{StartingPosition: "LATEST", MaxRetries: -1, MaxRecordAge: -1}
	for name, change := range map[string]func(*Mapping){
		"batch size":     func(m *Mapping) { m.BatchSize = 10_001 },
		"window":         func(m *Mapping) { m.Window = MaxWindow + 1 },
		"factor":         func(m *Mapping) { m.ParallelizationFactor = 11 },
		"retries":        func(m *Mapping) { m.MaxRetries = -2 },
		"record age":     func(m *Mapping) { m.MaxRecordAge = minRecordAge - 1 },
		"position":       func(m *Mapping) { m.StartingPosition = "AT_TIMESTAMP" },
		"filters":        func(m *Mapping) { m.Filters = make([]string, 6) },
		"bad filter":     func(m *Mapping) { m.Filters = []string{`{"eventName":"INSERT"}`} },
		"tumbling":       func(m *Mapping) { m.TumblingWindow = 1 },
		"below all":      func(m *Mapping) { m.BatchSize = -1 },
		"negative time":  func(m *Mapping) { m.Window = -1 },
		"too many tries": func(m *Mapping) { m.MaxRetries = 10_001 },
	} {
		m := valid
		change(&m)
		if _, _, err := m.complete(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	m, _, err := valid.complete()
	if err != nil || m.BatchSize != 100 || m.ParallelizationFactor != 1 || m.MaxRecordAge != streamKeeps {
		t.Errorf("defaults are %+v, %v", m, err)
	}
}
