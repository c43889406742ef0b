package dynamodb

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

type updateTableInput struct {
	unsupported
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
	if err := in.check(); err != nil {
		return nil, err
	}
	t, err := e.tableOf(in.TableName)
	if err != nil {
		return nil, err
	}
	if in.created()+in.deleted() > 1 {
		return nil, awsjson.Errorf("LimitExceededException", "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
	}
	if err := t.writing(func() error { return e.alter(t, in) }); err != nil {
		return nil, err
	}
	return tableAnswer{e.description(t)}, nil
}

// check checks the request against the API's model, and its parts against each other.
func (in *updateTableInput) check() error {
	if err := checkTable(in.TableName); err != nil {
		return err
	}
	var c constraints
	c.definitions("attributeDefinitions", in.AttributeDefinitions)
	c.oneOf("billingMode", in.BillingMode, provisioned, onDemand)
	c.throughput("provisionedThroughput", in.ProvisionedThroughput)
	in.StreamSpecification.constrain(&c)
	for i, u := range in.GlobalSecondaryIndexUpdates {
		u.constrain(&c, fmt.Sprintf("globalSecondaryIndexUpdates.%d.member", i+1))
	}
	if err := c.err(); err != nil {
		return err
	}
	if err := in.checkIndexes(); err != nil {
		return err
	}
	return in.checkTogether()
}

func (u *globalIndexUpdate) constrain(c *constraints, at string) {
	if u.Create != nil {
		c.index(at+".create", u.Create, maxIndexKeyAttributes)
		c.throughput(at+".create.provisionedThroughput", u.Create.ProvisionedThroughput)
	}
	if u.Update != nil {
		c.name(at+".update.indexName", u.Update.IndexName)
		c.throughput(at+".update.provisionedThroughput", u.Update.ProvisionedThroughput)
	}
	if u.Delete != nil {
		c.name(at+".delete.indexName", u.Delete.IndexName)
	}
}

// names are the indexes that the entry is about: one, if it is right.
func (u *globalIndexUpdate) names() (names []string) {
	if u.Create != nil {
		names = append(names, u.Create.IndexName)
	}
	if u.Update != nil {
		names = append(names, u.Update.IndexName)
	}
	if u.Delete != nil {
		names = append(names, u.Delete.IndexName)
	}
	return names
}

// checkIndexes refuses entries that do not have one action, indexes that have several, and
// new ones that are not supported.
func (in *updateTableInput) checkIndexes() error {
	seen := map[string]bool{}
	for i, u := range in.GlobalSecondaryIndexUpdates {
		names := u.names()
		switch {
		case len(names) == 0:
			return invalidParameter("One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null")
		case len(names) > 1:
			return invalidParameter("Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object")
		case seen[names[0]]:
			return invalidParameter("Only one global secondary index update per index is allowed simultaneously. Index: %s", names[0])
		}
		seen[names[0]] = true
		if u.Create == nil {
			continue
		}
		if in.AttributeDefinitions == nil {
			return invalidParameter("AttributeDefinitions is not specified for index: %s", names[0])
		}
		if err := several(fmt.Sprintf("GlobalSecondaryIndexUpdates.%d.Create", i+1), u.Create); err != nil {
			return err
		}
	}
	return nil
}

// checkTogether refuses changes that DynamoDB does not make in one request.
func (in *updateTableInput) checkTogether() error {
	indexes := in.created()+in.deleted() > 0
	others := in.BillingMode != "" || in.ProvisionedThroughput != nil || in.StreamSpecification != nil || len(in.GlobalSecondaryIndexUpdates) > 0
	switch {
	case !others && in.DeletionProtectionEnabled == nil:
		return invalid("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, " +
			"GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required")
	case in.GlobalSecondaryIndexUpdates != nil && len(in.GlobalSecondaryIndexUpdates) == 0:
		return invalidParameter("List of GlobalSecondaryIndexUpdates is empty")
	case others && in.DeletionProtectionEnabled != nil:
		return invalidParameter("DeletionProtection modification must be the only operation in the request")
	case in.ProvisionedThroughput != nil && in.StreamSpecification != nil:
		return invalidParameter("You cannot modify stream status while updating table IOPS")
	case in.ProvisionedThroughput != nil && indexes:
		return invalidParameter("You cannot create or delete index while updating table IOPS")
	case in.StreamSpecification != nil && indexes:
		return invalidParameter("You cannot create or delete index while changing stream status")
	}
	return nil
}

func (in *updateTableInput) created() (count int) {
	for _, u := range in.GlobalSecondaryIndexUpdates {
		if u.Create != nil {
			count++
		}
	}
	return count
}

func (in *updateTableInput) deleted() (count int) {
	for _, u := range in.GlobalSecondaryIndexUpdates {
		if u.Delete != nil {
			count++
		}
	}
	return count
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
	paid.perRequest = t.billing.perRequest
	if now := e.now(); paid.onDemand() && !t.billing.onDemand() {
		paid.perRequest = &now
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
	types := t.types
	if in.created() > 0 { // otherwise AWS does not look at the definitions
		var err error
		if types, err = t.typesWith(in.AttributeDefinitions); err != nil {
			return err
		}
	}
	var err error
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
		at, err := t.findGlobal(indexes, u.Delete.IndexName, "delete")
		if err != nil {
			return nil, err
		}
		return slices.Delete(indexes, at, at+1), nil
	case u.Update != nil:
		at, err := t.findGlobal(indexes, u.Update.IndexName, "update")
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
	return indexes, nil
}

// createIndex adds an index with all the table's rows that belong in it. Rows
// whose attributes do not fit its key are left out, as DynamoDB does.
func (t *table) createIndex(indexes []*index, d indexDefinition, types map[string]attributeType, onDemand bool) ([]*index, error) {
	x, err := globalIndex(d, t.key, types, onDemand)
	if err != nil {
		return nil, err
	}
	indexes = append(indexes, x)
	if checkNames(indexes) != nil {
		return nil, invalid("Attempting to create an index which already exists")
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

// findGlobal finds a global index to do something with.
func (t *table) findGlobal(indexes []*index, name, do string) (int, error) {
	at := slices.IndexFunc(indexes, func(x *index) bool { return x.name == name })
	switch {
	case at < 0:
		return 0, awsjson.Errorf("ResourceNotFoundException", "Requested resource not found: Index %s for table %s", name, t.name)
	case indexes[at].local:
		return 0, invalid("Cannot %s an index that is not a GlobalSecondaryIndex: %s", do, name)
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
