package dynamodb

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
)

// start makes an engine that is closed when the test ends.
func start(t testing.TB, o Options) *Engine {
	t.Helper()
	e := New(o)
	t.Cleanup(e.Close)
	return e
}

// call runs an operation as an HTTP request would and gives the answer's JSON.
func call(t testing.TB, e *Engine, operation, body string, args ...any) string {
	t.Helper()
	answer, err := try(t, e, operation, body, args...)
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	return answer
}

// refuse runs an operation that must fail and gives the error.
func refuse(t testing.TB, e *Engine, operation, body string, args ...any) *awsjson.Error {
	t.Helper()
	answer, err := try(t, e, operation, body, args...)
	var refused *awsjson.Error
	if !errors.As(err, &refused) {
		t.Fatalf("%s answered %s, error %v; want an AWS error", operation, answer, err)
	}
	return refused
}

func try(t testing.TB, e *Engine, operation, body string, args ...any) (string, error) {
	t.Helper()
	if len(args) > 0 {
		body = fmt.Sprintf(body, args...)
	}
	result, err := e.Service().Call(t.Context(), operation, []byte(body))
	if err != nil {
		return "", err
	}
	answer, err := json.Marshal(result)
	if err != nil {
		t.Fatalf("encode answer of %s: %v", operation, err)
	}
	return string(answer), nil
}

// field digs a value out of an answer by a dotted path.
func field(t testing.TB, answer, path string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(answer), &v); err != nil {
		t.Fatalf("answer %s: %v", answer, err)
	}
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok || m[name] == nil {
			return nil
		}
		v = m[name]
	}
	return v
}

// makeTable makes an on-demand table T with hash key p and sort key s, a number,
// and whatever else is given.
func makeTable(t testing.TB, e *Engine, more string) {
	t.Helper()
	call(t, e, "CreateTable", `{"TableName":"Table","BillingMode":"PAY_PER_REQUEST",
		"KeySchema":[{"AttributeName":"p","KeyType":"HASH"},{"AttributeName":"s","KeyType":"RANGE"}],
		"AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"},{"AttributeName":"s","AttributeType":"N"}`+more+`}`)
}

// Ends of the declaration that makeTable opens.
const (
	noIndexes = `]`
	// withIndexes declares a global index by g that includes a, and a local one by
	// g that keeps keys only.
	withIndexes = `,{"AttributeName":"g","AttributeType":"S"}],
		"GlobalSecondaryIndexes":[{"IndexName":"Global","KeySchema":[{"AttributeName":"g","KeyType":"HASH"}],
			"Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":["a"]}}],
		"LocalSecondaryIndexes":[{"IndexName":"Local","KeySchema":[{"AttributeName":"p","KeyType":"HASH"},{"AttributeName":"g","KeyType":"RANGE"}],
			"Projection":{"ProjectionType":"KEYS_ONLY"}}]`
)

// putRow puts an item with a key and further attributes, such as `,"a":{"S":"x"}`.
func putRow(t testing.TB, e *Engine, p string, s int, more string) string {
	t.Helper()
	return call(t, e, "PutItem", `{"TableName":"Table","ReturnConsumedCapacity":"INDEXES","Item":{"p":{"S":"%s"},"s":{"N":"%d"}%s}}`, p, s, more)
}

func TestUnknownOperationIsNamed(t *testing.T) {
	e := start(t, Options{})
	err := refuse(t, e, "ExecuteStatement", `{}`)
	if err.Type != "UnknownOperationException" || !strings.Contains(err.Message, "ExecuteStatement") {
		t.Errorf("got %v, want UnknownOperationException naming the operation", err)
	}
}

func TestLegacyParametersAreRefusedByName(t *testing.T) {
	e := start(t, Options{})
	makeTable(t, e, noIndexes)
	for operation, parameters := range map[string][]string{
		"PutItem":    {"Expected", "ConditionalOperator"},
		"UpdateItem": {"AttributeUpdates", "Expected"},
		"DeleteItem": {"Expected"},
		"GetItem":    {"AttributesToGet"},
		"Query":      {"KeyConditions", "QueryFilter", "AttributesToGet"},
		"Scan":       {"ScanFilter", "ConditionalOperator"},
	} {
		for _, name := range parameters {
			err := refuse(t, e, operation, `{"TableName":"Table","%s":{}}`, name)
			if err.Type != "ValidationException" || !strings.Contains(err.Message, name) {
				t.Errorf("%s with %s: %v, want a ValidationException naming it", operation, name, err)
			}
		}
	}
	err := refuse(t, e, "BatchGetItem", `{"RequestItems":{"Table":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}],"AttributesToGet":["p"]}}}`)
	if !strings.Contains(err.Message, "AttributesToGet") {
		t.Errorf("BatchGetItem with AttributesToGet: %v", err)
	}
}

func TestBodiesThatAreNotTheInput(t *testing.T) {
	e := start(t, Options{})
	for _, body := range []string{``, `x`, `[]`, `{"TableName":5}`, `{"TableName":"a`} {
		if err := refuse(t, e, "DescribeTable", body); err.Type != "SerializationException" {
			t.Errorf("body %q: %v, want SerializationException", body, err)
		}
	}
}

func TestStreamOffAndOnIsAnotherStream(t *testing.T) {
	registry := stream.NewRegistry(stream.Options{Region: "eu-west-1", Account: "123456789012"})
	e := start(t, Options{Region: "eu-west-1", Account: "123456789012", Streams: registry})
	makeTable(t, e, noIndexes+`,"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"}`)
	first := field(t, call(t, e, "DescribeTable", `{"TableName":"Table"}`), "Table.LatestStreamArn").(string)
	if !strings.HasPrefix(first, "arn:aws:dynamodb:eu-west-1:123456789012:table/Table/stream/") {
		t.Errorf("stream ARN %s", first)
	}
	off := call(t, e, "UpdateTable", `{"TableName":"Table","StreamSpecification":{"StreamEnabled":false}}`)
	if field(t, off, "TableDescription.StreamSpecification") != nil || field(t, off, "TableDescription.LatestStreamArn") != first {
		t.Errorf("switched off: %s, want the last stream's ARN and no specification", off)
	}
	on := call(t, e, "UpdateTable", `{"TableName":"Table","StreamSpecification":{"StreamEnabled":true,"StreamViewType":"KEYS_ONLY"}}`)
	if second := field(t, on, "TableDescription.LatestStreamArn"); second == first || second == nil {
		t.Errorf("switched on again: stream ARN %v, want another than %s", second, first)
	}
}
