package dynamodb

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// A Query may look at the rows it returns, the one it starts after and one past
// the partition, never at the rest of the table.
func TestQueryReadsItsPartitionOnly(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, withIndexes)
	for p := range 200 {
		for s := range 10 {
			putRow(t, e, fmt.Sprintf("p%d", p), s, fmt.Sprintf(`,"g":{"S":"g%d"}`, p))
		}
	}
	for _, c := range []struct {
		name, body string
		count      int
	}{
		{"table", `"KeyConditionExpression":"p=:p","ExpressionAttributeValues":{":p":{"S":"p77"}}`, 10},
		{"table, backward", `"KeyConditionExpression":"p=:p","ExpressionAttributeValues":{":p":{"S":"p77"}},"ScanIndexForward":false`, 10},
		{"range", `"KeyConditionExpression":"p=:p AND s BETWEEN :a AND :b","ExpressionAttributeValues":{":p":{"S":"p77"},":a":{"N":"3"},":b":{"N":"5"}}`, 3},
		{"limited", `"KeyConditionExpression":"p=:p","ExpressionAttributeValues":{":p":{"S":"p77"}},"Limit":4`, 4},
		{"no such partition", `"KeyConditionExpression":"p=:p","ExpressionAttributeValues":{":p":{"S":"none"}}`, 0},
		{"global index", `"IndexName":"Global","KeyConditionExpression":"g=:g","ExpressionAttributeValues":{":g":{"S":"g42"}}`, 10},
		{"local index", `"IndexName":"Local","KeyConditionExpression":"p=:p AND begins_with(g,:g)","ExpressionAttributeValues":{":p":{"S":"p9"},":g":{"S":"g"}}`, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			e.ResetUsage()
			answer := call(t, e, "Query", `{"TableName":"Table",`+c.body+`}`)
			if field(t, answer, "Count") != float64(c.count) {
				t.Errorf("count %v, want %d", field(t, answer, "Count"), c.count)
			}
			if read := e.Usage().Tables["Table"]["Query"].RowsRead; read < int64(c.count) || read > int64(c.count)+1 {
				t.Errorf("looked at %d rows of 2000 to return %d", read, c.count)
			}
		})
	}
}

// collect follows LastEvaluatedKey to the end and gives the sort keys met.
func collect(t *testing.T, e *Engine, operation, body string) []string {
	t.Helper()
	var met []string
	for from, pages := "", 0; pages < 1000; pages++ {
		answer := call(t, e, operation, `{"TableName":"Table",`+body+from+`}`)
		for _, it := range field(t, answer, "Items").([]any) {
			met = append(met, it.(map[string]any)["s"].(map[string]any)["N"].(string))
		}
		last := field(t, answer, "LastEvaluatedKey")
		if last == nil {
			return met
		}
		key, _ := json.Marshal(last)
		from = `,"ExclusiveStartKey":` + string(key)
	}
	t.Fatalf("%s never ended", operation)
	return nil
}

func TestPagesJoinWithoutGapOrRepeat(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, withIndexes)
	var want []string
	for s := range 25 {
		putRow(t, e, "a", s-5, `,"g":{"S":"same"}`) // one index key for all, numbers below zero too
		putRow(t, e, "b", s+100, ``)
		want = append(want, fmt.Sprint(s-5))
	}
	backward := slices.Clone(want)
	slices.Reverse(backward)
	query := `"KeyConditionExpression":"p=:p","ExpressionAttributeValues":{":p":{"S":"a"}}`
	global := `"IndexName":"Global","KeyConditionExpression":"g=:p","ExpressionAttributeValues":{":p":{"S":"same"}}`
	for limit := 1; limit < 27; limit += 3 {
		limited := fmt.Sprintf(`,"Limit":%d`, limit)
		if got := collect(t, e, "Query", query+limited); !slices.Equal(got, want) {
			t.Errorf("limit %d: %v", limit, got)
		}
		if got := collect(t, e, "Query", query+limited+`,"ScanIndexForward":false`); !slices.Equal(got, backward) {
			t.Errorf("limit %d, backward: %v", limit, got)
		}
		got := collect(t, e, "Query", global+limited)
		down := collect(t, e, "Query", global+limited+`,"ScanIndexForward":false`)
		slices.Reverse(down)
		if !slices.Equal(got, down) || len(got) != len(want) {
			t.Errorf("limit %d on an index of equal keys: %v forward, %v backward reversed", limit, got, down)
		}
	}
}

func TestSegmentsDivideTheTable(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, noIndexes)
	for s := range 300 {
		putRow(t, e, fmt.Sprintf("p%d", s/2), s, ``)
	}
	for _, total := range []int{1, 2, 3, 7, 1000000} {
		seen, empty := map[string]bool{}, 0
		for segment := range min(total, 50) {
			part := collect(t, e, "Scan", fmt.Sprintf(`"Limit":7,"Segment":%d,"TotalSegments":%d`, segment, total))
			for _, s := range part {
				if seen[s] {
					t.Errorf("%d segments: row %s met twice", total, s)
				}
				seen[s] = true
			}
			if len(part) == 0 {
				empty++
			}
		}
		if total <= 7 && (len(seen) != 300 || empty > 0) {
			t.Errorf("%d segments: %d rows of 300, %d segments empty", total, len(seen), empty)
		}
	}
}

func TestPageEndsAtOneMegabyteBeforeFiltering(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, noIndexes)
	for s := range 12 {
		putRow(t, e, "a", s, `,"v":{"S":"`+text(100_000)+`"}`)
	}
	answer := call(t, e, "Query", `{"TableName":"Table","KeyConditionExpression":"p=:p","FilterExpression":"attribute_not_exists(v)",
		"ExpressionAttributeValues":{":p":{"S":"a"}}}`)
	if field(t, answer, "Count") != 0.0 || field(t, answer, "ScannedCount") != 11.0 || field(t, answer, "LastEvaluatedKey.s.N") != "10" {
		t.Errorf("%s; want nothing of 11 rows scanned, the last of them 10", answer)
	}
}

func TestSuccessor(t *testing.T) {
	for prefix, want := range map[string]string{"a": "b", "az": "a{", "a\xff": "b", "a\xff\xff": "b", "\x00": "\x01"} {
		if got, ok := successor(prefix); !ok || got != want {
			t.Errorf("successor(%q) = %q, %t; want %q", prefix, got, ok, want)
		}
	}
	if got, ok := successor("\xff\xff"); ok {
		t.Errorf("successor of 0xFF bytes = %q, want none", got)
	}
}
