package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

var nines = strings.Repeat("9", 38)

// numbers are sent as the first and come back as the second, or are refused.
var numbers = []struct{ sent, want string }{
	{"0", "0"},
	{"-0", "0"},
	{"007", "7"},
	{"1.50", "1.5"},
	{"-1.50", "-1.5"},
	{".5", "0.5"},
	{"1E+2", "100"},
	{"1e2", "100"},
	{"1.5E-3", "0.0015"},
	{"100", "100"},
	{nines, nines},
	{"-" + nines, "-" + nines},
	{"0." + nines, "0." + nines},
	{"123456789012345678901234567890.12345678", "123456789012345678901234567890.12345678"},
	{nines + "000", nines + "000"},
	{"1E-130", "0." + strings.Repeat("0", 129) + "1"},
	{"9.9999999999999999999999999999999999999E+125", nines + strings.Repeat("0", 88)},
	{nines + "1", "ValidationException: Attempting to store more than 38 significant digits in a Number"},
	{"1E126", "ValidationException: Number overflow. Attempting to store a number with magnitude larger than supported range"},
	{"-1E126", "ValidationException: Number overflow. Attempting to store a number with magnitude larger than supported range"},
	{"1E-131", "ValidationException: Number underflow. Attempting to store a number with magnitude smaller than supported range"},
	{"", "ValidationException: The parameter cannot be converted to a numeric value"},
	{"abc", "ValidationException: The parameter cannot be converted to a numeric value: abc"},
	{"1.2.3", "ValidationException: The parameter cannot be converted to a numeric value: 1.2.3"},
	{"0x10", "ValidationException: The parameter cannot be converted to a numeric value: 0x10"},
	{"NaN", "ValidationException: The parameter cannot be converted to a numeric value: NaN"},
	{"Infinity", "ValidationException: The parameter cannot be converted to a numeric value: Infinity"},
}

func TestNumbersKeepTheirPrecision(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		for _, c := range numbers {
			t.Run(fmt.Sprintf("%.20s", c.sent), func(t *testing.T) {
				_, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("p", "a", "n", number(c.sent))})
				if strings.Contains(c.want, ":") {
					s.wantFault(t, err, c.want)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := showValue(s.get(t, table, item("p", "a"))["n"]); got != c.want {
					t.Errorf("%s came back as %s, want %s", c.sent, got, c.want)
				}
			})
		}
	})
}

func TestNumbersAsKeysSortByValue(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "n:N"})
		sorted := []string{"-1" + strings.Repeat("0", 125), "-10.5", "-10", "-9", "-0.001", "0", "0." + strings.Repeat("0", 129) + "1", "0.5", "1", "9", "10", "10.01", nines}
		for i := range sorted {
			s.put(t, table, item("p", "a", "n", number(sorted[(i*5)%len(sorted)])))
		}
		out, err := s.db.Query(t.Context(), query(table, "p = :p", item(":p", "a")))
		if err != nil {
			t.Fatal(err)
		}
		if got := column(out.Items, "n"); got != strings.Join(sorted, " ") {
			t.Errorf("got  %s\nwant %s", got, strings.Join(sorted, " "))
		}
	})
}

// A number key is found by its value, however it is written.
func TestNumberKeysAreEqualByValue(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "n:N"})
		s.put(t, table, item("n", number("1.0"), "v", 1))
		s.put(t, table, item("n", number("10E-1"), "v", 2))
		if got := show(s.get(t, table, item("n", 1))); got != "{n:1 v:2}" {
			t.Errorf("got %s, want the second item alone", got)
		}
	})
}
