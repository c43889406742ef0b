// Package dynamotest is the only place that knows how tests get the service's
// tables: on an embedded DynamoDB of their own, reached through the real SDK.
package dynamotest

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	embedded "github.com/watchroute/watchroute/localstack/aws/dynamodb"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
	"github.com/watchroute/watchroute/shared/dynamo"
)

// Tables are the names of the tables that Start makes.
var Tables = dynamo.Tables{Events: "Events", Changes: "Changes", Connections: "Connections", Subscriptions: "Subscriptions", Revocations: "Revocations", Destinations: "Destinations", Positions: "Positions"}

// Database is an embedded DynamoDB with the service's tables.
type Database struct {
	Config  aws.Config       // for SDK clients
	Client  *dynamodb.Client // made of Config
	Engine  *embedded.Engine
	Streams *stream.Registry
}

// Start makes a database that ends with the test.
func Start(t testing.TB) *Database {
	t.Helper()
	d := newDatabase(t)
	server := httptest.NewServer(d.Engine.Service())
	t.Cleanup(server.Close)
	d.Config.BaseEndpoint = aws.String(server.URL)
	d.connect(t)
	return d
}

// StartInside makes a database that the SDK reaches without a network. It therefore works in a
// bubble of package testing/synctest, whose time does not advance during a wait for the network.
func StartInside(t testing.TB) *Database {
	t.Helper()
	d := newDatabase(t)
	d.Config.BaseEndpoint = aws.String("http://dynamodb.test")
	d.Config.HTTPClient = inside{d.Engine.Service()}
	d.connect(t)
	return d
}

// inside is an HTTP client of a single handler.
type inside struct{ handler http.Handler }

// Do answers a request as a server would.
func (i inside) Do(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host, r.RequestURI = r.URL.Host, r.URL.RequestURI()
	w := httptest.NewRecorder()
	i.handler.ServeHTTP(w, r)
	return w.Result(), r.Context().Err()
}

func newDatabase(t testing.TB) *Database {
	streams := stream.NewRegistry(stream.Options{Region: "us-east-1", Account: "000000000000"})
	engine := embedded.New(embedded.Options{Region: "us-east-1", Account: "000000000000", Streams: streams})
	t.Cleanup(engine.Close)
	cfg := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}
	return &Database{Config: cfg, Engine: engine, Streams: streams}
}

// connect makes the client and the tables.
func (d *Database) connect(t testing.TB) {
	t.Helper()
	d.Client = dynamodb.NewFromConfig(d.Config)
	d.create(t, Tables.Events, "topic", "id", types.ScalarAttributeTypeS)
	d.create(t, Tables.Changes, "topic", "seq", types.ScalarAttributeTypeN)
	d.create(t, Tables.Connections, "subject", "connectionId", types.ScalarAttributeTypeS)
	d.create(t, Tables.Subscriptions, "topic", "connectionId", types.ScalarAttributeTypeS)
	d.create(t, Tables.Revocations, "subject", "tokenId", types.ScalarAttributeTypeS)
	d.create(t, Tables.Positions, "topic", "id", types.ScalarAttributeTypeS)
	d.createDestinations(t)
}

// createDestinations makes the table with the index of what is due.
func (d *Database) createDestinations(t testing.TB) {
	t.Helper()
	input := &dynamodb.CreateTableInput{
		TableName: &Tables.Destinations, BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("destination"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("topic"), KeyType: types.KeyTypeRange},
		},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("destination"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("topic"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("part"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("due"), AttributeType: types.ScalarAttributeTypeN},
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String(dynamo.DueIndex), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
			KeySchema: []types.KeySchemaElement{
				{AttributeName: aws.String("part"), KeyType: types.KeyTypeHash},
				{AttributeName: aws.String("due"), KeyType: types.KeyTypeRange},
			},
		}},
	}
	if _, err := d.Client.CreateTable(context.Background(), input); err != nil {
		t.Fatal(err)
	}
}

// Units is what all calls have cost since the database was started or Engine.ResetUsage was
// called, in read and write units.
func (d *Database) Units() (reads, writes float64) {
	for _, operations := range d.Engine.Usage().Tables {
		for _, c := range operations {
			reads += c.ReadCapacityUnits
			writes += c.WriteCapacityUnits
		}
	}
	return reads, writes
}

// Store opens the tables.
//
// Its shards have room for any audience, so that no subscribe counts one by chance.
func (d *Database) Store() *dynamo.Store {
	s := dynamo.Open(d.Config, Tables)
	s.ShardSize = math.MaxInt32
	return s
}

func (d *Database) create(t testing.TB, name, hash, sort string, sortType types.ScalarAttributeType) {
	t.Helper()
	input := &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{
			{AttributeName: &hash, KeyType: types.KeyTypeHash},
			{AttributeName: &sort, KeyType: types.KeyTypeRange},
		},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: &hash, AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: &sort, AttributeType: sortType},
		},
	}
	if _, err := d.Client.CreateTable(context.Background(), input); err != nil {
		t.Fatal(err)
	}
}
