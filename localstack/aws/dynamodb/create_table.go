package dynamodb

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
)

type createTableInput struct {
	TableName                 *string
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keyElement
	BillingMode               string
	ProvisionedThroughput     *throughput
	LocalSecondaryIndexes     []indexDefinition
	GlobalSecondaryIndexes    []indexDefinition
	StreamSpecification       *streamSpecification
	DeletionProtectionEnabled bool
	Tags                      []tag
}

type streamSpecification struct {
	StreamEnabled  bool
	StreamViewType stream.ViewType `json:",omitempty"`
}

type tableAnswer struct{ TableDescription tableDescription }

// createTable makes a table that is ACTIVE at once.
func (e *Engine) createTable(_ context.Context, in *createTableInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	t, err := e.newTable(in)
	if err != nil {
		return nil, err
	}
	if err := e.open(t, in.StreamSpecification); err != nil {
		return nil, err
	}
	return tableAnswer{e.description(t)}, nil
}

// check checks the declaration against the API's model, and for what is not supported.
func (in *createTableInput) check() error {
	if err := checkNewTable(in.TableName); err != nil {
		return err
	}
	var c constraints
	c.require("attributeDefinitions", in.AttributeDefinitions != nil)
	c.definitions("attributeDefinitions", in.AttributeDefinitions)
	c.oneOf("billingMode", in.BillingMode, provisioned, onDemand)
	c.throughput("provisionedThroughput", in.ProvisionedThroughput)
	c.keySchema("keySchema", in.KeySchema, maxKeyAttributes)
	for i := range in.LocalSecondaryIndexes {
		c.index(fmt.Sprintf("localSecondaryIndexes.%d.member", i+1), &in.LocalSecondaryIndexes[i], maxKeyAttributes)
	}
	for i := range in.GlobalSecondaryIndexes {
		c.index(fmt.Sprintf("globalSecondaryIndexes.%d.member", i+1), &in.GlobalSecondaryIndexes[i], maxIndexKeyAttributes)
	}
	in.StreamSpecification.constrain(&c)
	if err := c.err(); err != nil {
		return err
	}
	for i := range in.GlobalSecondaryIndexes {
		if err := several(fmt.Sprintf("GlobalSecondaryIndexes.%d", i+1), &in.GlobalSecondaryIndexes[i]); err != nil {
			return err
		}
	}
	return nil
}

// open makes the table known, together with its stream: whoever finds it waits
// until it has one.
func (e *Engine) open(t *table, s *streamSpecification) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := e.addTable(t); err != nil {
		return err
	}
	if s != nil && s.StreamEnabled {
		e.switchOn(t, s.StreamViewType)
	}
	return nil
}

// newTable checks a declaration and makes the table, which nobody sees yet.
func (e *Engine) newTable(in *createTableInput) (*table, error) {
	name := *in.TableName
	t := &table{name: name, arn: e.arn(name), id: newID(), created: e.now(), rows: newRows(),
		collections: map[string]int64{}, maxCollection: maxCollectionBytes,
		protected: in.DeletionProtectionEnabled, tags: map[string]string{}}
	var err error
	if t.types, err = typesOf(in.AttributeDefinitions); err != nil {
		return nil, err
	}
	if len(in.KeySchema) > len(t.types) {
		return nil, invalid("Invalid KeySchema: Some index key attribute have no definition")
	}
	if t.key, err = keyOf(in.KeySchema, t.types); err != nil {
		return nil, err
	}
	if t.billing, err = billingOf(in.BillingMode, in.ProvisionedThroughput); err != nil {
		return nil, err
	}
	if t.billing.onDemand() {
		t.billing.perRequest = &t.created
	}
	if t.indexes, err = indexesOf(in, t); err != nil {
		return nil, err
	}
	if err := in.StreamSpecification.check(); err != nil {
		return nil, err
	}
	return t, t.tag(in.Tags)
}

// indexesOf reads all secondary indexes of a declaration, local ones first.
func indexesOf(in *createTableInput, t *table) ([]*index, error) {
	indexes, err := localIndexes(in.LocalSecondaryIndexes, t.key, t.types)
	if err != nil {
		return nil, err
	}
	global, err := globalIndexes(in.GlobalSecondaryIndexes, t.key, t.types, t.billing.onDemand())
	if err != nil {
		return nil, err
	}
	indexes = append(indexes, global...)
	if err := checkNames(indexes); err != nil {
		return nil, err
	}
	return indexes, checkUsed(t.types, t.key, indexes)
}

// addTable makes the table known, if its name is free.
func (e *Engine) addTable(t *table) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tables[t.name] != nil {
		return awsjson.Errorf("ResourceInUseException", "Table already exists: %s", t.name)
	}
	e.made++
	t.number = e.made
	e.tables[t.name] = t
	return nil
}

func (s *streamSpecification) check() error {
	switch {
	case s == nil:
		return nil
	case !s.StreamEnabled && s.StreamViewType != "":
		return invalidParameter("StreamViewType must not be specified when StreamEnabled is false")
	case s.StreamEnabled && s.StreamViewType == "":
		return invalidParameter("StreamViewType must be specified when StreamEnabled is true")
	}
	return nil
}

// constrain checks the specification against the API's model.
func (s *streamSpecification) constrain(c *constraints) {
	if s != nil {
		c.oneOf("streamSpecification.streamViewType", string(s.StreamViewType),
			string(stream.OldImage), string(stream.KeysOnly), string(stream.NewAndOldImages), string(stream.NewImage))
	}
}

// switchOn gives the table a new stream. The caller holds the table's lock.
func (e *Engine) switchOn(t *table, view stream.ViewType) {
	var schema []stream.KeySchemaElement
	for _, k := range t.key.schema() {
		schema = append(schema, stream.KeySchemaElement{AttributeName: k.AttributeName, KeyType: k.KeyType})
	}
	t.stream = e.streams.Enable(t.name, schema, view)
	t.latest = t.stream
}

// switchOff closes the table's stream, if it has one; it stays readable for a
// day. The caller holds the table's lock.
func (e *Engine) switchOff(t *table) {
	if t.stream != nil {
		e.streams.Disable(t.stream)
		t.stream = nil
	}
}

// newID makes a random UUID, which is how DynamoDB tells lives of a table apart.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
