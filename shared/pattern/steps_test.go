package pattern

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func parse(t rapid.TB, text string) *Pattern {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func event(t rapid.TB, text string) map[string]any {
	t.Helper()
	value, err := decodeValue([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return value.(map[string]any)
}

// taken gives what matching comes to, and how many steps that takes.
func taken(p *Pattern, event map[string]any) (matches bool, n int) {
	steps := NewSteps(math.MaxInt)
	matches = p.MatchObject(event, steps)
	return matches, math.MaxInt - steps.Left()
}

// size is what [Pattern.Weight] means by it.
func size(value any) int {
	sum := 1
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			sum += size(member)
		}
	case []any:
		for _, element := range value {
			sum += size(element)
		}
	case string:
		sum += len(value) / StepBytes
	case json.Number:
		sum += len(value) / StepBytes
	}
	return sum
}

// numbered gives several conditions, each with its number in place of %d.
func numbered(n int, condition string) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(condition, i))
	}
	return strings.Join(list, ",")
}

// TestFilterOf78AlternativesOverAListOf60000NumbersTakesAsManyStepsAsOne is the filter that
// stopped a shard: it took 78 steps for each number.
func TestFilterOf78AlternativesOverAListOf60000NumbersTakesAsManyStepsAsOne(t *testing.T) {
	list := event(t, `{"l":[`+strings.Repeat(`1,`, 59_999)+`1]}`)
	matches, n := taken(parse(t, `{"$or":[`+numbered(78, `{"l":[10%02d]}`)+`]}`), list)
	matchesOne, one := taken(parse(t, `{"l":[1000]}`), list)
	if matches || matchesOne || n != one+1 || n > 2*60_000+2 {
		t.Errorf("78 alternatives take %d steps (match: %v), one takes %d (match: %v)", n, matches, one, matchesOne)
	}
}

func TestWeight(t *testing.T) {
	for text, want := range map[string]int{
		`{"a":[1]}`:       2,
		`{"a":[1,2,"x"]}`: 2,
		`{"a":[1,{"prefix":"x"},{"exists":false}]}`:                                     4,
		`{"a":{"b":{"c":[1]}}}`:                                                         4,
		`{"a":[1],"b":[1]}`:                                                             4,
		`{"a":[{"anything-but":[1,2,3]}]}`:                                              2,
		`{"a":[{"anything-but":{"prefix":["x","y","z"]}}]}`:                             4,
		`{"a":[{"equals-ignore-case":"x"}]}`:                                            3,
		`{"a":[{"equals-ignore-case":"é"}]}`:                                            9,
		`{"a":[{"anything-but":{"equals-ignore-case":["x","é"]}}]}`:                     11,
		`{"a":[{"numeric":[">",1,"<",2]}]}`:                                             2,
		`{"$or":[{"a":[1]},{"b":[1]}]}`:                                                 6,
		`{"$or":[{"a":[1]},{"a":[2]}]}`:                                                 3,
		`{"$or":[{"a":[1]},{"b":[1]},{"a":[2,{"prefix":"x"}]}]}`:                        7,
		`{"$or":[{"a":{"b":[1]}},{"a":{"b":[2]}}]}`:                                     4,
		`{"$or":[{"a":{"b":[1]}},{"a":{"c":[2]}}]}`:                                     8,
		`{"$or":[{"a":[1],"c":[1]},{"a":[2],"c":[1]}]}`:                                 10,
		`{"$or":[{"a":[{"exists":false}]},{"a":[1]}]}`:                                  6,
		`{"c":[1],"$or":[{"$or":[{"a":[1]},{"a":[2]}]},{"$or":[{"a":[1]},{"b":[2]}]}]}`: 13,
	} {
		if got := parse(t, text).Weight(); got != want {
			t.Errorf("%s weighs %d, want %d", text, got, want)
		}
	}
}

func TestSteps(t *testing.T) {
	var long = strings.Repeat("x", 10*StepBytes)
	for _, c := range []struct {
		pattern, event string
		want           int
	}{
		{`{"a":[1]}`, `{}`, 2},
		{`{"a":[1]}`, `{"a":2}`, 2},
		{`{"a":[1]}`, `{"a":[2,3,4]}`, 1 + 3*2},
		{`{"a":[1]}`, `{"a":[1,3,4]}`, 1 + 2},
		{`{"a":[1]}`, `{"a":[[],[[]],{},2]}`, 1 + 4 + 2},
		{`{"a":[1]}`, `{"a":[[],[[]],{}]}`, 1 + 4 + 1}, // nothing is there
		{`{"a":{"b":[1]}}`, `{}`, 1 + 2},
		{`{"a":{"b":[1]}}`, `{"a":[{},{"b":2},3]}`, 1 + (1 + 2) + (1 + 2) + 1},
		{`{"a":[1,{"prefix":"x"},{"suffix":"y"}]}`, `{"a":"z"}`, 1 + 3},
		{`{"a":[{"anything-but":{"prefix":["x","y","z"]}}]}`, `{"a":"z"}`, 1 + 3},
		{`{"$or":[{"a":[1]},{"b":[1]}]}`, `{"a":2,"b":1}`, 2 * (1 + 2)},
		{`{"$or":[{"a":[1]},{"b":[1]}]}`, `{"a":1,"b":1}`, 1 + 2},
		{`{"a":["y"]}`, `{"a":"` + long + `"}`, 2 + 10},
		{`{"a":[{"prefix":"y"}]}`, `{"a":"` + long + `"}`, 2},
		{`{"a":[{"prefix":"` + long + `y"}]}`, `{"a":"` + long + `"}`, 2 + 10},
		{`{"a":[{"equals-ignore-case":"` + long + `y"}]}`, `{"a":"` + long + `"}`, 1 + 2 + 2*10},
		{`{"a":[{"exists":false}]}`, `{"a":"` + long + `"}`, 2},
		{`{"a":[{"numeric":["=",1]}]}`, `{"a":2` + strings.Repeat("0", 10*StepBytes) + `}`, 2 + 10},
		{`{"a":[1]}`, `{"a":` + strings.Repeat("2", 10*StepBytes) + `}`, 2 + 10 + 10},
	} {
		if _, got := taken(parse(t, c.pattern), event(t, c.event)); got != c.want {
			t.Errorf("%.60s takes %d steps of %.60s, want %d", c.pattern, got, c.event, c.want)
		}
	}
}

// TestSpentEndsAtOnce: whatever is left to do is not done.
func TestSpentEndsAtOnce(t *testing.T) {
	p := parse(t, `{"$or":[`+numbered(40, `{"l":{"m":[{"prefix":"x%d"}]},"n":[1]}`)+`]}`)
	steps := NewSteps(1000)
	p.MatchObject(event(t, `{"l":[`+strings.Repeat(`{"m":[[["y"]]]},`, 5000)+`1]}`), steps)
	if !steps.Spent() || steps.Left() != 0 || steps.left < -50 {
		t.Errorf("after 1000 steps %d are left, spent: %v", steps.left, steps.Spent())
	}
}

// conditions draws objects of conditions for the events that events draws.
func conditions(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if depth > 0 && rapid.IntRange(0, 2).Draw(t, "or") == 0 {
			return `{"$or":[` + strings.Join(rapid.SliceOfN(conditions(depth-1), 2, 4).Draw(t, "alternatives"), ",") + `]}`
		}
		var fields []string
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b"}), 1, 2, rapid.ID).Draw(t, "names") {
			value := ""
			if depth > 0 && rapid.Bool().Draw(t, "nested") {
				value = conditions(depth-1).Draw(t, "below")
			} else {
				value = "[" + strings.Join(rapid.SliceOfN(leaves, 1, 2).Draw(t, "values"), ",") + "]"
			}
			fields = append(fields, fmt.Sprintf("%q:%s", name, value))
		}
		return "{" + strings.Join(fields, ",") + "}"
	})
}

var (
	leaves = rapid.SampledFrom([]string{`1`, `2`, `"x"`, `null`, `{"exists":true}`, `{"exists":false}`, `{"exists":false}`,
		`{"anything-but":1}`, `{"anything-but":{"prefix":["x","y"]}}`, `{"prefix":"x"}`, `{"equals-ignore-case":"X"}`, `{"numeric":[">",1]}`})

	happenings = rapid.Custom(func(t *rapid.T) string { return drawObject(t, 3) })
)

var (
	// lones are alternatives that may be merged, and lists have what tells them apart.
	lones = rapid.Custom(func(t *rapid.T) string {
		field := rapid.SampledFrom([]string{`{"a":[%s]}`, `{"a":{"b":[%s]}}`}).Draw(t, "field")
		return fmt.Sprintf(field, strings.Join(rapid.SliceOfN(leaves, 1, 2).Draw(t, "values"), ","))
	})
	lists = rapid.Custom(func(t *rapid.T) string {
		elements := rapid.SampledFrom([]string{`{}`, `{"b":1}`, `{"b":2}`, `{"b":["x",2]}`, `{"b":[]}`, `1`, `[]`})
		return fmt.Sprintf(`{"a":[%s],"b":1}`, strings.Join(rapid.SliceOfN(elements, 0, 3).Draw(t, "elements"), ","))
	})
)

func drawObject(t *rapid.T, depth int) string {
	var members []string
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b"}), 0, 2, rapid.ID).Draw(t, "members") {
		members = append(members, fmt.Sprintf("%q:%s", name, drawValue(t, depth-1)))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func drawValue(t *rapid.T, depth int) string {
	kind := rapid.IntRange(0, 3).Draw(t, "kind")
	switch {
	case depth > 0 && kind == 1:
		return drawObject(t, depth)
	case depth > 0 && kind == 2:
		var elements []string
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			elements = append(elements, drawValue(t, depth-1))
		}
		return "[" + strings.Join(elements, ",") + "]"
	}
	return rapid.SampledFrom([]string{`1`, `2`, `1.0`, `"x"`, `"y"`, `null`, `true`, `"` + strings.Repeat("x", 200) + `"`}).Draw(t, "leaf")
}

// TestStepsProperty: enough steps change nothing, one less is told, and the weight bounds
// how many are enough.
func TestStepsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, happening := parse(t, conditions(3).Draw(t, "pattern")), event(t, happenings.Draw(t, "event"))
		matches, n := taken(p, happening)
		if matches != p.MatchObject(happening, nil) {
			t.Fatalf("%s matches %v: %v if steps are counted", p, happening, matches)
		}
		if most := p.Weight() * size(happening); n > most {
			t.Fatalf("%s takes %d steps of %v, want at most %d", p, n, happening, most)
		}
		steps := NewSteps(n)
		if p.MatchObject(happening, steps) != matches || steps.Spent() || steps.Left() != 0 {
			t.Fatalf("%s takes other than %d steps of %v", p, n, happening)
		}
		steps = NewSteps(rapid.IntRange(0, n-1).Draw(t, "fewer"))
		if p.MatchObject(happening, steps); !steps.Spent() {
			t.Fatalf("%s takes less than %d steps of %v", p, n, happening)
		}
	})
}

// TestMergedAlternativesMatchAsUnmerged compares a pattern with one in which each
// alternative asks a second field too, which is never there, and so is not merged.
func TestMergedAlternativesMatchAsUnmerged(t *testing.T) {
	merged := 0
	rapid.Check(t, func(t *rapid.T) {
		alternatives := rapid.SliceOfN(rapid.OneOf(lones, conditions(2)), 2, 5).Draw(t, "alternatives")
		var apart []string
		for _, a := range alternatives {
			apart = append(apart, strings.TrimSuffix(a, "}")+`,"never":[{"exists":false}]}`)
		}
		context := rapid.SampledFrom([]string{`{"$or":[%s]}`, `{"a":{"$or":[%s]}}`, `{"b":[1],"$or":[%s]}`}).Draw(t, "context")
		p := parse(t, fmt.Sprintf(context, strings.Join(alternatives, ",")))
		unmerged := parse(t, fmt.Sprintf(context, strings.Join(apart, ",")))
		if p.Weight() < unmerged.Weight()-2*len(alternatives) {
			merged++
		}
		happening := event(t, rapid.OneOf(lists, happenings).Draw(t, "event"))
		if got, want := p.MatchObject(happening, nil), unmerged.MatchObject(happening, nil); got != want {
			t.Fatalf("%s matches %v: %v, but unmerged %v", p, happening, got, want)
		}
	})
	if merged == 0 {
		t.Error("no alternatives were merged")
	}
}

// TestMergedPatternsAreRefusedAsBefore: what is wrong in an alternative is not hidden by
// those that it is merged with, and String gives what was asked.
func TestMergedPatternsAreRefusedAsBefore(t *testing.T) {
	for text, want := range map[string]string{
		`{"$or":[{"a":[1]},{"a":[]}]}`:                      "pattern.$or.a is an empty list",
		`{"$or":[{"a":[1]},{"a":[[2]]}]}`:                   "pattern.$or.a has an element",
		`{"$or":[{"a":[1]},{"a":[{"x":1}]}]}`:               "the operator is not supported",
		`{"$or":[{"a":[1]},{"a":2}]}`:                       "pattern.$or.a is neither",
		`{"$or":[{"a":[1]}]}`:                               "two alternatives",
		`{"$or":[{"$or":[{"a":[1]}]},{"$or":[{"b":[1]}]}]}`: "two alternatives",
		`{"$or":[{"a":[1]},` + strings.Repeat(`{"a":`, 64) + `[1]` + strings.Repeat(`}`, 64) + `]}`: "deeper than the 64 levels",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s gives %v, want it to say %q", text, err, want)
		}
	}
	const text = `{"$or":[{"a":[1]},{"b":[1]},{"a":[2]}]}`
	if got := parse(t, text).String(); got != text {
		t.Errorf("%s is %s as text", text, got)
	}
}

func TestLeavesOfOneKindAreNotThoseOfAnother(t *testing.T) {
	all := []string{`1`, `"1"`, `true`, `false`, `null`, `""`, `0`, `"true"`, `"null"`, `-1`, `"-1"`, `10`}
	for i, a := range all {
		for _, value := range slices.Delete(slices.Clone(all), i, i+1) {
			if parse(t, `{"a":[`+a+`]}`).Match([]byte(`{"a":` + value + `}`)) {
				t.Errorf("%s equals %s", a, value)
			}
		}
	}
}
