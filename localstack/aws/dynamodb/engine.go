package dynamodb

import (
	"cmp"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
)

// Options says where the engine pretends to be and what time it is.
type Options struct {
	// Region and Account are part of every ARN. They default to "us-east-1"
	// and "000000000000".
	Region, Account string
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// TTLSweep is how often expired items are deleted, and stream records past their
	// retention let go; 1 s by default, and if it is below zero. DynamoDB itself
	// promises no more for items than "within a few days".
	TTLSweep time.Duration
	// Streams takes in the changes of tables with a stream; by default a
	// registry of the engine's own, which nobody can read.
	Streams *stream.Registry
}

// Engine holds tables and carries out operations on them. Safe for concurrent
// use; Close it to stop its sweeper.
type Engine struct {
	region, account string
	now             func() time.Time
	streams         *stream.Registry
	usage           usage
	tokens          tokens
	stop            chan struct{}
	stopped         sync.WaitGroup
	closing         sync.Once
	*catalog
}

// catalog is what tables there are.
type catalog struct {
	mu     sync.RWMutex // guards tables and made; never held while a table's lock is waited for
	tables map[string]*table
	made   int // tables ever made; numbers the next one
}

// New starts an empty engine.
func New(o Options) *Engine {
	e := &Engine{
		region:  cmp.Or(o.Region, "us-east-1"),
		account: cmp.Or(o.Account, "000000000000"),
		now:     o.Now,
		streams: o.Streams,
		catalog: &catalog{tables: map[string]*table{}},
		stop:    make(chan struct{}),
	}
	if e.now == nil {
		e.now = time.Now
	}
	if e.streams == nil {
		e.streams = stream.NewRegistry(stream.Options{Region: e.region, Account: e.account, Now: e.now})
	}
	e.stopped.Go(func() { e.sweepEvery(cmp.Or(max(o.TTLSweep, 0), time.Second)) })
	return e
}

// Close stops deleting expired items. The tables stay usable. Closing twice is
// harmless.
func (e *Engine) Close() {
	e.closing.Do(func() { close(e.stop) })
	e.stopped.Wait()
}

// Service is the engine's side of the DynamoDB API. An operation that is not
// supported is answered with UnknownOperationException.
func (e *Engine) Service() *awsjson.Service {
	return &awsjson.Service{
		Target:    "DynamoDB_20120810",
		Namespace: "com.amazonaws.dynamodb.v20120810#",
		Operations: map[string]awsjson.Operation{
			"CreateTable":               operation(e.createTable),
			"DescribeTable":             operation(e.describeTable),
			"ListTables":                operation(e.listTables),
			"UpdateTable":               operation(e.updateTable),
			"DeleteTable":               operation(e.deleteTable),
			"UpdateTimeToLive":          operation(e.updateTimeToLive),
			"DescribeTimeToLive":        operation(e.describeTimeToLive),
			"UpdateContinuousBackups":   operation(e.updateContinuousBackups),
			"DescribeContinuousBackups": operation(e.describeContinuousBackups),
			"TagResource":               operation(e.tagResource),
			"UntagResource":             operation(e.untagResource),
			"ListTagsOfResource":        operation(e.listTagsOfResource),
			"DescribeLimits":            operation(e.describeLimits),
			"PutItem":                   operation(e.putItem),
			"GetItem":                   operation(e.getItem),
			"UpdateItem":                operation(e.updateItem),
			"DeleteItem":                operation(e.deleteItem),
			"Query":                     operation(e.query),
			"Scan":                      operation(e.scan),
			"BatchGetItem":              operation(e.batchGetItem),
			"BatchWriteItem":            operation(e.batchWriteItem),
			"TransactGetItems":          operation(e.transactGetItems),
			"TransactWriteItems":        operation(e.transactWriteItems),
		},
	}
}

// arn names a table.
func (e *Engine) arn(table string) string {
	return "arn:aws:dynamodb:" + e.region + ":" + e.account + ":table/" + table
}

// lookup finds a table by its name or its ARN, for operations on items. The name has been
// checked.
func (e *Engine) lookup(name *string) (*table, error) {
	t, err := e.named(*name)
	if t == nil && err == nil {
		err = errTableNotFound
	}
	return t, err
}

// tableOf finds a table by its name or its ARN, for operations on tables, whose errors
// name it.
func (e *Engine) tableOf(name *string) (*table, error) {
	if err := checkTable(name); err != nil {
		return nil, err
	}
	t, err := e.named(*name)
	if t == nil && err == nil {
		err = notFound(bareName(*name))
	}
	return t, err
}

// named gives a table by its name or its ARN; nil if there is none.
func (e *Engine) named(name string) (*table, error) {
	bare := bareName(name)
	if isARN(name) && name != e.arn(bare) {
		if region := strings.Split(name, ":")[3]; region != e.region {
			return nil, invalid("1 validation error detected: Invalid AWS region in '%s'", name)
		}
		return nil, nil // of another account
	}
	return e.table(bare), nil
}

// PartitionKey gives the name of the attribute that is a table's partition key; empty if there is no
// such table. The table is named or given by its ARN.
func (e *Engine) PartitionKey(table string) string {
	t, err := e.named(table)
	if t == nil || err != nil {
		return ""
	}
	return t.key.hash.name
}

func (e *Engine) table(name string) *table {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.tables[name]
}

// all lists the tables, in no order.
func (e *Engine) all() []*table {
	e.mu.RLock()
	defer e.mu.RUnlock()
	tables := make([]*table, 0, len(e.tables))
	for _, t := range e.tables {
		tables = append(tables, t)
	}
	return tables
}
