package dynamodb

import (
	"context"
	"maps"
	"slices"

	"github.com/watchroute/watchroute/localstack/awsjson"
)

type updateTableInput struct {
	TableName                   *string
	AttributeDefinitions        []attributeDefinition
	BillingMode                 string
	ProvisionedThroughput       *throughput
	StreamSpecification         *streamSpecification
	GlobalSecondaryIndexUpdates []globalIndexUpdate
	DeletionProtectionEnabled   *bool
}

type globalIndexUpdate struct {
	Create *indexDefinition
	Update *struct {
		IndexName             string
		ProvisionedThroughput *throughput
	}
	Delete *struct{ IndexName string }
}

// updateTable changes a table's stream, billing, deletion protection or global
// indexes; all of it at once, or nothing if something is wrong.
func (e *Engine) updateTable(_ context.Context, in *updateTableInput) (any, error) {
	t, err := e.tableOf(in.TableName)
	if err != nil {
		return nil, err
	}
	if in.empty() {
		return nil, invalid("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, " +
			"GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required")
	}
	if err := t.writing(func() error { return e.alter(t, in) }); err != nil {
		return nil, err
	}
	return tableAnswer{e.description(t)}, nil
}

func (in *updateTableInput) empty() bool {
	return in.BillingMode == "" && in.ProvisionedThroughput == nil && in.StreamSpecification == nil &&
		len(in.GlobalSecondaryIndexUpdates) == 0 && in.DeletionProtectionEnabled == nil
}

// alter checks everything before it changes anything. The caller holds the
// table's lock.
func (e *Engine) alter(t *table, in *updateTableInput) error {
	if err := t.checkStream(in.StreamSpecification); err != nil {
		return err
	}
	paid, err := t.rebilled(in)
	if err != nil {
		return err
	}
	if err := t.alterIndexes(in, paid.onDemand()); err != nil {
		return err
	}
	t.billing = paid
	if in.DeletionProtectionEnabled != nil {
		t.protected = *in.DeletionProtectionEnabled
	}
	if s := in.StreamSpecification; s != nil && s.StreamEnabled {
		e.switchOn(t, s.StreamViewType)
	} else if s != nil {
		e.switchOff(t)
	}
	return nil
}

func (t *table) checkStream(s *streamSpecification) error {
	switch {
	case s == nil:
		return nil
	case s.StreamEnabled && t.stream != nil:
		return invalid("Table already has an enabled stream: TableName: %s", t.name)
	case !s.StreamEnabled && t.stream == nil:
		return invalid("Table has no stream to disable: TableName: %s", t.name)
	}
	return s.check()
}

// rebilled is the table's billing after the update.
func (t *table) rebilled(in *updateTableInput) (billing, error) {
	if in.BillingMode == "" && in.ProvisionedThroughput == nil {
		return t.billing, nil
	}
	mode := in.BillingMode
	if mode == "" {
		mode = t.billing.mode
	}
	return billingOf(mode, in.ProvisionedThroughput)
}

// alterIndexes carries out the updates of global indexes in order.
func (t *table) alterIndexes(in *updateTableInput, onDemand bool) error {
	if len(in.GlobalSecondaryIndexUpdates) == 0 {
		return nil
	}
	types, err := t.typesWith(in.AttributeDefinitions)
	if err != nil {
		return err
	}
	indexes := slices.Clone(t.indexes)
	for _, u := range in.GlobalSecondaryIndexUpdates {
		if indexes, err = t.alterIndex(indexes, u, types, onDemand); err != nil {
			return err
		}
	}
	t.indexes, t.types = indexes, usedTypes(types, t.key, indexes)
	return nil
}

// typesWith adds definitions to those the table has, none of which may change.
func (t *table) typesWith(definitions []attributeDefinition) (map[string]attributeType, error) {
	declared, err := typesOf(definitions)
	if err != nil {
		return nil, err
	}
	types := maps.Clone(t.types)
	for name, typ := range declared {
		if known, ok := types[name]; ok && known != typ {
			return nil, invalidParameter("Attribute %s is a key of type %s already", name, known)
		}
		types[name] = typ
	}
	return types, nil
}

func (t *table) alterIndex(indexes []*index, u globalIndexUpdate, types map[string]attributeType, onDemand bool) ([]*index, error) {
	switch {
	case u.Create != nil:
		return t.createIndex(indexes, *u.Create, types, onDemand)
	case u.Delete != nil:
		at, err := findGlobal(indexes, u.Delete.IndexName)
		if err != nil {
			return nil, err
		}
		return slices.Delete(indexes, at, at+1), nil
	case u.Update != nil:
		at, err := findGlobal(indexes, u.Update.IndexName)
		if err != nil {
			return nil, err
		}
		if err := checkThroughput(u.Update.ProvisionedThroughput, onDemand, u.Update.IndexName); err != nil {
			return nil, err
		}
		altered := *indexes[at]
		altered.throughput = throughputOf(u.Update.ProvisionedThroughput)
		indexes[at] = &altered
		return indexes, nil
	}
	return nil, invalidParameter("One of GlobalSecondaryIndexUpdate's Create, Update or Delete must be specified")
}

// createIndex adds an index with all the table's rows that belong in it. Rows
// whose attributes do not fit its key are left out, as DynamoDB does.
func (t *table) createIndex(indexes []*index, d indexDefinition, types map[string]attributeType, onDemand bool) ([]*index, error) {
	x, err := globalIndex(d, t.key, types, onDemand)
	if err != nil {
		return nil, err
	}
	indexes = append(indexes, x)
	if err := checkNames(indexes); err != nil {
		return nil, err
	}
	if countGlobal(indexes) > maxGlobalIndexes {
		return nil, awsjson.Errorf("LimitExceededException", "At most %d global secondary indexes are allowed", maxGlobalIndexes)
	}
	t.rows.tree.Scan(func(r *row) bool {
		if entry := x.entry(r); entry != nil && x.check(r.item, false) == nil {
			x.rows.put(entry)
		}
		return true
	})
	return indexes, nil
}

func countGlobal(indexes []*index) (count int) {
	for _, x := range indexes {
		if !x.local {
			count++
		}
	}
	return count
}

func findGlobal(indexes []*index, name string) (int, error) {
	at := slices.IndexFunc(indexes, func(x *index) bool { return !x.local && x.name == name })
	if at < 0 {
		return 0, awsjson.Errorf("ResourceNotFoundException", "Requested resource not found")
	}
	return at, nil
}

// usedTypes drops the types of attributes that no key needs any more.
func usedTypes(types map[string]attributeType, table key, indexes []*index) map[string]attributeType {
	used := map[string]attributeType{}
	for _, k := range append([]key{table}, keysOf(indexes)...) {
		for _, a := range k.attributes() {
			used[a.name] = types[a.name]
		}
	}
	return used
}
