package dynamodb

import (
	"strings"
	"testing"
)

// units reads a capacity out of an answer; index is "" for the table.
func units(t *testing.T, answer, index string) float64 {
	t.Helper()
	path := "ConsumedCapacity.Table.CapacityUnits"
	switch index {
	case "Global":
		path = "ConsumedCapacity.GlobalSecondaryIndexes.Global.CapacityUnits"
	case "Local":
		path = "ConsumedCapacity.LocalSecondaryIndexes.Local.CapacityUnits"
	}
	n, _ := field(t, answer, path).(float64)
	return n
}

func text(size int) string { return strings.Repeat("x", size) }

// The rules of the developer guide: an index is written when its rows change, and
// a row that moves is deleted and put.
func TestIndexWritesAreCountedWhenRowsChange(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, withIndexes)
	for _, step := range []struct {
		name, more           string
		table, global, local float64
	}{
		{"without the index key", ``, 1, 0, 0},
		{"the index key comes", `,"g":{"S":"x"},"a":{"S":"1"}`, 1, 1, 1},
		{"the index key changes", `,"g":{"S":"y"},"a":{"S":"1"}`, 1, 2, 2},
		{"a projected attribute changes", `,"g":{"S":"y"},"a":{"S":"2"}`, 1, 1, 0},
		{"another attribute changes", `,"g":{"S":"y"},"a":{"S":"2"},"z":{"S":"1"}`, 1, 0, 0},
		{"nothing changes", `,"g":{"S":"y"},"a":{"S":"2"},"z":{"S":"1"}`, 1, 0, 0},
		{"a projected attribute grows", `,"g":{"S":"y"},"a":{"S":"` + text(3000) + `"}`, 3, 3, 0},
		{"a projected attribute shrinks", `,"g":{"S":"y"},"a":{"S":"1"}`, 3, 3, 0},
		{"the index key goes", ``, 1, 1, 1},
	} {
		t.Run(step.name, func(t *testing.T) {
			answer := putRow(t, e, "a", 1, step.more)
			if units(t, answer, "") != step.table || units(t, answer, "Global") != step.global || units(t, answer, "Local") != step.local {
				t.Errorf("%s; want table %v, global %v, local %v", answer, step.table, step.global, step.local)
			}
			if total := field(t, answer, "ConsumedCapacity.CapacityUnits"); total != step.table+step.global+step.local {
				t.Errorf("total %v", total)
			}
		})
	}
}

func TestSparseIndexHoldsAndCostsNothing(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, withIndexes)
	for s := range 20 {
		putRow(t, e, "a", s, ``)
	}
	if got := e.Usage().Tables["Table"]["PutItem"]; got.WriteCapacityUnits != 20 || got.Requests != 20 {
		t.Errorf("20 puts without index keys used %+v", got)
	}
	answer := call(t, e, "Scan", `{"TableName":"Table","IndexName":"Local"}`)
	if field(t, answer, "ScannedCount") != 0.0 {
		t.Errorf("sparse index: %s", answer)
	}
	if got := e.Usage().Tables["Table"]["Scan"].RowsRead; got != 0 {
		t.Errorf("a scan of an empty index looked at %d rows", got)
	}
}

func TestCapacityOfSingleOperations(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, noIndexes)
	putRow(t, e, "big", 1, `,"v":{"S":"`+text(10000)+`"}`)
	key := `"TableName":"Table","ReturnConsumedCapacity":"TOTAL","Key":{"p":{"S":"big"},"s":{"N":"1"}}`
	absent := `"TableName":"Table","ReturnConsumedCapacity":"TOTAL","Key":{"p":{"S":"none"},"s":{"N":"1"}}`
	for _, c := range []struct {
		name, operation, body string
		want                  float64
	}{
		{"eventual get", "GetItem", `{` + key + `}`, 1.5},
		{"consistent get", "GetItem", `{` + key + `,"ConsistentRead":true}`, 3},
		{"projected get reads the whole item", "GetItem", `{` + key + `,"ProjectionExpression":"p"}`, 1.5},
		{"get of nothing", "GetItem", `{` + absent + `}`, 0.5},
		{"consistent get of nothing", "GetItem", `{` + absent + `,"ConsistentRead":true}`, 1},
		{"update that shrinks costs the old image", "UpdateItem", `{` + key + `,"UpdateExpression":"REMOVE v"}`, 10},
		{"update that grows costs the new image", "UpdateItem", `{` + key + `,"UpdateExpression":"SET v=:v","ExpressionAttributeValues":{":v":{"S":"` + text(2000) + `"}}}`, 2},
		{"delete costs the old image", "DeleteItem", `{` + key + `}`, 2},
		{"delete of nothing", "DeleteItem", `{` + absent + `}`, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := field(t, call(t, e, c.operation, c.body), "ConsumedCapacity.CapacityUnits"); got != c.want {
				t.Errorf("consumed %v, want %v", got, c.want)
			}
		})
	}
}

func TestFailedConditionConsumes(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, noIndexes)
	putRow(t, e, "a", 1, `,"v":{"S":"`+text(5000)+`"}`)
	e.ResetUsage()
	err := refuse(t, e, "DeleteItem", `{"TableName":"Table","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"attribute_not_exists(p)"}`)
	if err.Type != "ConditionalCheckFailedException" {
		t.Fatal(err)
	}
	if got := e.Usage().Tables["Table"]["DeleteItem"].WriteCapacityUnits; got != 5 {
		t.Errorf("a failed condition on an item of 5 KB used %v write units, want 5", got)
	}
}

func TestQueryRoundsTheSumOfSizes(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, noIndexes)
	for s := range 10 {
		putRow(t, e, "a", s, `,"v":{"S":"`+text(980)+`"}`)
	}
	query := `"TableName":"Table","ReturnConsumedCapacity":"TOTAL","KeyConditionExpression":"p=:p","ExpressionAttributeValues":{":p":{"S":"%s"}}`
	for _, c := range []struct {
		name, partition, more string
		want                  float64
	}{
		{"ten items of 1 KB, eventual", "a", ``, 1.5},
		{"ten items of 1 KB, consistent", "a", `,"ConsistentRead":true`, 3},
		{"nothing, eventual", "none", ``, 0.5},
		{"nothing, consistent", "none", `,"ConsistentRead":true`, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := field(t, call(t, e, "Query", `{`+query+c.more+`}`, c.partition), "ConsumedCapacity.CapacityUnits"); got != c.want {
				t.Errorf("consumed %v, want %v", got, c.want)
			}
		})
	}
}

func TestLocalIndexFetchCostsAReadPerRow(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, withIndexes)
	for s := range 3 {
		putRow(t, e, "a", s, `,"g":{"S":"x"},"z":{"S":"`+text(5000)+`"}`)
	}
	body := `{"TableName":"Table","IndexName":"Local","ReturnConsumedCapacity":"INDEXES","KeyConditionExpression":"p=:p",
		"ExpressionAttributeValues":{":p":{"S":"a"}},"ConsistentRead":true%s}`
	projected := call(t, e, "Query", body, ``)
	if units(t, projected, "") != 0 || units(t, projected, "Local") != 1 || strings.Contains(projected, `"z"`) {
		t.Errorf("projected attributes: %s; want 1 unit on the index and no z", projected)
	}
	fetched := call(t, e, "Query", body, `,"ProjectionExpression":"z"`)
	if units(t, fetched, "") != 6 || units(t, fetched, "Local") != 1 || !strings.Contains(fetched, `"z"`) {
		t.Errorf("fetched attributes: %.200s; want 6 units on the table (three items of 2), 1 on the index", fetched)
	}
}

func TestUsageCountsByTableAndOperation(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, noIndexes)
	call(t, e, "TransactWriteItems", `{"TransactItems":[
		{"Put":{"TableName":"Table","Item":{"p":{"S":"a"},"s":{"N":"1"}}}},
		{"Put":{"TableName":"Table","Item":{"p":{"S":"a"},"s":{"N":"2"},"v":{"S":"`+text(1500)+`"}}}}]}`)
	call(t, e, "TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"Table","Key":{"p":{"S":"a"},"s":{"N":"1"}}}}]}`)
	call(t, e, "BatchGetItem", `{"RequestItems":{"Table":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}},{"p":{"S":"a"},"s":{"N":"2"}}]}}}`)
	got := e.Usage().Tables["Table"]
	want := map[string]Consumption{
		"TransactWriteItems": {Requests: 1, WriteCapacityUnits: 6}, // twice (1 + 2)
		"TransactGetItems":   {Requests: 1, ReadCapacityUnits: 2},
		"BatchGetItem":       {Requests: 1, ReadCapacityUnits: 1}, // each item rounded on its own
	}
	for operation, w := range want {
		if got[operation] != w {
			t.Errorf("%s used %+v, want %+v", operation, got[operation], w)
		}
	}
	e.ResetUsage()
	if len(e.Usage().Tables) != 0 {
		t.Errorf("usage after reset: %+v", e.Usage())
	}
}
