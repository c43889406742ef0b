package conformance

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// fixture is what conditions are tried on.
var fixture = item(
	"p", "a", "n", 5, "f", number("-1.50"), "t", "hello", "b", []byte{0, 1, 2}, "yes", true, "nay", false, "nil", nil,
	"l", list{"x", 2, list{"deep"}}, "m", item("k", "v", "n", 7, "with.dot", 1), "ss", texts{"red", "green"}, "ns", digits{"1", "2.0"},
	"bs", blobs{"\x01", "\x02"}, "same", 5, "size", "reserved word",
)

const (
	badCondition = "ValidationException: Invalid ConditionExpression: "
	badFilter    = "ValidationException: Invalid FilterExpression: "
)

// conditions hold or do not hold on the fixture; a want of another kind is the
// end of the error's message, the same for every kind of condition.
var conditions = []struct {
	name, text string
	names      map[string]string
	values     record
	want       string
}{
	{"equal", "n = :v", nil, item(":v", 5), "true"},
	{"equal by value, not by digits", "n = :v", nil, item(":v", number("5.00")), "true"},
	{"equal of another type is false", "n = :v", nil, item(":v", "5"), "false"},
	{"equal to a missing attribute is false", "absent = :v", nil, item(":v", 5), "false"},
	{"unequal", "n <> :v", nil, item(":v", 5), "false"},
	{"unequal of another type is true", "n <> :v", nil, item(":v", "5"), "true"},
	{"unequal to a missing attribute is true", "absent <> :v", nil, item(":v", 5), "true"},
	{"less, by number", "n < :v", nil, item(":v", 10), "true"},
	{"less, negative fraction", "f < :v", nil, item(":v", -1), "true"},
	{"less, by text", "t < :v", nil, item(":v", "hello!"), "true"},
	{"less or equal", "n <= :v", nil, item(":v", 5), "true"},
	{"greater", "n > :v", nil, item(":v", 5), "false"},
	{"greater or equal", "n >= :v", nil, item(":v", 5), "true"},
	{"binary compares by bytes", "b > :v", nil, item(":v", []byte{0, 1}), "true"},
	{"order across types is false", "t < :v", nil, item(":v", 5), "false"},
	{"two attributes", "n = same", nil, nil, "true"},
	{"value on the left", ":v = n", nil, item(":v", 5), "true"},
	{"lists are equal by their elements", "l = :v", nil, item(":v", list{"x", 2, list{"deep"}}), "true"},
	{"maps are equal by their members", "m = :v", nil, item(":v", item("n", 7, "k", "v", "with.dot", 1)), "true"},
	{"sets are equal in any order", "ss = :v", nil, item(":v", texts{"green", "red"}), "true"},
	{"number sets are equal by value", "ns = :v", nil, item(":v", digits{"2", "1.0"}), "true"},
	{"bool", "yes = :v", nil, item(":v", true), "true"},
	{"null", "nil = :v", nil, item(":v", nil), "true"},
	{"between includes both ends", "n BETWEEN :lo AND :hi", nil, item(":lo", 5, ":hi", 5), "true"},
	{"between of attributes", ":v BETWEEN f AND n", nil, item(":v", 0), "true"},
	{"not between", "NOT n BETWEEN :lo AND :hi", nil, item(":lo", 6, ":hi", 9), "true"},
	{"in", "n IN (:a, :b)", nil, item(":a", 4, ":b", 5), "true"},
	{"in with another type", "n IN (:a)", nil, item(":a", "5"), "false"},
	{"and binds tighter than or", "yes = :t OR nay = :t AND n = :no", nil, item(":t", true, ":no", 0), "true"},
	{"not binds tighter than and", "NOT n = :no AND nay = :t", nil, item(":t", true, ":no", 0), "false"},
	{"parentheses", "(yes = :t OR nay = :t) AND n = :no", nil, item(":t", true, ":no", 0), "false"},
	{"keywords in any case", "n between :lo and :hi Or not n In (:lo)", nil, item(":lo", 1, ":hi", 9), "true"},
	{"attribute_exists", "attribute_exists(m.k)", nil, nil, "true"},
	{"attribute_exists of null", "attribute_exists(nil)", nil, nil, "true"},
	{"attribute_exists of a missing path", "attribute_exists(m.k.z)", nil, nil, "false"},
	{"attribute_not_exists", "attribute_not_exists(l[3])", nil, nil, "true"},
	{"attribute_type", "attribute_type(ns, :t)", nil, item(":t", "NS"), "true"},
	{"attribute_type of a missing attribute", "attribute_type(absent, :t)", nil, item(":t", "S"), "false"},
	{"begins_with", "begins_with(t, :v)", nil, item(":v", "hell"), "true"},
	{"begins_with on binary", "begins_with(b, :v)", nil, item(":v", []byte{0, 1}), "true"},
	{"begins_with on another type is false", "begins_with(n, :v)", nil, item(":v", "5"), "false"},
	{"contains a substring", "contains(t, :v)", nil, item(":v", "ell"), "true"},
	{"contains an element of a set", "contains(ns, :v)", nil, item(":v", number("2.00")), "true"},
	{"contains an element of a list", "contains(l, :v)", nil, item(":v", list{"deep"}), "true"},
	{"contains not a part of an element", "contains(ss, :v)", nil, item(":v", "re"), "false"},
	{"contains with a path as operand", "contains(l, m.k)", nil, nil, "false"},
	{"size of text in bytes", "size(t) = :v", nil, item(":v", 5), "true"},
	{"size of binary", "size(b) = :v", nil, item(":v", 3), "true"},
	{"size of a list", "size(l) = :v", nil, item(":v", 3), "true"},
	{"size of a map", "size(m) = :v", nil, item(":v", 3), "true"},
	{"size of a set", "size(ss) > :v", nil, item(":v", 1), "true"},
	{"size of a number is not defined", "size(n) > :v", nil, item(":v", 0), "false"},
	{"nested path", "m.n = :v", nil, item(":v", 7), "true"},
	{"nested index", "l[2][0] = :v", nil, item(":v", "deep"), "true"},
	{"a name with a dot needs a placeholder", "m.#d = :v", map[string]string{"#d": "with.dot"}, item(":v", 1), "true"},
	{"placeholders at every step", "#m.#k = :v", map[string]string{"#m": "m", "#k": "k"}, item(":v", "v"), "true"},
	{"a reserved word behind a placeholder", "#s = :v", map[string]string{"#s": "size"}, item(":v", "reserved word"), "true"},
	{"index of a map is nothing", "attribute_exists(m[0])", nil, nil, "false"},

	{"empty", "", nil, nil, "The expression can not be empty;"},
	{"blank", " ", nil, nil, `Syntax error; token: "<EOF>", near: " "`},
	{"reserved word as attribute", "status = :v", nil, item(":v", 1), "Attribute name is a reserved keyword; reserved keyword: status"},
	{"undefined value", "n = :v", nil, item(":w", 1), "An expression attribute value used in expression is not defined; attribute value: :v"},
	{"undefined name", "#n = :v", map[string]string{"#x": "n"}, item(":v", 1), "An expression attribute name used in the document path is not defined; attribute name: #n"},
	{"unknown function", "exists(n)", nil, nil, "Invalid function name; function: exists"},
	{"functions are lower case", "SIZE(t) = :v", nil, item(":v", 5), "Invalid function name; function: SIZE"},
	{"too few operands", "begins_with(t)", nil, nil, "Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1"},
	{"wrong operand type", "begins_with(t, :v)", nil, item(":v", 5), "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"},
	{"order of a set", "ss < :v", nil, item(":v", texts{"a"}), "Incorrect operand type for operator or function; operator or function: <, operand type: SS"},
	{"unknown type", "attribute_type(t, :v)", nil, item(":v", "X"), "Invalid attribute type name found; type: X, valid types: {…"},
	{"between out of order", "n BETWEEN :hi AND :lo", nil, item(":lo", 1, ":hi", 9), "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:9}, upper bound operand: AttributeValue: {N:1}"},
	{"between of two types", "n BETWEEN :lo AND :hi", nil, item(":lo", 1, ":hi", "9"), "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:9}"},
	{"redundant parentheses", "((n = :v))", nil, item(":v", 5), "The expression has redundant parentheses;"},
	{"the same operand twice", "n = n", nil, nil, "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [n]"},
	{"100 operands of in", "n IN (" + repeated(":v", 100) + ")", nil, item(":v", 5), "true"},
	{"101 operands of in", "n IN (" + repeated(":v", 101) + ")", nil, item(":v", 5), "The IN operator is provided with too many operands; number of operands: 101"},
	{"too many operators", "n = :v" + strings.Repeat(" OR n = :v", 200), nil, item(":v", 5), "The expression contains too many operators…"},
	{"too long", "n = :" + strings.Repeat("v", 4096), nil, item(":v", 5), "Expression size has exceeded the maximum allowed size;…"},
	{"half an expression", "n = ", nil, nil, `Syntax error; token: "<EOF>", near: "= "`},
	{"two operators", "n = = :v", nil, item(":v", 1), `Syntax error; token: "=", near: "= = :v"`},
	{"a literal", "n = 5", nil, nil, `Syntax error; token: "5", near: "= 5"`},
	{"an operand is no condition", "n", nil, nil, `Syntax error; token: "<EOF>", near: "n"`},
	{"size is no condition", "size(t)", nil, nil, "The function is not allowed to be used this way in an expression; function: size"},
	{"a condition is no operand", "begins_with(t, t) = :v", nil, item(":v", true), "The function is not allowed to be used this way in an expression; function: begins_with"},
}

// repeated writes a text several times, with commas.
func repeated(text string, times int) string {
	return strings.TrimSuffix(strings.Repeat(text+", ", times), ", ")
}

func TestConditionExpressions(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		s.put(t, table, fixture)
		for _, c := range conditions {
			t.Run(c.name, func(t *testing.T) {
				_, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: item("p", "a"),
					ConditionExpression: &c.text, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values})
				switch c.want {
				case "true":
					s.wantFault(t, err, "")
				case "false":
					s.wantFault(t, err, "ConditionalCheckFailedException: The conditional request failed")
				default:
					s.wantFault(t, err, badCondition+c.want)
				}
			})
		}
	})
}

// The same conditions as filters of a Query: what does not hold is not
// returned, but was read.
func TestFilterExpressions(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		s.put(t, table, fixture)
		for _, c := range conditions {
			t.Run(c.name, func(t *testing.T) {
				values := item(":p", "a")
				for name, v := range c.values {
					values[name] = v
				}
				key := "p = :p"
				out, err := s.db.Query(t.Context(), &dynamodb.QueryInput{TableName: &table, KeyConditionExpression: &key,
					FilterExpression: &c.text, ExpressionAttributeNames: c.names, ExpressionAttributeValues: values})
				if c.want != "true" && c.want != "false" {
					s.wantFault(t, err, badFilter+c.want)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if matched := out.Count == 1; matched != (c.want == "true") || out.ScannedCount != 1 {
					t.Errorf("%d of %d items match, want %s", out.Count, out.ScannedCount, c.want)
				}
			})
		}
	})
}
