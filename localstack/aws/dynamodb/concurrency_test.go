package dynamodb

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// Two accounts in two tables: transfers, locked in both orders at once, must keep
// the sum that every transactional read sees.
func TestTransactionsAreAtomicAcrossTables(t *testing.T) {
	e := start(t, Options{})
	for _, name := range []string{"Debit", "Credit"} {
		call(t, e, "CreateTable", `{"TableName":"%s","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"p","KeyType":"HASH"}],
			"AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"}]}`, name)
		call(t, e, "PutItem", `{"TableName":"%s","Item":{"p":{"S":"x"},"n":{"N":"100"}}}`, name)
	}
	move := `{"Update":{"TableName":"%s","Key":{"p":{"S":"x"}},"UpdateExpression":"SET n = n %s :one","ExpressionAttributeValues":{":one":{"N":"1"}}}}`
	var done atomic.Bool
	var writers, readers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			from, to := "Debit", "Credit"
			if w%2 == 1 {
				from, to = to, from
			}
			for range 200 {
				call(t, e, "TransactWriteItems", `{"TransactItems":[`+fmt.Sprintf(move, from, "-")+`,`+fmt.Sprintf(move, to, "+")+`]}`)
			}
		})
	}
	readers.Go(func() {
		for !done.Load() {
			answer := call(t, e, "TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"Credit","Key":{"p":{"S":"x"}}}},{"Get":{"TableName":"Debit","Key":{"p":{"S":"x"}}}}]}`)
			sum := 0
			for _, r := range field(t, answer, "Responses").([]any) {
				var n int
				_, _ = fmt.Sscan(r.(map[string]any)["Item"].(map[string]any)["n"].(map[string]any)["N"].(string), &n)
				sum += n
			}
			if sum != 200 {
				t.Errorf("a read saw half a transfer: sum %d", sum)
			}
		}
	})
	writers.Wait()
	done.Store(true)
	readers.Wait()
}

// Writers, readers and a table that comes and goes: nothing but the documented
// errors, and no count lost.
func TestCountersUnderConcurrency(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, withIndexes)
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 100 {
				call(t, e, "UpdateItem", `{"TableName":"Table","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"ADD n :one SET g=:g",
					"ExpressionAttributeValues":{":one":{"N":"1"},":g":{"S":"%d"}}}`, i%3)
				call(t, e, "Query", `{"TableName":"Table","IndexName":"Local","Select":"ALL_ATTRIBUTES","KeyConditionExpression":"p=:p","ExpressionAttributeValues":{":p":{"S":"a"}}}`)
				putRow(t, e, fmt.Sprintf("w%d", w), i, `,"g":{"S":"x"}`)
			}
		})
	}
	all.Go(func() {
		for range 20 {
			call(t, e, "UpdateTable", `{"TableName":"Table","GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"Global"}}]}`)
			call(t, e, "UpdateTable", `{"TableName":"Table","AttributeDefinitions":[{"AttributeName":"g","AttributeType":"S"}],
				"GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"Global","KeySchema":[{"AttributeName":"g","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}}]}`)
		}
	})
	all.Wait()
	answer := call(t, e, "GetItem", `{"TableName":"Table","Key":{"p":{"S":"a"},"s":{"N":"1"}}}`)
	if field(t, answer, "Item.n.N") != "400" {
		t.Errorf("400 increments gave %v", field(t, answer, "Item.n.N"))
	}
	answer = call(t, e, "Scan", `{"TableName":"Table","IndexName":"Global","Select":"COUNT"}`)
	if field(t, answer, "Count") != 401.0 {
		t.Errorf("the index holds %v rows, want 401", field(t, answer, "Count"))
	}
}

func TestDeletedTableIsGoneForThoseWhoHeldIt(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, noIndexes)
	held := e.table("Table")
	call(t, e, "DeleteTable", `{"TableName":"Table"}`)
	makeTable(t, e, noIndexes)
	if err := held.writing(func() error { return nil }); err != errTableNotFound {
		t.Errorf("writing to a deleted table: %v", err)
	}
	if err := held.reading(func() {}); err != errTableNotFound {
		t.Errorf("reading a deleted table: %v", err)
	}
}
