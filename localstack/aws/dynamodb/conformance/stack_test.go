package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/watchroute/watchroute/shared/dynamo"
)

// stack is one DynamoDB under test.
type stack struct {
	endpoint string
	embedded bool
	db       *dynamodb.Client
	streams  *dynamodbstreams.Client
}

// each runs a body on every DynamoDB there is to test.
func each(t *testing.T, body func(t *testing.T, s *stack)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { body(t, connect(startEmbedded(t), true)) })
	if endpoint := os.Getenv("DYNAMODB_LOCAL_ENDPOINT"); endpoint != "" {
		t.Run("local", func(t *testing.T) { body(t, connect(endpoint, false)) })
	}
}

func connect(endpoint string, embedded bool) *stack {
	keys := credentials.NewStaticCredentialsProvider("conformance", "secret", "")
	return &stack{
		endpoint: endpoint,
		embedded: embedded,
		db:       dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: keys, RetryMaxAttempts: 1, HTTPClient: dynamo.HTTPClient()}),
		streams:  dynamodbstreams.New(dynamodbstreams.Options{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: keys, RetryMaxAttempts: 1, HTTPClient: dynamo.HTTPClient()}),
	}
}

// differs skips the rest of a test on DynamoDB Local, which does otherwise than
// AWS documents.
func (s *stack) differs(t *testing.T, why string) {
	t.Helper()
	if !s.embedded {
		t.Skip("DynamoDB Local differs from AWS: " + why)
	}
}

// tables numbers the tables, so that tests share a DynamoDB Local undisturbed.
var tables atomic.Int64

func newName() string { return fmt.Sprintf("Table.%d-%d", os.Getpid(), tables.Add(1)) }

// schema is a CreateTable request in short: keys are "name:type", such as "p:S".
type schema struct {
	hash, sort string
	attributes []string // further attribute definitions
	gsi        []types.GlobalSecondaryIndex
	lsi        []types.LocalSecondaryIndex
	stream     types.StreamViewType
}

func (c schema) input(name string) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{
		TableName:              &name,
		BillingMode:            types.BillingModePayPerRequest,
		GlobalSecondaryIndexes: c.gsi,
		LocalSecondaryIndexes:  c.lsi,
		KeySchema:              keySchema(c.hash, c.sort),
	}
	for _, attribute := range append([]string{c.hash, c.sort}, c.attributes...) {
		if name, kind, ok := strings.Cut(attribute, ":"); ok {
			in.AttributeDefinitions = append(in.AttributeDefinitions,
				types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeType(kind)})
		}
	}
	if c.stream != "" {
		in.StreamSpecification = &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: c.stream}
	}
	return in
}

// keySchema makes a key of attribute names; a type behind a colon is ignored.
func keySchema(hash, sort string) []types.KeySchemaElement {
	hash, _, _ = strings.Cut(hash, ":")
	keys := []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}}
	if sort, _, _ = strings.Cut(sort, ":"); sort != "" {
		keys = append(keys, types.KeySchemaElement{AttributeName: &sort, KeyType: types.KeyTypeRange})
	}
	return keys
}

// table creates a table that lives as long as the test.
func (s *stack) table(t *testing.T, c schema) string {
	t.Helper()
	name := newName()
	if _, err := s.db.CreateTable(t.Context(), c.input(name)); err != nil {
		t.Fatalf("create table: %v", err)
	}
	t.Cleanup(func() {
		// Its context is done by now; a table that the test deleted is gone.
		_, _ = s.raw("DeleteTable", fmt.Sprintf(`{"TableName":%q}`, name))
	})
	return name
}

// put stores items and must succeed.
func (s *stack) put(t *testing.T, table string, items ...record) {
	t.Helper()
	for _, it := range items {
		if _, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it}); err != nil {
			t.Fatalf("put %s: %v", show(it), err)
		}
	}
}

// get reads an item, consistently; nil if there is none.
func (s *stack) get(t *testing.T, table string, key record) record {
	t.Helper()
	out, err := s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatalf("get %s: %v", show(key), err)
	}
	return out.Item
}

// raw posts a body the SDK would not send, and gives the answer's body; the
// error is the one the service answered with.
func (s *stack) raw(operation, body string) (map[string]any, error) {
	return s.send(operation, body, nil)
}

// send is raw with further headers.
func (s *stack) send(operation, body string, header http.Header) (map[string]any, error) {
	request, err := http.NewRequest(http.MethodPost, s.endpoint, bytes.NewBufferString(body))
	if err != nil {
		return nil, err
	}
	maps.Copy(request.Header, header)
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=conformance/20261124/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var answer map[string]any
	if err := json.Unmarshal(content, &answer); err != nil {
		return nil, fmt.Errorf("answer %q: %w", content, err)
	}
	if response.StatusCode != http.StatusOK {
		return answer, apiError(answer)
	}
	return answer, nil
}
