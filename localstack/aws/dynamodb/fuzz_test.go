package dynamodb

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// FuzzOperations sends arbitrary bodies to every operation: none may panic or
// fail as a server error, whatever the body.
func FuzzOperations(f *testing.F) {
	operations := slices.Sorted(maps.Keys(New(Options{}).Service().Operations))
	for i, seed := range []string{
		`{"TableName":"Table"}`,
		`{"TableName":"Table","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET a.b[0] = :v ADD n :v","ExpressionAttributeValues":{":v":{"N":"1"}},"ReturnValues":"UPDATED_NEW"}`,
		`{"TableName":"Table","Item":{"p":{"S":"a"},"s":{"N":"1"},"g":{"S":"x"}},"ConditionExpression":"attribute_exists(p)"}`,
		`{"TableName":"Table","IndexName":"Local","KeyConditionExpression":"p = :p AND begins_with(g, :p)","ExpressionAttributeValues":{":p":{"S":"a"}},"ScanIndexForward":false,"Limit":1}`,
		`{"TableName":"Table","Segment":1,"TotalSegments":3,"ExclusiveStartKey":{"p":{"S":"a"},"s":{"N":"1"}}}`,
		`{"RequestItems":{"Table":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}]}}}`,
		`{"RequestItems":{"Table":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"}}}}]}}`,
		`{"TransactItems":[{"Get":{"TableName":"Table","Key":{"p":{"S":"a"},"s":{"N":"1"}}}}]}`,
		`{"ClientRequestToken":"t","TransactItems":[{"Put":{"TableName":"Table","Item":{"p":{"S":"a"},"s":{"N":"1"}}}}]}`,
		`{"TableName":"Table","TimeToLiveSpecification":{"AttributeName":"s","Enabled":true}}`,
		`{"TableName":"Table","GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"New","KeySchema":[{"AttributeName":"s","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}}]}`,
		`{"TableName":"Other","KeySchema":[{"AttributeName":"p","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"p","AttributeType":"B"}],"BillingMode":"PAY_PER_REQUEST"}`,
		`{"RequestItems":{"Table":null}}`, `{"TransactItems":[null]}`, `null`, `{"Item":null}`,
	} {
		f.Add(byte(i), []byte(seed))
		for n := range operations {
			f.Add(byte(n), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, n byte, body []byte) {
		e := New(Options{})
		defer e.Close()
		makeTable(t, e, withIndexes)
		putRow(t, e, "a", 1, `,"g":{"S":"x"}`)
		operation := operations[int(n)%len(operations)]
		_, err := e.Service().Call(t.Context(), operation, body)
		var known *awsjson.Error
		if err != nil && (!errors.As(err, &known) || known.Status >= 500) {
			t.Errorf("%s %s: %v", operation, body, err)
		}
	})
}
