package grant

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"pgregory.net/rapid"
)

// forced gives the view of a rule with the given filter and mask.
func forced(t rapid.TB, filter, mask string) View {
	t.Helper()
	v, err := parseView(raw(filter), raw(mask), "rule")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func narrow(t rapid.TB, v View, filter string, fields ...string) View {
	t.Helper()
	narrowed, err := v.Narrow(raw(filter), fields)
	if err != nil {
		t.Fatal(err)
	}
	return narrowed
}

// itemIn gives what a view shows of an item, if no budget bounds it.
func itemIn(t rapid.TB, v View, data json.RawMessage) (seen json.RawMessage, visible bool) {
	t.Helper()
	seen, visible, err := v.Item(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return seen, visible
}

// changeIn gives what a view shows of a change, if no budget bounds it.
func changeIn(t rapid.TB, v View, op events.Op, before, data json.RawMessage) Seen {
	t.Helper()
	seen, err := NewChange(op, before, data).In(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// raw gives nil for the empty text.
func raw(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}

const person = `{"name":"Anna <ü>","age":12345678901234567890123456789012345678,"card":{"no":1},"secret":"s","a.b":1,
	"address":{"street":"x","city":"y"},"phones":[{"kind":"home","no":1},[{"kind":"work","no":2}],3],"Secret":"open"}`

func TestItem(t *testing.T) {
	for _, c := range []struct {
		filter, mask, own string
		fields            []string
		want              string // empty if nothing is visible
	}{
		{``, ``, ``, nil, person},
		{`{"secret":["s"]}`, `{"omit":["secret"]}`, ``, []string{"name", "secret"}, `{"name":"Anna <ü>"}`},
		{`{"secret":["t"]}`, ``, ``, nil, ``},
		{``, `{"omit":["secret"]}`, `{"secret":["s"]}`, []string{"name"}, ``},
		{``, `{"omit":["secret"]}`, `{"secret":[{"exists":false}]}`, []string{"name"}, `{"name":"Anna <ü>"}`},
		{``, `{"replace":{"secret":"*"}}`, `{"secret":["*"]}`, []string{"secret"}, `{"secret":"*"}`},
		{``, ``, `{"age":[{"numeric":["=",12345678901234567890123456789012345678]}]}`, []string{"age"}, `{"age":12345678901234567890123456789012345678}`},
		{``, ``, `{"age":[{"numeric":["=",12345678901234567890123456789012345679]}]}`, []string{"age"}, ``},
		{``, ``, ``, []string{"nothing"}, `{}`},
		{``, ``, ``, []string{"a.b", "secret.x"}, `{}`},
		{``, ``, ``, []string{`a\.b`}, `{"a.b":1}`},
		{``, ``, ``, []string{"address.city", "address.zip"}, `{"address":{"city":"y"}}`},
		{``, ``, ``, []string{"address.zip"}, `{"address":{}}`},
		{``, ``, ``, []string{"address.city", "address"}, `{"address":{"street":"x","city":"y"}}`},
		{``, ``, ``, []string{"phones.no"}, `{"phones":[{"no":1},[{"no":2}]]}`},
		{``, `{"omit":["phones.no"]}`, ``, []string{"phones"}, `{"phones":[{"kind":"home"},[{"kind":"work"}],3]}`},
		{``, `{"replace":{"phones.no":null}}`, ``, []string{"phones.no"}, `{"phones":[{"no":null},[{"no":null}]]}`},
		{``, `{"replace":{"card":"****","cart":"****"}}`, ``, []string{"card", "cart"}, `{"card":"****"}`},
		{``, `{"omit":["card"],"replace":{"card":1,"card.no":2}}`, ``, []string{"card"}, `{}`},
		{``, `{"omit":["card.no"],"replace":{"card":1}}`, ``, []string{"card"}, `{"card":1}`},
		{``, `{"omit":["secret","name","age","card","a\\.b","address","phones"]}`, ``, nil, `{"Secret":"open"}`},
	} {
		view := narrow(t, forced(t, c.filter, c.mask), c.own, c.fields...)
		seen, visible := itemIn(t, view, raw(person))
		if visible != (c.want != "") || visible && !sameJSON(seen, []byte(c.want)) {
			t.Errorf("%s sees %s, %v; want %s", view, seen, visible, c.want)
		}
	}
}

func sameJSON(a, b []byte) bool {
	objectA, _ := decodeObject(a)
	objectB, ok := decodeObject(b)
	return ok && reflect.DeepEqual(objectA, objectB)
}

func TestItemThatIsNoObject(t *testing.T) {
	view := forced(t, ``, `{"omit":["secret"]}`)
	for _, data := range []string{``, `null`, `"secret"`, `[{"secret":1}]`, `{"secret":1`, `{}{"secret":1}`} {
		if seen, visible := itemIn(t, view, []byte(data)); visible || seen != nil {
			t.Errorf("%s is seen as %s", data, seen)
		}
		if seen, visible := itemIn(t, View{}, []byte(data)); !visible || string(seen) != data {
			t.Errorf("%s is seen as %s, %v by the zero View", data, seen, visible)
		}
	}
}

// TestItemIsWrittenAnew has whatever is judged also be what is shown.
func TestItemIsWrittenAnew(t *testing.T) {
	seen, visible := itemIn(t, forced(t, `{"public":[true]}`, ``), raw(` {"public":false, "z":1.50, "public":true} `))
	if want := `{"public":true,"z":1.50}`; !visible || string(seen) != want {
		t.Errorf("seen is %s, want %s", seen, want)
	}
}

func TestNarrowRefuses(t *testing.T) {
	long := strings.Repeat("f", 257)
	for _, c := range []struct {
		filter string
		fields []string
		want   string
	}{
		{`{}`, nil, `filter: pattern is empty`},
		{`[]`, nil, `filter: pattern is no JSON object`},
		{`{"a":["` + strings.Repeat("b", 1024) + `"]}`, nil, `filter has 1034 bytes, at most 1024 are allowed`},
		{strings.Repeat(`{"a":`, 65) + `["b"]` + strings.Repeat(`}`, 65), nil, `filter: pattern nests deeper than the 64 levels that are allowed`},
		{``, make([]string, 33), `fields has 33 paths, at most 32 are allowed`},
		{``, []string{long}, `fields has a path of 257 bytes, at most 256 are allowed`},
		{``, []string{""}, `fields: path "" has an empty name`},
	} {
		if _, err := (View{}).Narrow(raw(c.filter), c.fields); err == nil || err.Error() != c.want {
			t.Errorf("filter %.40s, fields %.40q gives %v, want %q", c.filter, c.fields, err, c.want)
		}
	}
}

func TestViewTextIsCanonical(t *testing.T) {
	a := narrow(t, forced(t, `{"b":[1],"a":[ "x" ]}`, `{"omit":["b","a","a.c"],"replace":{"z":"\u002a","a":1}}`), `{ "c":[null] }`, "y", "x", "x.z")
	b := narrow(t, forced(t, `{"a":["x"],"b":[1]}`, `{"replace":{"z":"*"},"omit":["a","b"]}`), `{"c":[null]}`, "x", "y")
	want := `{"must":{"a":["x"],"b":[1]},"omit":["a","b"],"replace":{"z":"*"},"filter":{"c":[null]},"fields":["x","y"]}`
	if a.String() != want || b.String() != want {
		t.Errorf("texts are %s and %s, want %s", a, b, want)
	}
	if again := narrow(t, a, ``); again.String() != forced(t, `{"a":["x"],"b":[1]}`, `{"omit":["a","b"],"replace":{"z":"*"}}`).String() {
		t.Errorf("narrowed by nothing it is %s", again)
	}
	for _, v := range []View{{}, narrow(t, View{}, `null`)} {
		if !v.IsZero() || v.String() != "" {
			t.Errorf("a view of nothing has the text %s", v)
		}
	}
}

func TestDecodeViewRefuses(t *testing.T) {
	for _, s := range []string{`null`, `x`, `{"mask":{}}`, `{"Must":{"a":[1]}}`, `{"must":null}`, `{"omit":[]}`, `{"replace":{}}`, `{"filter":{}}`, `{"fields":[]}`, `{"fields":["."]}`} {
		if v, err := DecodeView(s); err == nil {
			t.Errorf("%s is decoded as %s", s, v)
		}
	}
}

// views draws views of all kinds, over the members that objects draws.
func views(t *rapid.T) View {
	v := forcedViews(t)
	v, err := v.Narrow(raw(filters.Draw(t, "own filter")), rapid.SliceOfN(paths, 0, 2).Draw(t, "fields"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func forcedViews(t *rapid.T) View {
	mask := map[string]any{}
	if omit := rapid.SliceOfN(paths, 0, 2).Draw(t, "omit"); len(omit) > 0 {
		mask["omit"] = omit
	}
	if replace := rapid.MapOfN(paths, rapid.SampledFrom([]any{"*", 0, nil, true}), 0, 2).Draw(t, "replace"); len(replace) > 0 {
		mask["replace"] = replace
	}
	var maskText string
	if len(mask) > 0 {
		maskText = string(encode(mask))
	}
	return forced(t, filters.Draw(t, "filter"), maskText)
}

var (
	memberNames = []string{"a", "b", "A", "a.b", `\`, "é"}

	filters = rapid.SampledFrom([]string{``, ``, `{"a":[1]}`, `{"b":[{"exists":false}]}`, `{"a":{"b":[{"anything-but":1}]}}`,
		`{"$or":[{"A":[{"exists":true}]},{"b":[{"numeric":[">",1]}]}]}`, `{"a":[{"exists":false}],"b":["*",1]}`})

	paths = rapid.Custom(func(t *rapid.T) string {
		path := ""
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(memberNames), 1, 3).Draw(t, "names") {
			path = joinPath(path, name)
		}
		return path
	})
)

// values draws JSON of objects, lists and the leaves that next gives, which is told the
// names on the way to them. Members may come more than once if repeat is set.
func values(t *rapid.T, depth int, repeat bool, at []string, next func(at []string) string) string {
	var elements []string
	switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
	case depth == 0 || kind > 3 && len(at) > 0:
		return next(at)
	case kind == 3 && len(at) > 0:
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			elements = append(elements, values(t, depth-1, repeat, at, next))
		}
		return "[" + strings.Join(elements, ",") + "]"
	}
	names := rapid.SliceOfNDistinct(rapid.SampledFrom(memberNames), 0, 4, rapid.ID).Draw(t, "members")
	if repeat {
		names = rapid.SliceOfN(rapid.SampledFrom(memberNames), 0, 4).Draw(t, "members")
	}
	for _, name := range names {
		below := append(at[:len(at):len(at)], name)
		elements = append(elements, string(encode(name))+":"+values(t, depth-1, repeat, below, next))
	}
	return "{" + strings.Join(elements, ",") + "}"
}

// objects draws small objects that the filters tell apart.
func objects(t *rapid.T) json.RawMessage {
	return json.RawMessage(values(t, 3, false, nil, func([]string) string {
		return rapid.SampledFrom([]string{`1`, `1.0`, `2`, `"*"`, `null`, `12345678901234567890.1`}).Draw(t, "leaf")
	}))
}

// TestMaskedNeverShown plants a value of its own in each leaf: those at or below a
// masked path must be nowhere in what is seen, all others must be.
func TestMaskedNeverShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		masked := rapid.SliceOfN(paths, 1, 3).Draw(t, "masked")
		isMasked := func(at []string) bool {
			for _, path := range masked {
				prefix, _ := parsePath(path)
				if len(at) >= len(prefix) && reflect.DeepEqual(at[:len(prefix)], prefix) {
					return true
				}
			}
			return false
		}
		var hidden, open []string
		plant := func(at []string) string {
			leaf := fmt.Sprintf(`"leaf %d."`, len(hidden)+len(open))
			if isMasked(at) {
				hidden = append(hidden, leaf)
			} else {
				open = append(open, leaf)
			}
			return leaf
		}
		repeat := rapid.Bool().Draw(t, "repeat members")
		before := json.RawMessage(values(t, 4, repeat, nil, plant))
		data := json.RawMessage(values(t, 4, repeat, nil, plant))
		mask := map[string]any{"omit": masked[:1], "replace": map[string]any{}}
		for _, path := range masked {
			mask["replace"].(map[string]any)[path] = "*"
		}
		view := forced(t, ``, string(encode(mask)))
		seenBefore, _ := itemIn(t, view, before)
		seen, _ := itemIn(t, view, data)
		all := string(seenBefore) + string(seen)
		for _, leaf := range open {
			if !repeat && !strings.Contains(all, leaf) {
				t.Fatalf("%s of %s is not in %s, but was not masked", leaf, data, all)
			}
		}
		narrowed, err := view.Narrow(nil, rapid.SliceOfN(paths, 0, 3).Draw(t, "fields"))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []View{view, narrowed} {
			for _, op := range []events.Op{events.Added, events.Modified, events.Removed} {
				seen := changeIn(t, v, op, before, data)
				patch, _ := seen.Delta(nil)
				all += string(seen.Data) + string(patch)
			}
		}
		for _, leaf := range hidden {
			if strings.Contains(all, leaf) {
				t.Fatalf("%s of %s and %s is in %s, though masked", leaf, before, data, all)
			}
		}
	})
}

func TestNarrowNeverShowsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wide, data := forcedViews(t), objects(t)
		narrowed, err := wide.Narrow(raw(filters.Draw(t, "own filter")), rapid.SliceOfN(paths, 0, 2).Draw(t, "fields"))
		if err != nil {
			t.Fatal(err)
		}
		all, was := itemIn(t, wide, data)
		some, is := itemIn(t, narrowed, data)
		object, _ := decodeObject(all)
		part, _ := decodeObject(some)
		if is && (!was || !within(part, object)) {
			t.Fatalf("%s shows %s, but %s shows %s, %v", narrowed, some, wide, all, was)
		}
	})
}

// within tells whether everything in a is in b, at the same place and in the same order.
func within(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		for name, member := range a {
			other, there := b[name]
			ok = ok && there && within(member, other)
		}
		return ok
	case []any:
		b, ok := b.([]any)
		for _, element := range a {
			for len(b) > 0 && !within(element, b[0]) {
				b = b[1:]
			}
			if len(b) == 0 {
				return false
			}
			b = b[1:]
		}
		return ok
	}
	return a == b
}

func TestViewTextRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := views(t)
		again, err := DecodeView(v.String())
		if err != nil || again.String() != v.String() {
			t.Fatalf("%s is decoded as %s, %v", v, again, err)
		}
		data := objects(t)
		seen, visible := itemIn(t, v, data)
		if seenAgain, visibleAgain := itemIn(t, again, data); visible != visibleAgain || string(seen) != string(seenAgain) {
			t.Fatalf("%s sees %s, %v; decoded again %s, %v", v, seen, visible, seenAgain, visibleAgain)
		}
	})
}

func FuzzDecodeView(f *testing.F) {
	f.Add(`{"must":{"a":["x"]},"omit":["a.b"],"replace":{"z":"*"},"filter":{"c":[null]},"fields":["x"]}`, person)
	f.Add(`{"omit":["a\\.b","\\\\"]}`, `{"a.b":1}`)
	f.Fuzz(func(t *testing.T, s, data string) {
		v, err := DecodeView(s)
		if err != nil {
			return
		}
		again, err := DecodeView(v.String())
		if err != nil || again.String() != v.String() {
			t.Fatalf("%s is decoded as %s, %v", v, again, err)
		}
		if seen, visible := itemIn(t, v, raw(data)); visible && !v.IsZero() && !json.Valid(seen) {
			t.Fatalf("%s sees %q", v, seen)
		}
	})
}

func FuzzNarrow(f *testing.F) {
	f.Add(`{"secret":["s"]}`, "name", "address.city", person)
	f.Add(`{"$or":[{"a":[1]},{"b":[{"exists":false}]}]}`, `a\.b`, "", `{"a.b":{"secret":2}}`)
	f.Fuzz(func(t *testing.T, filter, field, other, data string) {
		wide := forced(t, `{"name":[{"exists":true}]}`, `{"omit":["secret"]}`)
		v, err := wide.Narrow(json.RawMessage(filter), []string{field, other})
		if err != nil {
			return
		}
		if again, err := DecodeView(v.String()); err != nil || again.String() != v.String() {
			t.Fatalf("%s is decoded as %s, %v", v, again, err)
		}
		all, was := itemIn(t, wide, raw(data))
		some, is := itemIn(t, v, raw(data))
		object, _ := decodeObject(all)
		part, _ := decodeObject(some)
		if is && (!was || !within(part, object)) {
			t.Fatalf("%s shows %s, but %s shows %s, %v", v, some, wide, all, was)
		}
	})
}
