package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func putting(it record) types.WriteRequest {
	return types.WriteRequest{PutRequest: &types.PutRequest{Item: it}}
}

func deleting(key record) types.WriteRequest {
	return types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: key}}
}

// numbered makes keys p:"0", p:"1" and so on, with further attributes.
func numbered(count int, more ...any) []record {
	all := make([]record, count)
	for n := range all {
		all[n] = item(append([]any{"p", fmt.Sprint(n)}, more...)...)
	}
	return all
}

func TestBatchesWriteAndRead(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		one, two := s.table(t, schema{hash: "p:S"}), s.table(t, schema{hash: "p:S"})
		s.put(t, two, item("p", "old"))
		written, err := s.db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
			one: {putting(item("p", "a", "x", 1, "y", 1)), putting(item("p", "b", "x", 2))},
			two: {deleting(item("p", "old")), putting(item("p", "new"))},
		}})
		if err != nil || len(written.UnprocessedItems) != 0 {
			t.Fatalf("%+v, %v", written, err)
		}
		read, err := s.db.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			one: {Keys: []record{item("p", "a"), item("p", "absent")}, ProjectionExpression: aws.String("#x"), ExpressionAttributeNames: map[string]string{"#x": "x"}},
			two: {Keys: []record{item("p", "old"), item("p", "new")}, ConsistentRead: aws.Bool(true)},
		}})
		if err != nil || len(read.UnprocessedKeys) != 0 {
			t.Fatalf("%+v, %v", read, err)
		}
		if got := read.Responses[one]; len(got) != 1 || show(got[0]) != "{x:1}" {
			t.Errorf("first table gave %v", got)
		}
		if got := read.Responses[two]; len(got) != 1 || show(got[0]) != `{p:"new"}` {
			t.Errorf("second table gave %v", got)
		}
	})
}

func TestBatchWriteRefusals(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		var many []types.WriteRequest
		for _, it := range numbered(26) {
			many = append(many, putting(it))
		}
		for _, c := range []struct {
			name     string
			requests []types.WriteRequest
			want     string
		}{
			{"26 items", many, "ValidationException"},
			{"an item twice", []types.WriteRequest{putting(item("p", "a")), deleting(item("p", "a"))}, "ValidationException: Provided list of item keys contains duplicates"},
			{"none", []types.WriteRequest{}, "ValidationException"},
			{"an empty request", []types.WriteRequest{{}}, "ValidationException"},
			{"no key", []types.WriteRequest{putting(item("x", 1))}, invalidValues + "Missing the key p in the item"},
			{"a key of another shape", []types.WriteRequest{deleting(item("p", "a", "x", 1))}, keyMismatch},
		} {
			t.Run(c.name, func(t *testing.T) {
				_, err := s.db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: c.requests}})
				s.wantFault(t, err, c.want)
			})
		}
		_, err := s.db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"NoSuchTable": {putting(item("p", "a"))}}})
		s.wantFault(t, err, "ResourceNotFoundException: Requested resource not found")
	})
}

func TestBatchGetRefusals(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		for _, c := range []struct {
			name string
			keys []record
			want string
		}{
			{"101 keys", numbered(101), "ValidationException…"},
			{"a key twice", []record{item("p", "a"), item("p", "a")}, "ValidationException: Provided list of item keys contains duplicates"},
			{"none", []record{}, "ValidationException"},
			{"a key of another shape", []record{item("x", "a")}, keyMismatch},
		} {
			t.Run(c.name, func(t *testing.T) {
				_, err := s.db.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{table: {Keys: c.keys}}})
				s.wantFault(t, err, c.want)
			})
		}
	})
}

// 16 MB end a BatchGetItem; the rest is named, and can be asked for again.
func TestBatchGetEndsAfter16Megabytes(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		s.put(t, table, numbered(50, "x", strings.Repeat("x", 350<<10))...)
		want := map[string]types.KeysAndAttributes{table: {Keys: numbered(50)}}
		got, answers := 0, 0
		for ; len(want) > 0 && answers < 5; answers++ {
			out, err := s.db.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: want})
			if err != nil {
				t.Fatal(err)
			}
			got += len(out.Responses[table])
			want = out.UnprocessedKeys
		}
		if got != 50 || answers != 2 {
			t.Errorf("%d of 50 items in %d answers, want 2 answers", got, answers)
		}
	})
}

// One item that an index cannot hold stops the batch before the first item is stored.
func TestBatchWithAWrongIndexKeyStoresNothing(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		for _, c := range []struct {
			name  string
			wrong any
			want  string
		}{
			{"another type", 5, invalidValues + "Type mismatch for Index Key g Expected: S Actual: N IndexName: byG"},
			{"empty", "", "ValidationException: One or more parameter values are not valid. A value specified for a secondary index key is not supported. " +
				"The AttributeValue for a key attribute cannot contain an empty string value. IndexName: byG, IndexKey: g"},
		} {
			t.Run(c.name, func(t *testing.T) {
				table := s.table(t, schema{hash: "p:S", attributes: []string{"g:S"}, gsi: gsi("byG", "g", "")})
				s.put(t, table, item("p", "old"))
				_, err := s.db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
					table: {putting(item("p", "a", "g", "x")), deleting(item("p", "old")), putting(item("p", "b", "g", c.wrong)), putting(item("p", "c"))}}})
				s.wantFault(t, err, c.want)
				out, err := s.db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
				if err != nil || len(out.Items) != 1 || show(out.Items[0]) != `{p:"old"}` {
					t.Errorf("the table holds %v, %v; want what it held", out.Items, err)
				}
			})
		}
	})
}
