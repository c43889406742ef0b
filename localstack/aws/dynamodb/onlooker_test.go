package dynamodb

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestOnlookerIsFree: what is looked at from outside costs nobody anything, and nothing can be changed.
func TestOnlookerIsFree(t *testing.T) {
	e := start(t, Options{})
	call(t, e, "CreateTable", `{"TableName":"Tab","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"topic","KeyType":"HASH"},{"AttributeName":"id","KeyType":"RANGE"}],
		"AttributeDefinitions":[{"AttributeName":"topic","AttributeType":"S"},{"AttributeName":"id","AttributeType":"S"}]}`)
	for i := range 60 {
		call(t, e, "PutItem", `{"TableName":"Tab","Item":{"topic":{"S":"t%d"},"id":{"S":"i%d"}}}`, i%20, i)
	}
	before := e.Usage()
	answer, err := e.Onlooker().Call(t.Context(), "Scan", []byte(`{"TableName":"Tab"}`))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(answer); err != nil || strings.Count(string(text), `"id"`) != 60 {
		t.Errorf("it sees %s, %v", text, err)
	}
	keys, more := e.Keys("Tab", func(key string) bool { return key != "t7" }, 100)
	slices.Sort(keys)
	if len(keys) != 19 || slices.Contains(keys, "t7") || more || len(slices.Compact(keys)) != 19 {
		t.Errorf("the keys are %v, %v", keys, more)
	}
	if keys, more := e.Keys("Tab", func(string) bool { return true }, 5); len(keys) != 5 || !more {
		t.Errorf("five of the keys are %v, %v", keys, more)
	}
	count := map[string]int{}
	e.Walk("Tab", func(partition, sort string) { count[partition] += len(sort[:1]) })
	for i := range 20 {
		if count[fmt.Sprint("t", i)] != 3 {
			t.Errorf("the walk counts %v", count)
			break
		}
	}
	if now := e.Usage(); !reflect.DeepEqual(now, before) {
		t.Errorf("the usage was %v and is %v", before, now)
	}
	if keys, more := e.Keys("none", nil, 5); keys != nil || more {
		t.Errorf("a table that does not exist has %v", keys)
	}
	for _, operation := range []string{"PutItem", "DeleteItem", "UpdateItem", "DeleteTable", "TransactWriteItems"} {
		if _, err := e.Onlooker().Call(t.Context(), operation, []byte(`{"TableName":"Tab"}`)); err == nil || !strings.Contains(err.Error(), "UnknownOperation") {
			t.Errorf("%s by an onlooker: %v", operation, err)
		}
	}
}
