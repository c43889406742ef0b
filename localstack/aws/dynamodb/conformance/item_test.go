package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

func TestItemsComeBackAsTheyWerePut(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:B"})
		all := item("p", "ключ", "s", []byte{0, 255}, "text", "<&>\u2028\"\\", "none", "", "n", 1, "b", []byte("bytes"), "nob", []byte{},
			"t", true, "f", false, "nil", nil, "ss", texts{"b", "a"}, "ns", digits{"1", "2.5"}, "bs", blobs{"x", "y"},
			"l", list{"a", list{}, item()}, "m", item("inner", item("deep", list{1, nil})), "", "an empty name")
		delete(all, "")
		s.put(t, table, all)
		if got := show(s.get(t, table, item("p", "ключ", "s", []byte{0, 255}))); got != show(all) {
			t.Errorf("got  %s\nwant %s", got, show(all))
		}
	})
}

func TestPutReplacesTheWholeItem(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		s.put(t, table, item("p", "a", "x", 1), item("p", "a", "y", 2))
		if got := show(s.get(t, table, item("p", "a"))); got != `{p:"a" y:2}` {
			t.Errorf("got %s", got)
		}
	})
}

func TestDeletedItemIsGone(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		s.put(t, table, item("p", "a"))
		for range 2 { // the second has nothing to delete, which is no error
			if _, err := s.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: item("p", "a")}); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.get(t, table, item("p", "a")); got != nil {
			t.Errorf("got %s", show(got))
		}
	})
}

const (
	invalidValues = "ValidationException: One or more parameter values were invalid: "
	keyMismatch   = "ValidationException: The provided key element does not match the schema"
)

func TestPutChecksTheKey(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:N", attributes: []string{"g:S"}, gsi: gsi("byG", "g", "")})
		for _, c := range []struct {
			name string
			item record
			want string
		}{
			{"no sort key", item("p", "a"), invalidValues + "Missing the key s in the item"},
			{"no hash key", item("s", 1), invalidValues + "Missing the key p in the item"},
			{"wrong type", item("p", 1, "s", 1), invalidValues + "Type mismatch for key p expected: S actual: N"},
			{"wrong sort type", item("p", "a", "s", "1"), invalidValues + "Type mismatch for key s expected: N actual: S"},
			{"empty hash key", item("p", "", "s", 1), "ValidationException: One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p"},
			{"wrong type of an index key", item("p", "a", "s", 1, "g", 5), invalidValues + "Type mismatch for Index Key g Expected: S Actual: N IndexName: byG"},
			{"empty index key", item("p", "a", "s", 1, "g", ""), "ValidationException: One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: byG, IndexKey: g"},
			{"hash key of 2049 bytes", item("p", strings.Repeat("x", 2049), "s", 1), invalidValues + "Size of hashkey has exceeded the maximum size limit of2048 bytes"},
			{"hash key of 2048 bytes", item("p", strings.Repeat("x", 2048), "s", 1), ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				_, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: c.item})
				s.wantFault(t, err, c.want)
			})
		}
	})
}

func TestSortKeyIsAtMost1024Bytes(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:S"})
		s.put(t, table, item("p", "a", "s", strings.Repeat("x", 1024)))
		_, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("p", "a", "s", strings.Repeat("x", 1025))})
		s.wantFault(t, err, invalidValues+"Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
	})
}

func TestKeysMustMatchTheSchema(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:N"})
		for _, c := range []struct {
			name string
			key  record
			want string
		}{
			{"too little", item("p", "a"), keyMismatch},
			{"too much", item("p", "a", "s", 1, "x", 1), keyMismatch},
			{"another name", item("p", "a", "x", 1), keyMismatch},
			{"another type", item("p", "a", "s", "1"), keyMismatch},
			{"empty", item("p", "", "s", 1), "ValidationException: One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p"},
		} {
			t.Run(c.name, func(t *testing.T) {
				_, err := s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: c.key})
				s.wantFault(t, err, c.want)
				_, err = s.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: c.key})
				s.wantFault(t, err, c.want)
				_, err = s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: c.key})
				s.wantFault(t, err, c.want)
			})
		}
	})
}

// Bodies the SDK would not send.
func TestMalformedValues(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		for _, c := range []struct{ name, value, want string }{
			{"empty string set", `{"SS":[]}`, invalidValues + "An string set  may not be empty"},
			{"empty number set", `{"NS":[]}`, invalidValues + "An number set  may not be empty"},
			{"empty binary set", `{"BS":[]}`, invalidValues + "Binary sets should not be empty"},
			{"repeated string", `{"SS":["a","a"]}`, invalidValues + "Input collection [a, a] contains duplicates."},
			{"repeated number", `{"NS":["1","1.0"]}`, "ValidationException: Input collection contains duplicates"},
			{"no type", `{}`, "ValidationException: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
			{"two types", `{"S":"a","N":"1"}`, "ValidationException: Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"},
			{"null that is false", `{"NULL":false}`, invalidValues + "Null attribute value types must have the value of true"},
			{"unknown type", `{"X":"a"}`, "ValidationException: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
			{"number without quotes", `{"N":1}`, "SerializationException"},
			{"text in place of a bool", `{"BOOL":"yes"}`, "SerializationException"},
			{"no object", `"a"`, "SerializationException"},
			{"binary that is not base64", `{"B":"***"}`, "SerializationException"},
		} {
			t.Run(c.name, func(t *testing.T) {
				if c.want == "SerializationException" {
					s.differs(t, "it takes some malformed bodies, and calls others an internal failure")
				}
				_, err := s.raw("PutItem", fmt.Sprintf(`{"TableName":%q,"Item":{"p":{"S":"a"},"x":%s}}`, table, c.value))
				s.wantFault(t, err, c.want)
			})
		}
	})
}

func TestNestingIsAtMost32Levels(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		nested := func(levels int) string {
			value := strings.Repeat(`{"L":[`, levels) + `{"N":"1"}` + strings.Repeat("]}", levels)
			return fmt.Sprintf(`{"TableName":%q,"Item":{"p":{"S":"a"},"x":%s}}`, table, value)
		}
		_, err := s.raw("PutItem", nested(31))
		s.wantFault(t, err, "")
		_, err = s.raw("PutItem", nested(33))
		s.wantFault(t, err, "ValidationException: Nesting Levels have exceeded supported limits…")
	})
}

// The item is its names and values: "p" + "a" + "x" and the text of x.
func TestItemIsAtMost400KB(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		most := 400<<10 - 3
		s.put(t, table, item("p", "a", "x", strings.Repeat("x", most)))
		_, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("p", "a", "x", strings.Repeat("x", most+1))})
		s.wantFault(t, err, "ValidationException: Item size has exceeded the maximum allowed size")
		_, err = s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: item("p", "a"),
			UpdateExpression: aws.String("SET y = :y"), ExpressionAttributeValues: item(":y", "")})
		s.wantFault(t, err, "ValidationException: Item size to update has exceeded the maximum allowed size")
	})
}

func TestProjectionExpressions(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		s.put(t, table, item("p", "a", "x", 1, "m", item("k", 1, "n", item("o", 2)), "l", list{"a", "b", item("z", 3, "y", 4)}, "size", 9))
		for _, c := range []struct {
			name, text string
			names      map[string]string
			want       string
		}{
			{"one", "x", nil, "{x:1}"},
			{"several", "p, x", nil, `{p:"a" x:1}`},
			{"missing", "absent", nil, "{}"},
			{"members", "m.k, m.n.o", nil, "{m:{k:1 n:{o:2}}}"},
			{"elements close up, in order", "l[2].z, l[0]", nil, `{l:["a" {z:3}]}`},
			{"element behind the end", "l[7]", nil, "{}"},
			{"placeholders", "#s, #m.k", map[string]string{"#s": "size", "#m": "m"}, "{m:{k:1} size:9}"},
			{"member of text", "x.k", nil, "{}"},
			{"member of a key", "p.x", nil, "ValidationException: Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: p"},
			{"overlap", "m, m.k", nil, "ValidationException: Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [m], path two: [m, k]"},
			{"reserved word", "status", nil, "ValidationException: Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: status"},
			{"empty", "", nil, "ValidationException: Invalid ProjectionExpression: The expression can not be empty;"},
			{"trailing comma", "x,", nil, `ValidationException: Invalid ProjectionExpression: Syntax error; token: "<EOF>", near: ","`},
			{"undefined name", "#x", nil, "ValidationException: Invalid ProjectionExpression: An expression attribute name used in the document path is not defined; attribute name: #x"},
		} {
			t.Run(c.name, func(t *testing.T) {
				out, err := s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: item("p", "a"),
					ProjectionExpression: &c.text, ExpressionAttributeNames: c.names})
				if !strings.HasPrefix(c.want, "{") {
					s.wantFault(t, err, c.want)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := show(out.Item); got != c.want && !(c.want == "{}" && out.Item == nil) {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	})
}
