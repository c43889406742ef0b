package expression

import (
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

func TestBounds(t *testing.T) {
	values := item.Item{":p": item.S("a"), ":v": item.Int(1), ":w": item.Int(2)}
	hash, sort := Attribute{"p", item.String}, Attribute{"s", item.Number}
	for text, want := range map[string]Bounds{
		"p = :p":                             {},
		"p = :p AND s = :v":                  {Operator: EQ, Low: values[":v"], High: values[":v"]},
		"s < :v AND :p = p":                  {Operator: LT, Low: values[":v"], High: values[":v"]},
		"p = :p AND :v < s":                  {Operator: GT, Low: values[":v"], High: values[":v"]},
		"p = :p AND :v <= s":                 {Operator: GE, Low: values[":v"], High: values[":v"]},
		"p = :p AND :v > s":                  {Operator: LT, Low: values[":v"], High: values[":v"]},
		"p = :p AND :v >= s":                 {Operator: LE, Low: values[":v"], High: values[":v"]},
		"(p = :p) and (s between :v AND :w)": {Operator: Between, Low: values[":v"], High: values[":w"]},
	} {
		k, err := NewScope(nil, values).KeyCondition(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want.Hash = values[":p"]
		got, err := k.Bounds(hash, sort)
		if err != nil || !sameBounds(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func sameBounds(a, b Bounds) bool {
	return item.Equal(a.Hash, b.Hash) && a.Operator == b.Operator && item.Equal(a.Low, b.Low) && item.Equal(a.High, b.High)
}

func TestBoundsOfPrefix(t *testing.T) {
	k, err := NewScope(nil, item.Item{":p": item.S("a"), ":v": item.B([]byte{1})}).KeyCondition("p = :p AND begins_with(s, :v)")
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Bounds(Attribute{"p", item.String}, Attribute{"s", item.Binary})
	if err != nil || got.Operator != BeginsWith || got.Low.S != "\x01" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A key condition that reads well may still not fit the table.
func TestBoundsMisfit(t *testing.T) {
	values := item.Item{":p": item.S("a"), ":v": item.Int(1), ":e": item.B(nil)}
	for _, c := range []struct {
		text       string
		hash, sort Attribute
		want       string
	}{
		{"p = :p AND s = :v", Attribute{"p", item.String}, Attribute{}, "Query key condition not supported"},
		{"p > :p", Attribute{"p", item.String}, Attribute{}, "Query key condition not supported"},
		{"p = :p", Attribute{"p", item.Binary}, Attribute{}, "One or more parameter values were invalid: Condition parameter type does not match schema type"},
		{"p = :e", Attribute{"p", item.Binary}, Attribute{}, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty binary value. Key: p"},
	} {
		k, err := NewScope(nil, values).KeyCondition(c.text)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		if _, err := k.Bounds(c.hash, c.sort); message(t, err) != c.want {
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		}
	}
}
