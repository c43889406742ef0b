package conformance

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const badUpdate = "ValidationException: Invalid UpdateExpression: "

// updates change the item {p:"a"} plus before; want is the item without its
// key, or the error.
var updates = []struct {
	name   string
	before record
	text   string
	names  map[string]string
	values record
	want   string
}{
	{"set", nil, "SET x = :v", nil, item(":v", 1), "{x:1}"},
	{"set replaces", item("x", "old"), "SET x = :v", nil, item(":v", 1), "{x:1}"},
	{"set several", nil, "SET x = :v, y = :w", nil, item(":v", 1, ":w", 2), "{x:1 y:2}"},
	{"set from another attribute", item("x", 1), "SET y = x", nil, nil, "{x:1 y:1}"},
	{"right sides read the old item", item("x", 1, "y", 2), "SET x = y, y = x", nil, nil, "{x:2 y:1}"},
	{"add up", item("x", 1), "SET x = x + :v", nil, item(":v", number("0.5")), "{x:1.5}"},
	{"subtract", item("x", 1), "SET x = x - :v", nil, item(":v", 3), "{x:-2}"},
	{"numbers keep their digits", item("x", number("9999999999999999999999999999999999999")), "SET x = x + :v", nil, item(":v", 1), "{x:10000000000000000000000000000000000000}"},
	{"fractions are exact", item("x", number("0.1")), "SET x = x + :v", nil, item(":v", number("0.2")), "{x:0.3}"},
	{"if_not_exists takes its default", nil, "SET x = if_not_exists(x, :v)", nil, item(":v", 1), "{x:1}"},
	{"if_not_exists keeps what is there", item("x", 5), "SET x = if_not_exists(x, :v)", nil, item(":v", 1), "{x:5}"},
	{"a counter from nothing", nil, "SET x = if_not_exists(x, :z) + :v", nil, item(":z", 0, ":v", 1), "{x:1}"},
	{"list_append at the end", item("l", list{1}), "SET l = list_append(l, :v)", nil, item(":v", list{2, 3}), "{l:[1 2 3]}"},
	{"list_append at the beginning", item("l", list{1}), "SET l = list_append(:v, l)", nil, item(":v", list{2}), "{l:[2 1]}"},
	{"set an element", item("l", list{1, 2}), "SET l[1] = :v", nil, item(":v", "b"), `{l:[1 "b"]}`},
	{"set behind the end appends", item("l", list{1}), "SET l[9] = :v", nil, item(":v", 2), "{l:[1 2]}"},
	{"set a member", item("m", item("k", 1)), "SET m.k = :v, m.n = :v", nil, item(":v", 2), "{m:{k:2 n:2}}"},
	{"set with placeholders", item("m", item()), "SET #m.#k = :v", map[string]string{"#m": "m", "#k": "a.b"}, item(":v", 2), "{m:{a.b:2}}"},
	{"remove", item("x", 1, "y", 2), "REMOVE x", nil, nil, "{y:2}"},
	{"remove what is not there", item("y", 2), "REMOVE x", nil, nil, "{y:2}"},
	{"remove elements by their old index", item("l", list{0, 1, 2, 3}), "REMOVE l[0], l[2]", nil, nil, "{l:[1 3]}"},
	{"remove a member", item("m", item("k", 1, "n", 2)), "REMOVE m.k", nil, nil, "{m:{n:2}}"},
	{"add to a number", item("x", 1), "ADD x :v", nil, item(":v", 2), "{x:3}"},
	{"add to nothing", nil, "ADD x :v", nil, item(":v", 2), "{x:2}"},
	{"add to a set", item("s", texts{"a"}), "ADD s :v", nil, item(":v", texts{"a", "b"}), `{s:<"a" "b">}`},
	{"add a set to nothing", nil, "ADD s :v", nil, item(":v", digits{"1"}), "{s:<1>}"},
	{"delete from a set", item("s", texts{"a", "b"}), "DELETE s :v", nil, item(":v", texts{"b", "c"}), `{s:<"a">}`},
	{"delete the last element", item("s", texts{"a"}), "DELETE s :v", nil, item(":v", texts{"a"}), "{}"},
	{"delete from nothing", nil, "DELETE s :v", nil, item(":v", texts{"a"}), "{}"},
	{"all sections at once", item("x", 1, "y", 2, "s", texts{"a", "b"}), "ADD x :v DELETE s :s SET z = :v REMOVE y", nil, item(":v", 1, ":s", texts{"a"}), `{s:<"b"> x:2 z:1}`},
	{"sections in any case", item("y", 2), "set x = :v remove y", nil, item(":v", 1), "{x:1}"},

	{"key attribute", nil, "SET p = :v", nil, item(":v", "b"), "ValidationException: One or more parameter values were invalid: Cannot update attribute p. This attribute is part of the key"},
	{"missing operand", nil, "SET x = x + :v", nil, item(":v", 1), "ValidationException: The provided expression refers to an attribute that does not exist in the item"},
	{"missing parent", nil, "SET m.k = :v", nil, item(":v", 1), "ValidationException: The document path provided in the update expression is invalid for update"},
	{"remove below a missing parent", nil, "REMOVE m.k", nil, nil, "ValidationException: The document path provided in the update expression is invalid for update"},
	{"index of a map", item("m", item()), "SET m[0] = :v", nil, item(":v", 1), "ValidationException: The document path provided in the update expression is invalid for update"},
	{"plus on text", item("x", "a"), "SET x = x + :v", nil, item(":v", 1), "ValidationException: An operand in the update expression has an incorrect data type"},
	{"add to text", item("x", "a"), "ADD x :v", nil, item(":v", 1), "ValidationException: An operand in the update expression has an incorrect data type"},
	{"add to another set", item("x", texts{"a"}), "ADD x :v", nil, item(":v", digits{"1"}), "ValidationException: An operand in the update expression has an incorrect data type"},
	{"list_append to text", item("x", "a"), "SET x = list_append(x, :v)", nil, item(":v", list{1}), "ValidationException: An operand in the update expression has an incorrect data type"},
	{"overflow", item("x", number("99"+strings.Repeat("0", 124))), "ADD x :v", nil, item(":v", number("9.9E+125")), "ValidationException: Number overflow. Attempting to store a number with magnitude larger than supported range"},
	{"add text", nil, "ADD x :v", nil, item(":v", "a"), badUpdate + "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"},
	{"delete a number", nil, "DELETE x :v", nil, item(":v", 1), badUpdate + "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"},
	{"plus a text value", nil, "SET x = x + :v", nil, item(":v", "a"), badUpdate + "Incorrect operand type for operator or function; operator or function: +, operand type: S"},
	{"one path twice", nil, "SET x = :v, x = :v", nil, item(":v", 1), badUpdate + "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [x], path two: [x]"},
	{"a path and its part", nil, "SET m = :v REMOVE m.k", nil, item(":v", 1), badUpdate + "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [m], path two: [m, k]"},
	{"a path as map and list", nil, "SET m.k = :v, m[0] = :v", nil, item(":v", 1), badUpdate + "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [m, k], path two: [m, [0]]"},
	{"a section twice", nil, "SET x = :v SET y = :v", nil, item(":v", 1), badUpdate + `The "SET" section can only be used once in an update expression;`},
	{"empty", nil, "", nil, nil, badUpdate + "The expression can not be empty;"},
	{"blank", nil, " ", nil, nil, badUpdate + `Syntax error; token: "<EOF>", near: " "`},
	{"reserved word", nil, "SET status = :v", nil, item(":v", 1), badUpdate + "Attribute name is a reserved keyword; reserved keyword: status"},
	{"unknown section", nil, "PUT x = :v", nil, item(":v", 1), badUpdate + `Syntax error; token: "PUT", near: "PUT x"`},
	{"no section", nil, "x = :v", nil, item(":v", 1), badUpdate + `Syntax error; token: "x", near: "x ="`},
	{"half a clause", nil, "SET x =", nil, nil, badUpdate + `Syntax error; token: "<EOF>", near: "="`},
	{"undefined value", nil, "SET x = :v", nil, item(":w", 1), badUpdate + "An expression attribute value used in expression is not defined; attribute value: :v"},
	{"undefined name", nil, "REMOVE #x", map[string]string{"#y": "y"}, nil, badUpdate + "An expression attribute name used in the document path is not defined; attribute name: #x"},
	{"unknown function", nil, "SET x = first(x)", nil, nil, badUpdate + "Invalid function name; function: first"},
	{"a condition's function", nil, "SET x = size(x)", nil, nil, badUpdate + "The function is not allowed in an update expression; function: size"},
	{"unused value", nil, "REMOVE x", nil, item(":v", 1), "ValidationException: Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}"},
	{"unused name", nil, "REMOVE x", map[string]string{"#y": "y"}, nil, "ValidationException: Value provided in ExpressionAttributeNames unused in expressions: keys: {#y}"},
	{"too long", nil, "REMOVE " + strings.Repeat("x", 4096), nil, nil, badUpdate + "Expression size has exceeded the maximum allowed size;…"},
}

func TestUpdateExpressions(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		for _, c := range updates {
			t.Run(c.name, func(t *testing.T) {
				before := item("p", "a")
				for name, v := range c.before {
					before[name] = v
				}
				s.put(t, table, before)
				out, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: item("p", "a"), ReturnValues: types.ReturnValueAllNew,
					UpdateExpression: &c.text, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values})
				if !strings.HasPrefix(c.want, "{") {
					s.wantFault(t, err, c.want)
					if left := s.get(t, table, item("p", "a")); show(left) != show(before) {
						t.Errorf("a refused update left %s of %s", show(left), show(before))
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				delete(out.Attributes, "p")
				if got := show(out.Attributes); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	})
}

func TestUpdateMakesTheItem(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:N"})
		key := item("p", "a", "s", 1)
		if _, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: key}); err != nil {
			t.Fatal(err)
		}
		if got := show(s.get(t, table, key)); got != show(key) {
			t.Errorf("an update without expression made %s", got)
		}
	})
}

// An update that only takes away does not make the item that it finds missing. The SDK's
// own upserts would otherwise fill tables with ghosts.
func TestUpdateThatOnlyTakesAwayMakesNoItem(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "it makes an item of the key, with a record in the stream")
		for _, c := range []struct {
			name, update, condition string
			values                  record
			want                    string // the item afterwards, or the error
		}{
			{"REMOVE", "REMOVE x", "", nil, "none"},
			{"REMOVE below nothing", "REMOVE x.y, z[0]", "", nil, "none"},
			{"DELETE", "DELETE s :s", "", item(":s", texts{"a"}), "none"},
			{"both", "REMOVE x.y DELETE s :s", "", item(":s", texts{"a"}), "none"},
			{"with a condition that holds", "REMOVE x", "attribute_not_exists(p)", nil, "none"},
			{"with a condition that fails", "REMOVE x", "attribute_exists(p)", nil, "ConditionalCheckFailedException: The conditional request failed"},
			{"of the key", "REMOVE p", "", nil, "ValidationException: One or more parameter values were invalid: Cannot update attribute p. This attribute is part of the key"},
			{"with a SET", "SET y = :s REMOVE x", "", item(":s", 1), `{p:"a" y:1}`},
			{"with a SET, below nothing", "SET y = :s REMOVE x.y", "", item(":s", 1), "ValidationException: The document path provided in the update expression is invalid for update"},
			{"with an ADD", "ADD y :s REMOVE x", "", item(":s", 1), `{p:"a" y:1}`},
		} {
			t.Run(c.name, func(t *testing.T) {
				table := s.table(t, schema{hash: "p:S", stream: types.StreamViewTypeKeysOnly})
				key := item("p", "a")
				out, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: key, UpdateExpression: &c.update,
					ConditionExpression: optional(c.condition), ExpressionAttributeValues: c.values, ReturnValues: types.ReturnValueAllNew})
				want, records := c.want, 0
				switch {
				case strings.Contains(want, "Exception"):
					s.wantFault(t, err, want)
					want = "none"
				case err != nil:
					t.Fatal(err)
				case show(out.Attributes) != want:
					t.Errorf("the answer has %s, want %s", show(out.Attributes), want)
				}
				if want != "none" {
					records = 1
				}
				if got := show(s.get(t, table, key)); got != want {
					t.Errorf("the item is %s, want %s", got, want)
				}
				if got := s.records(t, s.latestStream(t, table)); len(got) != records {
					t.Errorf("%d records in the stream, want %d", len(got), records)
				}
			})
		}
	})
}

func TestTransactedUpdateThatOnlyTakesAwayMakesNoItem(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "it makes an item of the key")
		table := s.table(t, schema{hash: "p:S"})
		if err := s.transact(t, txUpdate(table, item("p", "a"), "REMOVE x", nil), txPut(table, item("p", "b"), "")); err != nil {
			t.Fatal(err)
		}
		if got := s.get(t, table, item("p", "a")); got != nil {
			t.Errorf("there is %s", show(got))
		}
	})
}
