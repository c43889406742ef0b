package item

import (
	"slices"
	"strings"
	"testing"
)

func decode(t *testing.T, text string) Item {
	t.Helper()
	it, err := Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// The sizes are worked out by hand from AWS's rules.
func TestSize(t *testing.T) {
	for text, want := range map[string]int{
		`{}`:                                 0,
		`{"name":{"S":"é"}}`:                 4 + 2,
		`{"n":{"N":"0"}}`:                    1 + 1,
		`{"n":{"N":"123"}}`:                  1 + 2 + 1,
		`{"n":{"N":"-1200"}}`:                1 + 1 + 1,
		`{"n":{"N":"0.00123"}}`:              1 + 2 + 1,
		`{"b":{"B":"AAEC"}}`:                 1 + 3,
		`{"t":{"BOOL":true}}`:                1 + 1,
		`{"z":{"NULL":true}}`:                1 + 1,
		`{"l":{"L":[]}}`:                     1 + 3,
		`{"l":{"L":[{"S":"ab"},{"N":"1"}]}}`: 1 + 3 + 2*1 + 2 + 2,
		`{"m":{"M":{"key":{"S":"ab"}}}}`:     1 + 3 + 1 + 3 + 2,
		`{"s":{"SS":["a","bc"]}}`:            1 + 3,
		`{"s":{"NS":["1","1234"]}}`:          1 + 2 + 3,
		`{"s":{"BS":["AA==","AAE="]}}`:       1 + 3,
	} {
		if got := decode(t, text).Size(); got != want {
			t.Errorf("%s: %d bytes, want %d", text, got, want)
		}
	}
}

func TestEqual(t *testing.T) {
	const all = `{"a":{"S":"x"},"b":{"N":"1"},"c":{"L":[{"BOOL":true}]},"d":{"M":{"k":{"NULL":true}}},"e":{"SS":["x","y"]}}`
	same := decode(t, strings.Replace(strings.Replace(all, `"N":"1"`, `"N":"1.0"`, 1), `"x","y"`, `"y","x"`, 1))
	if !equalItems(decode(t, all), same) {
		t.Error("the same item is not equal")
	}
	for old, changed := range map[string]string{
		`"S":"x"`: `"S":"X"`, `"N":"1"`: `"N":"2"`, `"BOOL":true`: `"BOOL":false`, `"k":`: `"l":`,
		`"x","y"`: `"x","z"`, `["x","y"]`: `["x"]`, `"SS"`: `"BS"`, `{"S":"x"}`: `{"M":{}}`, `[{"BOOL":true}]`: `[]`,
	} {
		text := strings.Replace(all, old, changed, 1)
		if changed == `"BS"` {
			text = strings.Replace(text, `["x","y"]`, `["AA=="]`, 1)
		}
		if equalItems(decode(t, all), decode(t, text)) {
			t.Errorf("equal to %s", text)
		}
	}
}

func TestCompareNeedsOneOrderedKind(t *testing.T) {
	one := Int(1)
	truth := Value{Kind: Bool, Bool: true}
	for _, pair := range [][2]Value{{one, S("1")}, {S("a"), B([]byte("a"))}, {truth, truth}, {{}, {}}} {
		if _, ok := Compare(pair[0], pair[1]); ok {
			t.Errorf("%v and %v compare", pair[0], pair[1])
		}
	}
	if truth.KeyBytes() != "" {
		t.Error("a Bool has key bytes")
	}
}

func TestSets(t *testing.T) {
	a, b := Value{Kind: NumberSet, Set: []string{"1", "2"}}, Value{Kind: NumberSet, Set: []string{"3", "2"}}
	if got := Union(a, b).Set; !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("union %q", got)
	}
	if got := Difference(a, b).Set; !slices.Equal(got, []string{"1"}) {
		t.Errorf("difference %q", got)
	}
	if !slices.Equal(a.Set, []string{"1", "2"}) || !slices.Equal(b.Set, []string{"3", "2"}) {
		t.Errorf("operands changed: %q, %q", a.Set, b.Set)
	}
	if !a.Has(Int(2)) || a.Has(Int(3)) || a.Has(S("2")) || Int(1).Has(Int(1)) {
		t.Error("Has")
	}
}

func TestCloneIsApart(t *testing.T) {
	it := Item{"a": S("x")}
	c := it.Clone()
	c["a"], c["b"] = S("y"), S("z")
	if len(it) != 1 || it["a"].S != "x" {
		t.Errorf("the item changed: %v", it)
	}
	if Item(nil).Clone() != nil {
		t.Error("a nil item has a clone")
	}
}

func TestKindNames(t *testing.T) {
	for k := String; k <= BinarySet; k++ {
		if back, ok := KindOf(k.String()); !ok || back != k {
			t.Errorf("kind %d, %q, is read as %d", k, k, back)
		}
	}
	if _, ok := KindOf("s"); ok || Kind(0).String() != "" || Kind(99).String() != "" {
		t.Error("kinds that are none")
	}
	if got := string(Value{}.AppendJSON(nil)); got != "{}" || !(Value{}).IsZero() {
		t.Errorf("the zero value is %s", got)
	}
}
