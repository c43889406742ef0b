package item

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

func TestDecodeAndEncode(t *testing.T) {
	for in, want := range map[string]string{
		`{}`:                                              `{}`,
		` { "a" : { "S" : "x" } } `:                       `{"a":{"S":"x"}}`,
		`{"b":{"BOOL":false},"a":{"NULL":true}}`:          `{"a":{"NULL":true},"b":{"BOOL":false}}`,
		`{"a":{"S":"q\"\\\u00e9\n\u0001"}}`:               `{"a":{"S":"q\"\\é\n\u0001"}}`,
		`{"a":{"S":"\ud83d\ude00"}}`:                      `{"a":{"S":"😀"}}`,
		`{"a":{"S":"<&>"}}`:                               `{"a":{"S":"<&>"}}`,
		`{"a":{"B":"AAEC/w=="}}`:                          `{"a":{"B":"AAEC/w=="}}`,
		`{"a":{"N":"1E+2"}}`:                              `{"a":{"N":"100"}}`,
		`{"a":{"L":[]},"b":{"M":{}}}`:                     `{"a":{"L":[]},"b":{"M":{}}}`,
		`{"a":{"L":[{"N":"1.50"},{"M":{"x":{"S":""}}}]}}`: `{"a":{"L":[{"N":"1.5"},{"M":{"x":{"S":""}}}]}}`,
		`{"a":{"SS":["b","a",""]},"b":{"NS":["1.0","-0"]},"c":{"BS":["","AA=="]}}`: `{"a":{"SS":["b","a",""]},"b":{"NS":["1","0"]},"c":{"BS":["","AA=="]}}`,
		`{"a":{"S":"x","N":null,"Future":{"deep":[1,"}",{}]}}}`:                    `{"a":{"S":"x"}}`,
	} {
		it, err := Decode([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := string(it.AppendJSON(nil)); got != want {
			t.Errorf("%s\n  got %s\n want %s", in, got, want)
		}
	}
}

const (
	validation    = "ValidationException: "
	serialization = "SerializationException: "
)

func TestDecodeRefuses(t *testing.T) {
	const exactlyOne = "must contain exactly one of the supported datatypes"
	for value, want := range map[string]string{
		`{}`:                     validation + "Supplied AttributeValue is empty, " + exactlyOne,
		`null`:                   validation + "Supplied AttributeValue is empty, " + exactlyOne,
		`{"S":null}`:             validation + "Supplied AttributeValue is empty, " + exactlyOne,
		`{"X":"a"}`:              validation + "Supplied AttributeValue is empty, " + exactlyOne,
		`{"L":[{}]}`:             validation + "Supplied AttributeValue is empty, " + exactlyOne,
		`{"S":"a","N":"1"}`:      validation + "Supplied AttributeValue has more than one datatypes set, " + exactlyOne,
		`{"NULL":false}`:         validation + "One or more parameter values were invalid: Null attribute value types must have the value of true",
		`{"SS":[]}`:              validation + "One or more parameter values were invalid: An string set  may not be empty",
		`{"NS":[]}`:              validation + "One or more parameter values were invalid: An number set  may not be empty",
		`{"BS":[]}`:              validation + "One or more parameter values were invalid: Binary sets should not be empty",
		`{"SS":[null]}`:          validation + "One or more parameter values were invalid: An string set may not have a null string as a member",
		`{"SS":["a","a"]}`:       validation + "One or more parameter values were invalid: Input collection [a, a] contains duplicates.",
		`{"NS":["1","1.0"]}`:     validation + "Input collection contains duplicates",
		`{"BS":["AA==","AA=="]}`: validation + "One or more parameter values were invalid: Input collection of type BS contains duplicates.",
		`{"N":""}`:               validation + "The parameter cannot be converted to a numeric value",
		`{"N":"abc"}`:            validation + "The parameter cannot be converted to a numeric value: abc",
		`{"NS":["x"]}`:           validation + "The parameter cannot be converted to a numeric value: x",
		`{"M":{"":{"S":"x"}}}`:   validation + "Empty attribute name",
		`{"S":5}`:                serialization + "NUMBER_VALUE cannot be converted to String",
		`{"S":true}`:             serialization + "TRUE_VALUE cannot be converted to String",
		`{"N":5}`:                serialization + "NUMBER_VALUE cannot be converted to String",
		`{"S":{}}`:               serialization + "Start of structure or map found where not expected",
		`{"S":[]}`:               serialization + "Unrecognized collection type class java.lang.String",
		`{"L":"x"}`:              serialization + "Unexpected field type",
		`{"L":{}}`:               serialization + "Start of structure or map found where not expected",
		`{"M":"x"}`:              serialization + "Unexpected field type",
		`{"BOOL":"true"}`:        serialization + "Unexpected token received from parser",
		`{"B":"a"}`:              serialization + "Base64 encoded length is expected a multiple of 4 bytes but found: 1",
		`{"B":"AB=="}`:           serialization + "Invalid Base64: illegal base64 data at input byte 2",
		`5`:                      serialization + "Unexpected value type in payload",
		`[]`:                     serialization + "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue",
	} {
		_, err := Decode([]byte(`{"a":` + value + `}`))
		if err == nil || err.Error() != want {
			t.Errorf("%s\n  got %v\n want %s", value, err, want)
		}
	}
}

func TestDecodeNotJSON(t *testing.T) {
	for _, in := range []string{``, `{`, `[]`, `"x"`, `{"a":{"S":"x"}}}`, `{"a":{"S":"x}}`} {
		_, err := Decode([]byte(in))
		var e *awsjson.Error
		if !errors.As(err, &e) || e.Type != "SerializationException" {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// What is wrong with a value is found in any request that has one somewhere.
func TestErrorsPassThroughJSON(t *testing.T) {
	var in struct{ Key Item }
	err := json.Unmarshal([]byte(`{"Key":{"a":{"N":"x"}}}`), &in)
	var e *awsjson.Error
	if !errors.As(err, &e) || e.Type != "ValidationException" {
		t.Errorf("got %v", err)
	}
}

func nested(levels int) []byte {
	return []byte(`{"a":` + strings.Repeat(`{"L":[`, levels-1) + `{"S":"x"}` + strings.Repeat(`]}`, levels-1) + `}`)
}

func TestDepth(t *testing.T) {
	it, err := Decode(nested(MaxDepth))
	if err != nil {
		t.Fatal(err)
	}
	if got := it["a"].Depth(); got != MaxDepth {
		t.Errorf("depth %d, want %d", got, MaxDepth)
	}
	if _, err := Decode(nested(MaxDepth + 1)); err == nil || !strings.Contains(err.Error(), "Nesting Levels have exceeded supported limits") {
		t.Errorf("one level more: %v", err)
	}
	if _, err := Decode(nested(5000)); err == nil {
		t.Error("5,000 levels: no error")
	}
}

// An item that was decoded reads back as itself, byte for byte.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"a":{"S":"x"}}`, `{"a":{"N":"-1.5e-7"}}`, `{"a":{"B":"AAEC"}}`, `{"a":{"BOOL":true},"b":{"NULL":true}}`,
		`{"a":{"L":[{"M":{"x":{"SS":["\u00e9"]}}}]}}`, `{"a":{"NS":["1","2"]}}`, `{"a":{"S":"x","Q":[[{"}":1}]]}}`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v Value
		_ = v.UnmarshalJSON(data) // must not panic, even on what is not JSON
		it, err := Decode(data)
		if err != nil {
			var e *awsjson.Error
			if !errors.As(err, &e) {
				t.Fatalf("%s: %v", data, err)
			}
			return
		}
		encoded := it.AppendJSON(nil)
		back, err := Decode(encoded)
		if err != nil || !equalItems(it, back) || string(back.AppendJSON(nil)) != string(encoded) {
			t.Fatalf("%s became %s, then %s, %v", data, encoded, back.AppendJSON(nil), err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := []byte(`{"topic":{"S":"stocks/AAPL"},"id":{"S":"quote"},"price":{"N":"150.75"},"volume":{"N":"1000"},"note":{"S":"` + strings.Repeat("x", 256) + `"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	it := Item{"topic": S("stocks/AAPL"), "id": S("quote"), "price": {Kind: Number, S: "150.75"}, "volume": Int(1000), "note": S(strings.Repeat("x", 256))}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = it.AppendJSON(buf[:0])
	}
}
