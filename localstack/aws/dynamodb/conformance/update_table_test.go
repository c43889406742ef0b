package conformance

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func (s *stack) updateTable(t *testing.T, in *dynamodb.UpdateTableInput) error {
	t.Helper()
	_, err := s.db.UpdateTable(t.Context(), in)
	return err
}

// awaitIndexes looks until a table has that many indexes, all active.
func (s *stack) awaitIndexes(t *testing.T, table string, count int) {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-look.C {
		out, err := s.db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
		if err != nil {
			t.Fatal(err)
		}
		active := 0
		for _, g := range out.Table.GlobalSecondaryIndexes {
			if g.IndexStatus == types.IndexStatusActive {
				active++
			}
		}
		if active == count && len(out.Table.GlobalSecondaryIndexes) == count {
			return
		}
	}
	t.Fatalf("the table does not come to have %d active indexes", count)
}

func TestIndexIsMadeOfTheItemsThereAre(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		s.put(t, table, item("p", "a", "g", "x"), item("p", "b"), item("p", "c", "g", 5))
		create := gsi("byG", "g", "")[0]
		err := s.updateTable(t, &dynamodb.UpdateTableInput{TableName: &table,
			AttributeDefinitions:        []types.AttributeDefinition{{AttributeName: aws.String("p"), AttributeType: "S"}, {AttributeName: aws.String("g"), AttributeType: "S"}},
			GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{IndexName: create.IndexName, KeySchema: create.KeySchema, Projection: create.Projection}}}})
		if err != nil {
			t.Fatal(err)
		}
		s.awaitIndexes(t, table, 1)
		s.put(t, table, item("p", "d", "g", "x"))
		out, err := s.db.Query(t.Context(), indexed(table, "byG", "g = :g", item(":g", "x")))
		if err != nil || out.Count != 2 {
			t.Fatalf("the index gave %+v, %v; want the item of before and the one of after", out, err)
		}
		err = s.updateTable(t, &dynamodb.UpdateTableInput{TableName: &table,
			GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: create.IndexName}}}})
		if err != nil {
			t.Fatal(err)
		}
		s.awaitIndexes(t, table, 0)
		_, err = s.db.Query(t.Context(), indexed(table, "byG", "g = :g", item(":g", "x")))
		s.wantFault(t, err, "ValidationException: The table does not have the specified index: byG")
	})
}

func TestBillingModeChanges(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		err := s.updateTable(t, &dynamodb.UpdateTableInput{TableName: &table, BillingMode: types.BillingModeProvisioned,
			ProvisionedThroughput: &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(3), WriteCapacityUnits: aws.Int64(4)}})
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
		if err != nil {
			t.Fatal(err)
		}
		if p := out.Table.ProvisionedThroughput; *p.ReadCapacityUnits != 3 || *p.WriteCapacityUnits != 4 {
			t.Errorf("provisioned are %d and %d units", *p.ReadCapacityUnits, *p.WriteCapacityUnits)
		}
	})
}

func TestUpdateTableChangesOneIndexAtATime(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:S", attributes: []string{"g:S"}, gsi: gsi("byG", "g", ""), lsi: lsi("local", "p", "g")})
		create := func(name, attribute string) types.GlobalSecondaryIndexUpdate {
			g := gsi(name, attribute, "")[0]
			return types.GlobalSecondaryIndexUpdate{Create: &types.CreateGlobalSecondaryIndexAction{IndexName: g.IndexName, KeySchema: g.KeySchema, Projection: g.Projection}}
		}
		remove := func(name string) types.GlobalSecondaryIndexUpdate {
			return types.GlobalSecondaryIndexUpdate{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: &name}}
		}
		both := create("byH", "h")
		both.Delete = remove("byG").Delete
		definitions := []types.AttributeDefinition{{AttributeName: aws.String("h"), AttributeType: "S"}, {AttributeName: aws.String("i"), AttributeType: "S"}}
		const one = "LimitExceededException: Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
		for _, c := range []struct {
			name    string
			in      dynamodb.UpdateTableInput
			want    string
			differs string
		}{
			{"two new indexes", dynamodb.UpdateTableInput{GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{create("byH", "h"), create("byI", "i")}}, one, ""},
			{"a new one and an old one", dynamodb.UpdateTableInput{GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{create("byH", "h"), remove("byG")}}, one, ""},
			{"both in one entry", dynamodb.UpdateTableInput{GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{both}},
				invalidValues + "Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object", "it counts them as two"},
			{"nothing in an entry", dynamodb.UpdateTableInput{GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{}}},
				invalidValues + "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null", "it has another text"},
			{"one index twice", dynamodb.UpdateTableInput{GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{remove("byG"), remove("byG")}},
				invalidValues + "Only one global secondary index update per index is allowed simultaneously. Index: byG", "it has another text"},
			{"an empty list", dynamodb.UpdateTableInput{GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{}, BillingMode: types.BillingModePayPerRequest},
				invalidValues + "List of GlobalSecondaryIndexUpdates is empty", "it does not mind"},
			{"a name that is taken", dynamodb.UpdateTableInput{GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{create("byG", "h")}},
				"ValidationException: Attempting to create an index which already exists", ""},
			{"no such index", dynamodb.UpdateTableInput{GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{remove("none")}}, "ResourceNotFoundException", ""},
			{"a local index", dynamodb.UpdateTableInput{GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{remove("local")}},
				"ValidationException: Cannot delete an index that is not a GlobalSecondaryIndex: local", "its text does not name the index"},
			{"with the stream", dynamodb.UpdateTableInput{GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{create("byH", "h")},
				StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeKeysOnly}},
				invalidValues + "You cannot create or delete index while changing stream status", "it does both"},
			{"with deletion protection", dynamodb.UpdateTableInput{GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{create("byH", "h")}, DeletionProtectionEnabled: aws.Bool(true)},
				invalidValues + "DeletionProtection modification must be the only operation in the request", "it does both"},
		} {
			t.Run(c.name, func(t *testing.T) {
				if c.differs != "" {
					s.differs(t, c.differs)
				}
				c.in.TableName, c.in.AttributeDefinitions = &table, definitions
				s.wantFault(t, s.updateTable(t, &c.in), c.want)
			})
		}
		out, err := s.db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
		if err != nil || len(out.Table.GlobalSecondaryIndexes) != 1 || aws.ToBool(out.Table.DeletionProtectionEnabled) {
			t.Errorf("refused updates left %+v, %v", out.Table, err)
		}
		s.differs(t, "it has another text")
		err = s.updateTable(t, &dynamodb.UpdateTableInput{TableName: &table, GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{create("byS", "s")}})
		s.wantFault(t, err, invalidValues+"AttributeDefinitions is not specified for index: byS")
	})
}

// The time of the last switch to on-demand stays, also when a table is provisioned again.
func TestTableTellsWhenItWasSwitchedToOnDemand(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		described := func() *types.TableDescription {
			out, err := s.db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
			if err != nil {
				t.Fatal(err)
			}
			return out.Table
		}
		made := described()
		if b := made.BillingModeSummary; b == nil || b.LastUpdateToPayPerRequestDateTime == nil || !b.LastUpdateToPayPerRequestDateTime.Equal(*made.CreationDateTime) {
			t.Fatalf("billing is %+v, want the time of the table's creation, %v", b, made.CreationDateTime)
		}
		units := &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(1), WriteCapacityUnits: aws.Int64(1)}
		if err := s.updateTable(t, &dynamodb.UpdateTableInput{TableName: &table, BillingMode: types.BillingModeProvisioned, ProvisionedThroughput: units}); err != nil {
			t.Fatal(err)
		}
		if b := described().BillingModeSummary; b == nil || b.BillingMode != types.BillingModeProvisioned || b.LastUpdateToPayPerRequestDateTime == nil ||
			!b.LastUpdateToPayPerRequestDateTime.Equal(*made.CreationDateTime) {
			t.Errorf("billing is %+v, want PROVISIONED and the time of before", b)
		}
	})
}

// The answer of DeleteTable does not say what the table was.
func TestDeletedTableIsDescribedInShort(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "it describes the whole table, as if it was not deleted")
		table := s.table(t, schema{hash: "p:S", sort: "s:S", attributes: []string{"g:S"}, gsi: gsi("byG", "g", ""), lsi: lsi("local", "p", "g")})
		out, err := s.db.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &table})
		if err != nil {
			t.Fatal(err)
		}
		d := out.TableDescription
		if d.TableStatus != types.TableStatusDeleting || d.TableId == nil || d.TableArn == nil || d.BillingModeSummary == nil || d.ItemCount == nil || d.TableSizeBytes == nil {
			t.Errorf("the answer is %+v", d)
		}
		if d.CreationDateTime != nil || d.KeySchema != nil || d.AttributeDefinitions != nil || d.GlobalSecondaryIndexes != nil || d.LocalSecondaryIndexes != nil {
			t.Errorf("the answer still describes the table: %+v", d)
		}
	})
}
