package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// projection makes an index's projection: all attributes, or the keys and those
// that are included.
func projection(include ...string) *types.Projection {
	switch {
	case len(include) == 0:
		return &types.Projection{ProjectionType: types.ProjectionTypeAll}
	case include[0] == "":
		return &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}
	}
	return &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: include}
}

func gsi(name, hash, sort string, include ...string) []types.GlobalSecondaryIndex {
	return []types.GlobalSecondaryIndex{{IndexName: &name, KeySchema: keySchema(hash, sort), Projection: projection(include...)}}
}

func lsi(name, hash, sort string, include ...string) []types.LocalSecondaryIndex {
	return []types.LocalSecondaryIndex{{IndexName: &name, KeySchema: keySchema(hash, sort), Projection: projection(include...)}}
}

// indexed asks an index.
func indexed(table, index, condition string, values record) *dynamodb.QueryInput {
	in := query(table, condition, values)
	in.IndexName = &index
	return in
}

func TestGlobalIndexFollowsItsItems(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", attributes: []string{"g:S", "r:N"}, gsi: gsi("byG", "g", "r")})
		s.put(t, table,
			item("p", "b", "g", "x", "r", 2), item("p", "a", "g", "x", "r", 1), item("p", "other", "g", "y", "r", 1),
			item("p", "no index key"), item("p", "half an index key", "g", "x"))
		in := func() *dynamodb.QueryInput { return indexed(table, "byG", "g = :g", item(":g", "x")) }
		if got := pages(t, s, in(), "p"); got[0] != "a b" {
			t.Errorf("got %q: items without the whole index key are not in the index", got)
		}
		s.put(t, table, item("p", "a", "g", "x", "r", 3))
		if got := pages(t, s, in(), "p"); got[0] != "b a" {
			t.Errorf("after the sort key changed: %q", got)
		}
		if _, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: item("p", "b"), UpdateExpression: aws.String("REMOVE g")}); err != nil {
			t.Fatal(err)
		}
		if got := pages(t, s, in(), "p"); got[0] != "a" {
			t.Errorf("after the index key was removed: %q", got)
		}
		if _, err := s.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: item("p", "a")}); err != nil {
			t.Fatal(err)
		}
		if got := pages(t, s, in(), "p"); got[0] != "" {
			t.Errorf("after the item was deleted: %q", got)
		}
	})
}

func TestIndexesHoldWhatTheyProject(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		for name, c := range map[string]struct {
			include []string
			want    string
		}{
			"ALL":       {nil, `{g:"x" o:2 p:"a" v:1}`},
			"KEYS_ONLY": {[]string{""}, `{g:"x" p:"a"}`},
			"INCLUDE":   {[]string{"v"}, `{g:"x" p:"a" v:1}`},
		} {
			t.Run(name, func(t *testing.T) {
				table := s.table(t, schema{hash: "p:S", attributes: []string{"g:S"}, gsi: gsi("byG", "g", "", c.include...)})
				s.put(t, table, item("p", "a", "g", "x", "v", 1, "o", 2))
				out, err := s.db.Query(t.Context(), indexed(table, "byG", "g = :g", item(":g", "x")))
				if err != nil {
					t.Fatal(err)
				}
				if got := show(out.Items[0]); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	})
}

func TestGlobalIndexPagesThroughEqualKeys(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:N", attributes: []string{"g:S"}, gsi: gsi("byG", "g", "")})
		for n := range 7 {
			s.put(t, table, item("p", fmt.Sprint(n%2), "s", n, "g", "x"))
		}
		in := indexed(table, "byG", "g = :g", item(":g", "x"))
		in.Limit = aws.Int32(2)
		if got := strings.Fields(strings.Join(pages(t, s, in, "s"), " ")); len(got) != 7 {
			t.Errorf("pages gave %v, want each of 7 items once", got)
		}
		out, err := s.db.Query(t.Context(), func() *dynamodb.QueryInput { in.ExclusiveStartKey = nil; return in }())
		if err != nil || len(out.LastEvaluatedKey) != 3 {
			t.Errorf("LastEvaluatedKey is %s, %v; want the index's and the table's key", show(out.LastEvaluatedKey), err)
		}
	})
}

func TestLocalIndexSortsThePartition(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:S", attributes: []string{"r:N"}, lsi: lsi("byR", "p", "r", "")})
		s.put(t, table,
			item("p", "h", "s", "a", "r", 3, "v", 1), item("p", "h", "s", "b", "r", 1, "v", 2), item("p", "h", "s", "c", "r", 2, "v", 3),
			item("p", "h", "s", "sparse", "v", 4), item("p", "other", "s", "d", "r", 0))
		in := indexed(table, "byR", "p = :p AND r < :r", item(":p", "h", ":r", 3))
		in.ConsistentRead = aws.Bool(true)
		out, err := s.db.Query(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if got := column(out.Items, "s"); got != "b c" {
			t.Errorf("got %q", got)
		}
		if got := show(out.Items[0]); got != `{p:"h" r:1 s:"b"}` {
			t.Errorf("a KEYS_ONLY index gave %s", got)
		}
	})
}

func TestLocalIndexFetchesWhatItDoesNotProject(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:S", attributes: []string{"r:N"}, lsi: lsi("byR", "p", "r", "")})
		s.put(t, table, item("p", "h", "s", "a", "r", 3, "v", 1))
		in := indexed(table, "byR", "p = :p", item(":p", "h"))
		in.Select = types.SelectAllAttributes
		out, err := s.db.Query(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if got := show(out.Items[0]); got != `{p:"h" r:3 s:"a" v:1}` {
			t.Errorf("ALL_ATTRIBUTES gave %s", got)
		}
		in = indexed(table, "byR", "p = :p", item(":p", "h"))
		in.ProjectionExpression = aws.String("v")
		if out, err = s.db.Query(t.Context(), in); err != nil || show(out.Items[0]) != "{v:1}" {
			t.Errorf("a projection of v gave %v, %v", out, err)
		}
	})
}

func TestIndexRefusals(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", attributes: []string{"g:S"}, gsi: gsi("byG", "g", "", "")})
		for _, c := range []struct {
			name   string
			change func(*dynamodb.QueryInput)
			want   string
		}{
			{"consistent read of a global index", func(in *dynamodb.QueryInput) { in.ConsistentRead = aws.Bool(true) },
				"ValidationException: Consistent reads are not supported on global secondary indexes"},
			{"all attributes of a global index", func(in *dynamodb.QueryInput) { in.Select = types.SelectAllAttributes },
				invalidValues + "Select type ALL_ATTRIBUTES is not supported for global secondary index byG because its projection type is not ALL"},
			{"the table's key", func(in *dynamodb.QueryInput) { in.KeyConditionExpression = aws.String("p = :g") },
				"ValidationException: Query condition missed key schema element: g"},
		} {
			t.Run(c.name, func(t *testing.T) {
				in := indexed(table, "byG", "g = :g", item(":g", "x"))
				c.change(in)
				_, err := s.db.Query(t.Context(), in)
				s.wantFault(t, err, c.want)
			})
		}
	})
}

func TestScanOfAnIndex(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", attributes: []string{"g:S"}, gsi: gsi("byG", "g", "", "")})
		s.put(t, table, item("p", "a", "g", "x", "v", 1), item("p", "b"))
		out, err := s.db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table, IndexName: aws.String("byG")})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Items) != 1 || show(out.Items[0]) != `{g:"x" p:"a"}` {
			t.Errorf("got %d items, %v", len(out.Items), out.Items)
		}
	})
}
