package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const total = types.ReturnConsumedCapacityTotal

// units is what an operation consumed in all.
func units(c *types.ConsumedCapacity) float64 {
	if c == nil {
		return -1
	}
	return aws.ToFloat64(c.CapacityUnits)
}

// sized makes an item of a size in bytes, names included.
func sized(key string, bytes int) record {
	return item("p", key, "x", strings.Repeat("x", bytes-len("p")-len(key)-len("x")))
}

func TestCapacityOfSingleItems(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		put := func(it record) func() (*types.ConsumedCapacity, error) {
			return func() (*types.ConsumedCapacity, error) {
				out, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it, ReturnConsumedCapacity: total})
				if err != nil {
					return nil, err
				}
				return out.ConsumedCapacity, nil
			}
		}
		get := func(key string, consistent bool) func() (*types.ConsumedCapacity, error) {
			return func() (*types.ConsumedCapacity, error) {
				out, err := s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: item("p", key), ConsistentRead: &consistent, ReturnConsumedCapacity: total})
				if err != nil {
					return nil, err
				}
				return out.ConsumedCapacity, nil
			}
		}
		update := func(key string) func() (*types.ConsumedCapacity, error) {
			return func() (*types.ConsumedCapacity, error) {
				out, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: item("p", key), UpdateExpression: aws.String("SET y = :y"),
					ExpressionAttributeValues: item(":y", 1), ReturnConsumedCapacity: total})
				if err != nil {
					return nil, err
				}
				return out.ConsumedCapacity, nil
			}
		}
		remove := func(key string) func() (*types.ConsumedCapacity, error) {
			return func() (*types.ConsumedCapacity, error) {
				out, err := s.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: item("p", key), ReturnConsumedCapacity: total})
				if err != nil {
					return nil, err
				}
				return out.ConsumedCapacity, nil
			}
		}
		for _, c := range []struct {
			name string
			call func() (*types.ConsumedCapacity, error)
			want float64
		}{
			{"put of 1 KB", put(sized("a", 1024)), 1},
			{"put of a byte more", put(sized("a", 1025)), 2},
			{"put of a small item over a larger one", put(sized("a", 100)), 2},
			{"put of 5 KB", put(sized("five", 5*1024)), 5},
			{"update of 5 KB", update("five"), 6},
			{"update that makes an item", update("new"), 1},
			{"consistent read of 5 KB", get("five", true), 2},
			{"read of 5 KB", get("five", false), 1},
			{"consistent read of a small item", get("a", true), 1},
			{"read of a small item", get("a", false), 0.5},
			{"consistent read of nothing", get("absent", true), 1},
			{"read of nothing", get("absent", false), 0.5},
			{"delete of 5 KB", remove("five"), 6},
			{"delete of nothing", remove("absent"), 1},
		} {
			t.Run(c.name, func(t *testing.T) {
				got, err := c.call()
				if err != nil {
					t.Fatal(err)
				}
				if units(got) != c.want {
					t.Errorf("consumed %v units, want %v", units(got), c.want)
				}
			})
		}
	})
}

// A Query counts the bytes of all items it read, then rounds once.
func TestCapacityOfQueriesAndScans(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "h:S", sort: "p:S"})
		for n := range 10 {
			it := sized(fmt.Sprint(n), 1000-2)
			it["h"] = value("x")
			s.put(t, table, it)
		}
		for _, c := range []struct {
			name       string
			consistent bool
			filter     string
			want       float64
		}{
			{"10,000 bytes", false, "", 1.5},
			{"consistently", true, "", 3},
			{"filtered", false, "attribute_not_exists(x)", 1.5},
		} {
			t.Run(c.name, func(t *testing.T) {
				in := query(table, "h = :h", item(":h", "x"))
				in.ConsistentRead, in.FilterExpression, in.ReturnConsumedCapacity = &c.consistent, optional(c.filter), total
				out, err := s.db.Query(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				if got := units(out.ConsumedCapacity); got != c.want {
					t.Errorf("the query consumed %v units, want %v", got, c.want)
				}
				scan, err := s.db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: &c.consistent, FilterExpression: optional(c.filter), ReturnConsumedCapacity: total})
				if err != nil {
					t.Fatal(err)
				}
				if got := units(scan.ConsumedCapacity); got != c.want {
					t.Errorf("the scan consumed %v units, want %v", got, c.want)
				}
			})
		}
		t.Run("nothing found", func(t *testing.T) {
			s.differs(t, "it counts nothing for an empty answer")
			in := query(table, "h = :h", item(":h", "absent"))
			in.ReturnConsumedCapacity = total
			out, err := s.db.Query(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if got := units(out.ConsumedCapacity); got != 0.5 {
				t.Errorf("consumed %v units, want 0.5", got)
			}
		})
	})
}

// An index costs a write when its row comes or goes, two when its key changes,
// and nothing when what it projects stays.
func TestCapacityOfIndexes(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:S", attributes: []string{"g:S", "r:S"}, gsi: gsi("global", "g", "", ""), lsi: lsi("local", "p", "r", "")})
		for _, c := range []struct {
			name                 string
			item                 record
			table, global, local float64
		}{
			{"in no index", item("v", 1), 1, 0, 0},
			{"into both", item("g", "1", "r", "1"), 1, 1, 1},
			{"nothing projected changes", item("g", "1", "r", "1", "v", 2), 1, 0, 0},
			{"the global key changes", item("g", "2", "r", "1"), 1, 2, 0},
			{"both keys change", item("g", "3", "r", "2"), 1, 2, 2},
			{"out of the local one", item("g", "3"), 1, 0, 1},
			{"out of both", item(), 1, 1, 0},
		} {
			t.Run(c.name, func(t *testing.T) {
				c.item["p"], c.item["s"] = value("a"), value("b")
				out, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: c.item, ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes})
				if err != nil {
					t.Fatal(err)
				}
				got := out.ConsumedCapacity
				global, local := got.GlobalSecondaryIndexes["global"], got.LocalSecondaryIndexes["local"]
				figures := []float64{aws.ToFloat64(got.Table.CapacityUnits), aws.ToFloat64(global.CapacityUnits), aws.ToFloat64(local.CapacityUnits), units(got)}
				want := []float64{c.table, c.global, c.local, c.table + c.global + c.local}
				if fmt.Sprint(figures) != fmt.Sprint(want) {
					t.Errorf("table, global, local, total are %v, want %v", figures, want)
				}
			})
		}
	})
}

func TestCapacityOfTransactionsIsDouble(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		written, err := s.db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{ReturnConsumedCapacity: total,
			TransactItems: []part{txPut(table, sized("a", 1000), ""), txPut(table, sized("b", 2000), "")}})
		if err != nil {
			t.Fatal(err)
		}
		if got := units(&written.ConsumedCapacity[0]); got != 2+4 {
			t.Errorf("the writes consumed %v units, want 6", got)
		}
		read, err := s.db.TransactGetItems(t.Context(), &dynamodb.TransactGetItemsInput{ReturnConsumedCapacity: total,
			TransactItems: []types.TransactGetItem{{Get: &types.Get{TableName: &table, Key: item("p", "a")}}, {Get: &types.Get{TableName: &table, Key: item("p", "absent")}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := units(&read.ConsumedCapacity[0]); got != 4 {
			t.Errorf("the reads consumed %v units, want 4", got)
		}
	})
}

func TestCapacityOfBatches(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "it counts deletions of nothing twice, and reads of nothing not at all")
		table := s.table(t, schema{hash: "p:S"})
		written, err := s.db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{ReturnConsumedCapacity: total,
			RequestItems: map[string][]types.WriteRequest{table: {putting(sized("a", 1000)), putting(sized("b", 2000)), deleting(item("p", "c"))}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := units(&written.ConsumedCapacity[0]); got != 4 {
			t.Errorf("the writes consumed %v units, want 4", got)
		}
		read, err := s.db.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{ReturnConsumedCapacity: total,
			RequestItems: map[string]types.KeysAndAttributes{table: {Keys: []record{item("p", "a"), item("p", "b"), item("p", "absent")}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := units(&read.ConsumedCapacity[0]); got != 1.5 {
			t.Errorf("the reads consumed %v units, want 1.5: each item is rounded by itself", got)
		}
	})
}

func TestCapacityIsReturnedOnlyIfAskedFor(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		for _, asked := range []types.ReturnConsumedCapacity{"", types.ReturnConsumedCapacityNone} {
			out, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("p", "a"), ReturnConsumedCapacity: asked})
			if err != nil || out.ConsumedCapacity != nil {
				t.Errorf("asked for %q: %+v, %v", asked, out.ConsumedCapacity, err)
			}
		}
	})
}
