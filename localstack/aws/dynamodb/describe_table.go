package dynamodb

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

type tableInput struct{ TableName *string }

// describeTable shows a table. Sizes and counts are exact and current, which
// DynamoDB's, six hours old, are not.
func (e *Engine) describeTable(_ context.Context, in *tableInput) (any, error) {
	t, err := e.tableOf(in.TableName)
	if err != nil {
		return nil, err
	}
	return struct{ Table tableDescription }{e.description(t)}, nil
}

type tableDescription struct {
	TableName                 string
	TableArn                  string
	TableId                   string
	TableStatus               string
	CreationDateTime          *seconds              `json:",omitempty"`
	AttributeDefinitions      []attributeDefinition `json:",omitempty"`
	KeySchema                 []keyElement          `json:",omitempty"`
	ItemCount                 int
	TableSizeBytes            int64
	BillingModeSummary        *billingModeSummary `json:",omitempty"`
	ProvisionedThroughput     throughputDescription
	LocalSecondaryIndexes     []indexDescription   `json:",omitempty"`
	GlobalSecondaryIndexes    []indexDescription   `json:",omitempty"`
	StreamSpecification       *streamSpecification `json:",omitempty"`
	LatestStreamArn           string               `json:",omitempty"`
	LatestStreamLabel         string               `json:",omitempty"`
	DeletionProtectionEnabled bool
}

type billingModeSummary struct {
	BillingMode                       string
	LastUpdateToPayPerRequestDateTime *seconds `json:",omitempty"`
}

type throughputDescription struct {
	throughput
	NumberOfDecreasesToday int
}

type indexDescription struct {
	IndexName             string
	IndexArn              string
	IndexStatus           string `json:",omitempty"`
	KeySchema             []keyElement
	Projection            projection
	ItemCount             int
	IndexSizeBytes        int64
	ProvisionedThroughput *throughputDescription `json:",omitempty"`
}

// seconds is a time as AWS JSON writes it: epoch seconds with milliseconds.
type seconds time.Time

func (s seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(s).UnixMilli())/1e3, 'f', 3, 64), nil
}

func secondsOf(t *time.Time) *seconds { return (*seconds)(t) }

func (e *Engine) description(t *table) tableDescription {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d := tableDescription{
		TableName: t.name, TableArn: t.arn, TableId: t.id, TableStatus: "ACTIVE",
		CreationDateTime:     secondsOf(&t.created),
		AttributeDefinitions: t.definitions(), KeySchema: t.key.schema(),
		ItemCount: t.rows.tree.Len(), TableSizeBytes: t.rows.bytes,
		ProvisionedThroughput:     throughputDescription{throughput: t.billing.throughput},
		DeletionProtectionEnabled: t.protected,
	}
	if t.billing.perRequest != nil {
		d.BillingModeSummary = &billingModeSummary{t.billing.mode, secondsOf(t.billing.perRequest)}
	}
	if t.stream != nil {
		d.StreamSpecification = &streamSpecification{StreamEnabled: true, StreamViewType: t.stream.ViewType()}
	}
	if t.latest != nil {
		d.LatestStreamArn, d.LatestStreamLabel = t.latest.ARN(), t.latest.Label()
	}
	for _, x := range t.indexes {
		if x.local {
			d.LocalSecondaryIndexes = append(d.LocalSecondaryIndexes, x.description(t.arn))
		} else {
			d.GlobalSecondaryIndexes = append(d.GlobalSecondaryIndexes, x.description(t.arn))
		}
	}
	return d
}

func (x *index) description(table string) indexDescription {
	d := indexDescription{
		IndexName: x.name, IndexArn: table + "/index/" + x.name,
		KeySchema: x.key.schema(), Projection: x.projection,
		ItemCount: x.rows.tree.Len(), IndexSizeBytes: x.rows.bytes,
	}
	if !x.local {
		d.IndexStatus = "ACTIVE"
		d.ProvisionedThroughput = &throughputDescription{throughput: x.throughput}
	}
	return d
}

// definitions lists the types of the key attributes by name.
func (t *table) definitions() []attributeDefinition {
	list := make([]attributeDefinition, 0, len(t.types))
	for name, typ := range t.types {
		list = append(list, attributeDefinition{name, typ})
	}
	slices.SortFunc(list, func(a, b attributeDefinition) int { return strings.Compare(a.AttributeName, b.AttributeName) })
	return list
}
