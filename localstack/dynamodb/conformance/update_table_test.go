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
