package exactjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events/exactjson"
)

// upper decodes itself, and takes its members in any case.
type upper struct{ text string }

func (u *upper) UnmarshalJSON(data []byte) error {
	u.text = string(data)
	return nil
}

type embedded struct {
	Inner string
	Kept  string `json:"kept"`
}

type Leaf struct {
	Name string `json:"name"`
	N    int
}

type whole struct {
	embedded
	*Leaf
	Plain   string
	Renamed string          `json:"re_named,omitempty"`
	Hidden  string          `json:"-"`
	Raw     json.RawMessage `json:"raw"`
	Self    upper           `json:"self"`
	Pointer *Leaf           `json:"pointer"`
	List    []Leaf          `json:"list"`
	ByName  map[string]*Leaf
	Texts   map[string]string
	Any     any `json:"any"`
}

func TestNamesCountWithTheirCase(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       whole
	}{
		{"exact", `{"Plain":"a","re_named":"b","Inner":"c","kept":"d"}`, whole{Plain: "a", Renamed: "b", embedded: embedded{Inner: "c", Kept: "d"}}},
		{"another case", `{"plain":"a","PLAIN":"b","RE_NAMED":"c","inner":"d","KEPT":"e"}`, whole{}},
		{"the exact one of two", `{"plain":"x","Plain":"a","PLAIN":"y"}`, whole{Plain: "a"}},
		{"a letter that folds to ASCII", "{\"\u212aept\":\"x\",\"re_\u017famed\":\"x\"}", whole{}},
		{"written with escapes", `{"\u0050lain":"a","\u0070lain":"x"}`, whole{Plain: "a"}},
		{"of another type in another case", `{"plain":[1],"LIST":7}`, whole{}},
		{"below a pointer", `{"pointer":{"NAME":"x","name":"a","n":7,"N":1}}`, whole{Pointer: &Leaf{"a", 1}}},
		{"in a list", `{"list":[{"NAME":"x"},{"name":"a"}]}`, whole{List: []Leaf{{}, {Name: "a"}}}},
		{"keys of a map stay", `{"ByName":{"KEY":{"NAME":"x","N":1}},"Texts":{"Name":"x","NAME":"y"}}`,
			whole{ByName: map[string]*Leaf{"KEY": {N: 1}}, Texts: map[string]string{"Name": "x", "NAME": "y"}}},
		{"what decodes itself stays", `{"raw":{"PLAIN":1},"self":{"NAME":2},"any":{"NAME":3}}`,
			whole{Raw: json.RawMessage(`{"PLAIN":1}`), Self: upper{`{"NAME":2}`}, Any: map[string]any{"NAME": 3.0}}},
		{"an embedded pointer", `{"NAME":"x","name":"a"}`, whole{Leaf: &Leaf{Name: "a"}}},
		{"no field at all", `{"Hidden":"x","private":"x","-":"x","":"x",",":"x"}`, whole{}},
		{"white space", " { \"plain\" : \"x\" ,\n\"Plain\"\t: \"a\" } ", whole{Plain: "a"}},
		{"braces in strings", `{"other":"}]\\\"{[","Plain":"a"}`, whole{Plain: "a"}},
		{"null", `null`, whole{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := []byte(c.text)
			var got whole
			if err := exactjson.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			if string(text) != c.text {
				t.Errorf("the input became %s", text)
			}
		})
	}
}

// TestRefusesWhatEncodingJSONRefuses, and says where.
func TestRefusesWhatEncodingJSONRefuses(t *testing.T) {
	for _, text := range []string{``, `{`, `{"Plain":1}`, `{"list":[{"N":"x"}]}`, `{"Plain":"a"} x`, `[1]`, `{"a":}`,
		`{"list":[{"name":"a"},`, `{"Plain" "a"}`, `{"Plain":"a`, `}`, `{,}`, `{"list":[,]}`, "{\"\x01\":0}", `{"\x":0}`, strings.Repeat(`{"pointer":`, 20_000)} {
		var got, want whole
		err, wanted := exactjson.Unmarshal([]byte(text), &got), json.Unmarshal([]byte(text), &want)
		var typed *exactjson.TypeError
		var wantTyped *json.UnmarshalTypeError
		if (err == nil) != (wanted == nil) || errors.As(err, &typed) != errors.As(wanted, &wantTyped) {
			t.Errorf("%.40s: got  %v\nwant %v", text, err, wanted)
		}
	}
	if err := exactjson.Unmarshal([]byte(`{}`), nil); err == nil {
		t.Error("nil was decoded into")
	}
}

// exactly drops the members of a struct that are no fields, the slow way.
func exactly(v any, t reflect.Type) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, member := range v {
			switch {
			case t == reflect.TypeFor[Leaf]() && (name == "name" || name == "N"), t.Kind() == reflect.Interface:
				kept[name] = member
			case t == reflect.TypeFor[tree]() && (name == "leaf" || name == "Leaves" || name == "byName"):
				f, _ := t.FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, name) })
				kept[name] = exactly(member, f.Type)
			case t.Kind() == reflect.Map:
				kept[name] = exactly(member, t.Elem())
			}
		}
		return kept
	case []any:
		kept := make([]any, len(v))
		for i, element := range v {
			kept[i] = element
			if t.Kind() == reflect.Slice {
				kept[i] = exactly(element, t.Elem())
			}
		}
		return kept
	}
	return v
}

type tree struct {
	Leaf   *Leaf `json:"leaf"`
	Leaves []Leaf
	ByName map[string]Leaf `json:"byName"`
}

// FuzzUnmarshal compares with encoding/json on a text from which the members that are no
// fields were taken out before.
func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{`{"leaf":{"name":"a","NAME":"b"},"Leaves":[{"n":1}],"byName":{"x":{"N":2}}}`,
		`{"LEAF":{"name":"a"},"byName":{"\"":{"name":"\\"}}}`, `[{"leaf":1}]`, `{"leaf":{"a":[{"b":"]}"}]}}`, "{\"\u212a\":1}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got, want tree
		before := bytes.Clone(text)
		err := exactjson.Unmarshal(text, &got)
		if !bytes.Equal(before, text) {
			t.Fatalf("the input became %q", text)
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var generic any
		if d.Decode(&generic) != nil || !json.Valid(text) {
			if err == nil {
				t.Fatalf("%q was decoded", text)
			}
			return
		}
		if repeats(text) {
			return // which of two members counts, the slow way cannot tell
		}
		kept, _ := json.Marshal(exactly(generic, reflect.TypeFor[tree]()))
		wanted := json.Unmarshal(kept, &want)
		if (err == nil) != (wanted == nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %+v, %v; want %+v, %v", text, got, err, want, wanted)
		}
	})
}

// repeats reports whether an object in the text may have a name twice.
func repeats(text []byte) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	seen := map[string]bool{}
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		if name, ok := token.(string); ok {
			if seen[name] {
				return true
			}
			seen[name] = true
		}
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	text := []byte(`{"Plain":"` + strings.Repeat("x", 1000) + `","pointer":{"name":"a","N":1},"raw":{"a":[1,2,3]}}`)
	b.Run("exact", func(b *testing.B) {
		for b.Loop() {
			var v whole
			_ = exactjson.Unmarshal(text, &v)
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			var v whole
			_ = json.Unmarshal(text, &v)
		}
	})
}

// TestNumbersStayNumbers: the module has another type for them than encoding/json.
func TestNumbersStayNumbers(t *testing.T) {
	type numbers struct {
		N    json.Number
		List []json.Number
		Any  any
	}
	for _, text := range []string{`{"N":12345678901234567890.5,"List":[1,-2e3],"Any":{"a":[0.10]}}`, `{"N":0,"List":[],"Any":null}`} {
		var read numbers
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&read); err != nil {
			t.Fatal(err)
		}
		written, err := exactjson.Marshal(read)
		if err != nil || string(written) != text {
			t.Errorf("%s is written %s, %v", text, written, err)
		}
		var again numbers
		if err := exactjson.Unmarshal([]byte(text), &again); err != nil || again.N != read.N || len(again.List) != len(read.List) {
			t.Errorf("%s is read as %+v, %v", text, again, err)
		}
	}
	for _, wrong := range []string{`{"N":"x"}`, `{"N":[]}`} {
		if err := exactjson.Unmarshal([]byte(wrong), &numbers{}); err == nil {
			t.Errorf("%s is read", wrong)
		}
	}
	if written, err := exactjson.Marshal(json.Number("x")); err == nil {
		t.Errorf("a number that is none is written %s", written)
	}
}
