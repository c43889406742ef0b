package dynamodb

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
)

func TestExpiredItemsAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := stream.NewRegistry(stream.Options{Shards: 1})
		e := New(Options{Streams: registry})
		defer e.Close()
		makeTable(t, e, withIndexes+`,"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"OLD_IMAGE"}`)
		now := time.Now().Unix()
		// One item is there before time to live is switched on, the others come after.
		putRow(t, e, "a", 1, fmt.Sprintf(`,"g":{"S":"x"},"until":{"N":"%d"}`, now+60))
		call(t, e, "UpdateTimeToLive", `{"TableName":"Table","TimeToLiveSpecification":{"AttributeName":"until","Enabled":true}}`)
		putRow(t, e, "a", 2, fmt.Sprintf(`,"until":{"N":"%d.5"}`, now+90))
		putRow(t, e, "a", 3, fmt.Sprintf(`,"until":{"S":"%d"}`, now+60)) // not a Number
		putRow(t, e, "a", 4, fmt.Sprintf(`,"until":{"N":"%d"}`, now-6*366*24*3600))
		putRow(t, e, "a", 5, fmt.Sprintf(`,"until":{"N":"%d000"}`, now+60)) // milliseconds
		putRow(t, e, "a", 6, fmt.Sprintf(`,"until":{"N":"%d"}`, now+60))
		putRow(t, e, "a", 6, fmt.Sprintf(`,"until":{"N":"%d"}`, now+3600)) // put off
		putRow(t, e, "a", 7, `,"until":{"N":"0"}`)
		putRow(t, e, "a", 8, `,"until":{"N":"-1"}`)
		e.ResetUsage()

		sleepTo := func(second int64) {
			time.Sleep(time.Until(time.Unix(second, 0)) + 500*time.Millisecond)
			synctest.Wait()
		}
		sleepTo(now + 57)
		expectRows(t, e, "1 2 3 4 5 6 7 8")
		sleepTo(now + 62)
		expectRows(t, e, "2 3 4 5 6 7 8")
		sleepTo(now + 92)
		expectRows(t, e, "3 4 5 6 7 8")
		sleepTo(now + 3602)
		expectRows(t, e, "3 4 5 7 8")
		if answer := call(t, e, "Scan", `{"TableName":"Table","IndexName":"Local"}`); field(t, answer, "Count") != 0.0 {
			t.Errorf("the expired item is still in the index: %s", answer)
		}
		for operation, used := range e.Usage().Tables["Table"] {
			if used.WriteCapacityUnits != 0 {
				t.Errorf("%s used %+v; deleting expired items costs nothing", operation, used)
			}
		}
		expectServiceDeletes(t, registry, field(t, call(t, e, "DescribeTable", `{"TableName":"Table"}`), "Table.LatestStreamArn").(string), 3)
	})
}

// expectRows checks the sort keys that are in the table's partition "a".
func expectRows(t *testing.T, e *Engine, want string) {
	t.Helper()
	answer := call(t, e, "Query", `{"TableName":"Table","KeyConditionExpression":"p=:p","ExpressionAttributeValues":{":p":{"S":"a"}}}`)
	var got []string
	for _, it := range field(t, answer, "Items").([]any) {
		got = append(got, it.(map[string]any)["s"].(map[string]any)["N"].(string))
	}
	if strings.Join(got, " ") != want {
		t.Errorf("at %s there are the rows %v, want %s", time.Now().Format(time.TimeOnly), got, want)
	}
}

// expectServiceDeletes counts the removals in a stream that DynamoDB itself did.
func expectServiceDeletes(t *testing.T, registry *stream.Registry, arn string, want int) {
	t.Helper()
	shards, err := registry.Shards(arn)
	if err != nil || len(shards) != 1 {
		t.Fatalf("shards %v, error %v; want one", shards, err)
	}
	records, _, err := registry.Read(t.Context(), arn, shards[0].ID, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	byService := 0
	for _, r := range records {
		removed := strings.Contains(string(r.JSON), `"REMOVE"`)
		serviced := strings.Contains(string(r.JSON), `"principalId":"dynamodb.amazonaws.com"`)
		if removed != serviced {
			t.Errorf("record %s: only removals by time to live carry the service identity", r.JSON)
		}
		if serviced {
			byService++
		}
	}
	if byService != want {
		t.Errorf("%d deletions by the service, want %d", byService, want)
	}
}

func TestTimeToLiveSwitches(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, noIndexes)
	specify := `{"TableName":"Table","TimeToLiveSpecification":{"AttributeName":"%s","Enabled":%t}}`
	for _, step := range []struct {
		attribute string
		on        bool
		refused   string
	}{
		{"x", false, "TimeToLive is already disabled"},
		{"x", true, ""},
		{"x", true, "TimeToLive is already enabled"},
		{"y", true, "TimeToLive is active on a different AttributeName: current AttributeName is x"},
		{"y", false, "TimeToLive is active on a different AttributeName: current AttributeName is x"},
		{"x", false, ""},
		{"y", true, ""},
	} {
		if step.refused == "" {
			call(t, e, "UpdateTimeToLive", specify, step.attribute, step.on)
		} else if err := refuse(t, e, "UpdateTimeToLive", specify, step.attribute, step.on); err.Message != step.refused {
			t.Errorf("%s %t: %v, want %s", step.attribute, step.on, err, step.refused)
		}
	}
	got := call(t, e, "DescribeTimeToLive", `{"TableName":"Table"}`)
	if field(t, got, "TimeToLiveDescription.AttributeName") != "y" || field(t, got, "TimeToLiveDescription.TimeToLiveStatus") != "ENABLED" {
		t.Errorf("described as %s", got)
	}
}

// TestIdleStreamsExpire: a closed shard goes though nobody asks for the stream.
func TestIdleStreamsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := stream.NewRegistry(stream.Options{Shards: 1, Retention: time.Minute})
		e := New(Options{Streams: registry})
		defer e.Close()
		makeTable(t, e, withIndexes+`,"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"OLD_IMAGE"}`)
		arn := registry.ARNs()[0]
		shards, err := registry.Shards(arn)
		if err != nil {
			t.Fatal(err)
		}
		if err := registry.Split(arn, shards[0].ID); err != nil {
			t.Fatal(err)
		}
		changed := registry.ShardsChanged(arn)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		select {
		case <-changed:
		default:
			t.Error("the closed shard is still there")
		}
	})
}
