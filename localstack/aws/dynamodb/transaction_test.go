package dynamodb

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTokenMakesATransactionHappenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(Options{})
		defer e.Close()
		makeTable(t, e, noIndexes)
		add := `{"ClientRequestToken":"once","ReturnConsumedCapacity":"TOTAL","TransactItems":[{"Update":{"TableName":"Table","Key":{"p":{"S":"a"},"s":{"N":"1"}},
			"UpdateExpression":"ADD n :n, #m :n","ExpressionAttributeValues":{":n":{"N":"%d"}},"ExpressionAttributeNames":{"#m":"m"}}}]}`
		value := func() any {
			return field(t, call(t, e, "GetItem", `{"TableName":"Table","Key":{"p":{"S":"a"},"s":{"N":"1"}}}`), "Item.n.N")
		}
		first := call(t, e, "TransactWriteItems", add, 1)
		if !strings.Contains(first, `"WriteCapacityUnits":2`) {
			t.Errorf("first call: %s, want 2 write units", first)
		}
		again := call(t, e, "TransactWriteItems", add, 1)
		if value() != "1" || !strings.Contains(again, `"ReadCapacityUnits":2`) {
			t.Errorf("repeated: n = %v, %s; want no second addition and 2 read units", value(), again)
		}
		if err := refuse(t, e, "TransactWriteItems", add, 2); err.Type != "IdempotentParameterMismatchException" {
			t.Errorf("another request with the token: %v", err)
		}
		time.Sleep(tokenLife)
		call(t, e, "TransactWriteItems", add, 1)
		if value() != "2" {
			t.Errorf("after ten minutes: n = %v, want the token forgotten", value())
		}
	})
}

func TestFailedTransactionLeavesItsTokenFree(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, noIndexes)
	conditional := `{"ClientRequestToken":"t","TransactItems":[{"Put":{"TableName":"Table","Item":{"p":{"S":"a"},"s":{"N":"1"},"new":{"BOOL":true}},"ConditionExpression":"attribute_exists(p)"}}]}`
	if err := refuse(t, e, "TransactWriteItems", conditional); err.Type != "TransactionCanceledException" {
		t.Fatal(err)
	}
	putRow(t, e, "a", 1, ``)
	call(t, e, "TransactWriteItems", conditional)
	if answer := call(t, e, "GetItem", `{"TableName":"Table","Key":{"p":{"S":"a"},"s":{"N":"1"}}}`); field(t, answer, "Item.new.BOOL") != true {
		t.Errorf("the repeated transaction was not carried out: %s", answer)
	}
}

func TestTransactionOfTooManyBytes(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, noIndexes)
	var puts []string
	for s := range 11 {
		puts = append(puts, fmt.Sprintf(`{"Put":{"TableName":"Table","Item":{"p":{"S":"a"},"s":{"N":"%d"},"v":{"S":"%s"}}}}`, s, text(400_000)))
	}
	err := refuse(t, e, "TransactWriteItems", `{"TransactItems":[`+strings.Join(puts, ",")+`]}`)
	if err != errSentTooMuch {
		t.Errorf("4.4 MB: %v", err)
	}
	if n := field(t, call(t, e, "DescribeTable", `{"TableName":"Table"}`), "Table.ItemCount"); n != 0.0 {
		t.Errorf("%v items were written", n)
	}
	call(t, e, "TransactWriteItems", `{"TransactItems":[`+strings.Join(puts[:10], ",")+`]}`)
}

// What is stored does not count: all of it can be deleted, checked and updated at once.
func TestTransactionOnMoreBytesThanItMaySend(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, noIndexes)
	var checks, updates, deletions []string
	for s := range 12 {
		putRow(t, e, "a", s, `,"v":{"S":"`+text(400_000)+`"}`)
		key := fmt.Sprintf(`"TableName":"Table","Key":{"p":{"S":"a"},"s":{"N":"%d"}}`, s)
		checks = append(checks, `{"ConditionCheck":{`+key+`,"ConditionExpression":"attribute_exists(v)"}}`)
		updates = append(updates, `{"Update":{`+key+`,"UpdateExpression":"REMOVE w"}}`)
		deletions = append(deletions, `{"Delete":{`+key+`}}`)
	}
	for _, parts := range [][]string{checks, updates, deletions} {
		call(t, e, "TransactWriteItems", `{"TransactItems":[`+strings.Join(parts, ",")+`]}`)
	}
	if n := field(t, call(t, e, "DescribeTable", `{"TableName":"Table"}`), "Table.ItemCount"); n != 0.0 {
		t.Errorf("%v items are left", n)
	}
	// The values of an update are sent.
	update := `{"Update":{"TableName":"Table","Key":{"p":{"S":"%d"},"s":{"N":"1"}},"UpdateExpression":"SET v = :v","ExpressionAttributeValues":{":v":{"S":"` + text(399_000) + `"}}}}`
	updates = nil
	for n := range 11 {
		updates = append(updates, fmt.Sprintf(update, n))
	}
	if err := refuse(t, e, "TransactWriteItems", `{"TransactItems":[`+strings.ReplaceAll(strings.Join(updates, ","), "%", "%%")+`]}`); err != errSentTooMuch {
		t.Errorf("updates of 4.4 MB: %v", err)
	}
}

func TestBatchGetGivesBackWhatExceeds16MB(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, noIndexes)
	var keys []string
	for s := range 50 {
		putRow(t, e, "a", s, `,"v":{"S":"`+text(400_000)+`"}`)
		keys = append(keys, fmt.Sprintf(`{"p":{"S":"a"},"s":{"N":"%d"}}`, s))
	}
	answer := call(t, e, "BatchGetItem", `{"RequestItems":{"Table":{"Keys":[`+strings.Join(keys, ",")+`],"ProjectionExpression":"s","ConsistentRead":true}}}`)
	got := len(field(t, answer, "Responses.Table").([]any))
	rest := len(field(t, answer, "UnprocessedKeys.Table.Keys").([]any))
	if got != 41 || rest != 9 || field(t, answer, "UnprocessedKeys.Table.ConsistentRead") != true {
		t.Errorf("%d items and %d unprocessed keys, want 41 (of 400,000 bytes in 16 MB) and 9, with their options", got, rest)
	}
}

func TestItemCollectionLimit(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, withIndexes)
	e.table("Table").maxCollection = 3000
	putRow(t, e, "a", 1, `,"v":{"S":"`+text(1400)+`"}`)
	putRow(t, e, "a", 2, `,"v":{"S":"`+text(1400)+`"}`)
	put := `{"TableName":"Table","Item":{"p":{"S":"%s"},"s":{"N":"%d"},"v":{"S":"` + text(1400) + `"}}}`
	if err := refuse(t, e, "PutItem", put, "a", 3); err.Type != "ItemCollectionSizeLimitExceededException" {
		t.Errorf("a collection over its limit: %v", err)
	}
	call(t, e, "PutItem", put, "b", 3)
	call(t, e, "DeleteItem", `{"TableName":"Table","Key":{"p":{"S":"a"},"s":{"N":"1"}}}`)
	call(t, e, "PutItem", put, "a", 3)
}
