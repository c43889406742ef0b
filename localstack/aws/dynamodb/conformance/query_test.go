package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// query asks for a table's items by a key condition.
func query(table, condition string, values record) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{TableName: &table, KeyConditionExpression: &condition, ExpressionAttributeValues: values}
}

const badKeyCondition = "ValidationException: Invalid KeyConditionExpression: "

// keyConditions select among a to e under the hash key "h".
var keyConditions = []struct {
	name, text string
	values     record
	want       string
}{
	{"hash alone", "p = :p", nil, "a b c d e"},
	{"equal", "p = :p AND s = :s", item(":s", "c"), "c"},
	{"sort key first", "s = :s AND p = :p", item(":s", "c"), "c"},
	{"value first", ":p = p", nil, "a b c d e"},
	{"less", "p = :p AND s < :s", item(":s", "c"), "a b"},
	{"less or equal", "p = :p AND s <= :s", item(":s", "c"), "a b c"},
	{"greater", "p = :p AND s > :s", item(":s", "c"), "d e"},
	{"greater or equal", "p = :p AND s >= :s", item(":s", "c"), "c d e"},
	{"between", "p = :p AND s BETWEEN :s AND :t", item(":s", "b", ":t", "d"), "b c d"},
	{"begins_with", "p = :p AND begins_with(s, :s)", item(":s", "b"), "b"},
	{"parentheses", "(p = :p) AND (s = :s)", item(":s", "c"), "c"},
	{"nothing", "p = :p AND s > :s", item(":s", "z"), ""},

	{"no hash key", "s = :s", item(":s", "c"), "ValidationException: Query condition missed key schema element: p"},
	{"not equal to the hash key", "p < :p", nil, "ValidationException: Query key condition not supported"},
	{"other attribute", "p = :p AND x = :s", item(":s", "c"), "ValidationException: Query condition missed key schema element: s"},
	{"unequal", "p = :p AND s <> :s", item(":s", "c"), "ValidationException: Invalid operator used in KeyConditionExpression: <>"},
	{"or", "p = :p OR s = :s", item(":s", "c"), "ValidationException: Invalid operator used in KeyConditionExpression: OR"},
	{"not", "NOT p = :p", nil, "ValidationException: Invalid operator used in KeyConditionExpression: NOT"},
	{"in", "p IN (:p)", nil, "ValidationException: Invalid operator used in KeyConditionExpression: IN"},
	{"contains", "p = :p AND contains(s, :s)", item(":s", "c"), "ValidationException: Invalid operator used in KeyConditionExpression: contains"},
	{"attribute_exists", "p = :p AND attribute_exists(s)", nil, "ValidationException: Invalid operator used in KeyConditionExpression: attribute_exists"},
	{"wrong type", "p = :p AND s = :s", item(":s", 1), invalidValues + "Condition parameter type does not match schema type"},
	{"twice the same key", "p = :p AND s > :s AND s < :t", item(":s", "a", ":t", "z"), "ValidationException: KeyConditionExpressions must only contain one condition per key"},
	{"nested path", "p = :p AND s.x = :s", item(":s", "a"), "ValidationException: Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: s"},
	{"empty value", "p = :p AND s = :s", item(":s", ""), "ValidationException: One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: s"},
	{"reserved word", "p = :p AND status = :s", item(":s", "a"), badKeyCondition + "Attribute name is a reserved keyword; reserved keyword: status"},
	{"empty", "", nil, badKeyCondition + "The expression can not be empty;"},
	{"half", "p = :p AND", nil, badKeyCondition + `Syntax error; token: "<EOF>", near: "AND"`},
}

func TestKeyConditionExpressions(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:S"})
		for _, sort := range []string{"d", "b", "e", "a", "c"} {
			s.put(t, table, item("p", "h", "s", sort), item("p", "other", "s", sort))
		}
		for _, c := range keyConditions {
			t.Run(c.name, func(t *testing.T) {
				values := item()
				if strings.Contains(c.text, ":p") {
					values[":p"] = value("h")
				}
				for name, v := range c.values {
					values[name] = v
				}
				if len(values) == 0 {
					values = nil
				}
				out, err := s.db.Query(t.Context(), query(table, c.text, values))
				if strings.HasPrefix(c.want, "ValidationException") {
					s.wantFault(t, err, c.want)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := column(out.Items, "s"); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		}
	})
}

func TestQueryBackwards(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:N"})
		for n := range 5 {
			s.put(t, table, item("p", "h", "s", n))
		}
		in := query(table, "p = :p AND s BETWEEN :a AND :b", item(":p", "h", ":a", 1, ":b", 3))
		in.ScanIndexForward = aws.Bool(false)
		out, err := s.db.Query(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if got := column(out.Items, "s"); got != "3 2 1" {
			t.Errorf("got %s", got)
		}
	})
}

// pages reads a query to its end and gives the pages' columns.
func pages(t *testing.T, s *stack, in *dynamodb.QueryInput, name string) []string {
	t.Helper()
	var all []string
	for {
		out, err := s.db.Query(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, column(out.Items, name))
		if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
			return all
		}
	}
}

func TestQueryPages(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:N"})
		for n := range 5 {
			s.put(t, table, item("p", "h", "s", n, "even", n%2 == 0))
		}
		for _, c := range []struct {
			name    string
			forward bool
			filter  string
			limit   int32
			want    string
		}{
			{"by two", true, "", 2, "0 1|2 3|4"},
			{"backwards", false, "", 2, "4 3|2 1|0"},
			{"a full last page is followed by an empty one", true, "", 5, "0 1 2 3 4|"},
			{"a limit above", true, "", 6, "0 1 2 3 4"},
			{"the limit counts before the filter", true, "even = :t", 2, "0|2|4"},
		} {
			t.Run(c.name, func(t *testing.T) {
				in := query(table, "p = :p", item(":p", "h"))
				in.ScanIndexForward, in.Limit = &c.forward, &c.limit
				if c.filter != "" {
					in.FilterExpression = &c.filter
					in.ExpressionAttributeValues[":t"] = value(true)
				}
				if got := strings.Join(pages(t, s, in, "s"), "|"); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		}
	})
}

func TestQueryGoesOnFromADeletedKey(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:N"})
		s.put(t, table, item("p", "h", "s", 1), item("p", "h", "s", 3))
		in := query(table, "p = :p", item(":p", "h"))
		in.ExclusiveStartKey = item("p", "h", "s", 2)
		if got := pages(t, s, in, "s"); got[0] != "3" {
			t.Errorf("got %q, want 3", got)
		}
	})
}

func TestAPageEndsAfterOneMegabyte(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:N"})
		for n := range 7 {
			s.put(t, table, item("p", "h", "s", n, "x", strings.Repeat("x", 300<<10)))
		}
		if got := strings.Join(pages(t, s, query(table, "p = :p", item(":p", "h")), "s"), "|"); got != "0 1 2 3|4 5 6" {
			t.Errorf("got %q, want pages that end with the item that passes 1 MB", got)
		}
		s.differs(t, "it counts the megabyte after the filter")
		in := query(table, "p = :p", item(":p", "h", ":x", "none"))
		in.FilterExpression = aws.String("x = :x")
		if got := pages(t, s, in, "s"); len(got) != 2 {
			t.Errorf("%d filtered pages, want 2: the megabyte is counted before the filter", len(got))
		}
	})
}

func TestSelect(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:N"})
		for n := range 3 {
			s.put(t, table, item("p", "h", "s", n, "x", n))
		}
		for _, c := range []struct {
			name       string
			selected   types.Select
			projection string
			want       string
		}{
			{"count", types.SelectCount, "", "3 of 3: "},
			{"all", types.SelectAllAttributes, "", "3 of 3: 0 1 2"},
			{"specific", types.SelectSpecificAttributes, "x", "3 of 3: 0 1 2"},
			{"specific without projection", types.SelectSpecificAttributes, "", "ValidationException: Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"},
			{"projected of a table", types.SelectAllProjectedAttributes, "", "ValidationException: ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"},
			{"all with projection", types.SelectAllAttributes, "x", "ValidationException: Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES"},
			{"count with projection", types.SelectCount, "x", "ValidationException: Cannot specify the ProjectionExpression when choosing to get only the Count"},
			{"unknown", "SOME", "", "ValidationException"},
		} {
			t.Run(c.name, func(t *testing.T) {
				in := query(table, "p = :p", item(":p", "h"))
				in.Select = c.selected
				if c.projection != "" {
					in.ProjectionExpression = &c.projection
				}
				out, err := s.db.Query(t.Context(), in)
				if strings.HasPrefix(c.want, "ValidationException") {
					s.wantFault(t, err, c.want)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprintf("%d of %d: %s", out.Count, out.ScannedCount, column(out.Items, "x")); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	})
}

func TestQueryRefusals(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:N"})
		for _, c := range []struct {
			name   string
			change func(*dynamodb.QueryInput)
			want   string
		}{
			{"filter on a key", func(in *dynamodb.QueryInput) { in.FilterExpression = aws.String("s = :p") },
				"ValidationException: Filter Expression can only contain non-primary key attributes: Primary key attribute: s"},
			{"limit 0", func(in *dynamodb.QueryInput) { in.Limit = aws.Int32(0) },
				"ValidationException: 1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"},
			{"no condition", func(in *dynamodb.QueryInput) { in.KeyConditionExpression, in.ExpressionAttributeValues = nil, nil },
				"ValidationException: Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."},
			{"unknown index", func(in *dynamodb.QueryInput) { in.IndexName = aws.String("none") },
				"ValidationException: The table does not have the specified index: none"},
			{"start key of another shape", func(in *dynamodb.QueryInput) { in.ExclusiveStartKey = item("p", "h") },
				"ValidationException: Exclusive Start Key must have same size as table's key schema"},
			{"start key of another partition", func(in *dynamodb.QueryInput) { in.ExclusiveStartKey = item("p", "x", "s", 1) },
				"ValidationException: The provided starting key is outside query boundaries based on provided conditions"},
			{"unknown table", func(in *dynamodb.QueryInput) { in.TableName = aws.String("NoSuchTable") },
				"ResourceNotFoundException"},
			{"unused value", func(in *dynamodb.QueryInput) { in.ExpressionAttributeValues[":x"] = value(1) },
				"ValidationException: Value provided in ExpressionAttributeValues unused in expressions: keys: {:x}"},
		} {
			t.Run(c.name, func(t *testing.T) {
				in := query(table, "p = :p", item(":p", "h"))
				c.change(in)
				_, err := s.db.Query(t.Context(), in)
				s.wantFault(t, err, c.want)
			})
		}
	})
}
