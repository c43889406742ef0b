package grant

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/pattern"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"
)

// fill gives an object of as many bytes as an item may have, whose member l is a list of
// an element, or an object of members, over and over.
func fill(member func(i int) string) string {
	open, end := `{"l":[`, `]}`
	if strings.HasPrefix(member(0), `"x`) && strings.Contains(member(0), `":`) {
		open, end = `{"l":{`, `}}`
	}
	var out strings.Builder
	out.WriteString(open + member(0))
	for i := 1; out.Len()+len(member(i))+len(end) < events.MaxDataBytes; i++ {
		out.WriteString("," + member(i))
	}
	return out.String() + end
}

func same(s string) func(int) string { return func(int) string { return s } }

// orOf gives a filter of alternatives that are not one, each of weight 5 with its $or.
func orOf(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"l":[%d],"m":[1]}`, i))
	}
	return `{"$or":[` + strings.Join(list, ",") + `]}`
}

// seenFor gives what a view shows of a change for a budget, and how many steps that takes.
func seenFor(c *Change, v View, budget int) (seen Seen, taken int, err error) {
	b := NewBudget(budget)
	seen, err = c.In(v, b)
	return seen, budget - b.Left(), err
}

// TestFilterOf78AlternativesOverAListOf60000NumbersIsEvaluated is the filter that stopped a
// shard, 78 times as dear as it is now.
func TestFilterOf78AlternativesOverAListOf60000NumbersIsEvaluated(t *testing.T) {
	var alternatives []string
	for i := range 78 {
		alternatives = append(alternatives, fmt.Sprintf(`{"l":[%d]}`, 1000+i))
	}
	view := narrow(t, View{}, `{"$or":[`+strings.Join(alternatives, ",")+`]}`)
	data := raw(`{"l":[` + strings.Repeat(`1,`, 59_999) + `1]}`)
	seen, taken, err := seenFor(NewChange(events.Modified, data, data), view, math.MaxInt)
	if err != nil || seen.Visible() || taken > 2*2*60_010 {
		t.Errorf("it takes %d steps and gives %v, %v", taken, seen, err)
	}
}

// TestOneConditionIsTriedOnTheLongestList in both states of a change.
func TestOneConditionIsTriedOnTheLongestList(t *testing.T) {
	data := fill(same(`2`))
	if seen := changeIn(t, narrow(t, View{}, `{"l":[3]}`), events.Modified, raw(data), raw(data[:len(data)-3]+`3]}`)); seen.Op != events.Added {
		t.Errorf("it is seen as %q", seen.Op)
	}
}

func TestFilterOfTooManyConditionsIsRefused(t *testing.T) {
	refused, err := pattern.Parse(orOf(14))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (View{}).Narrow(raw(orOf(14)), nil); err == nil || err.Error() != "filter has 70 conditions, at most 64 are allowed" || refused.Weight() != 70 {
		t.Errorf("a filter of weight %d gives %v", refused.Weight(), err)
	}
	accepted := narrow(t, View{}, orOf(12)+"\n")
	stored := strings.Replace(accepted.String(), orOf(12), orOf(14), 1)
	if v, err := DecodeView(stored); err != nil || v.String() != stored || v.Weight() != 70 {
		t.Errorf("one that was stored before is decoded as %s, %v", v, err)
	}
}

// TestWorstFilterCostsAChangeOnly: what is too costly takes the steps of one change, and
// the next change is evaluated as usual.
func TestWorstFilterCostsAChangeOnly(t *testing.T) {
	view := narrow(t, forced(t, ``, `{"omit":["secret"]}`), orOf(12))
	budget := NewBudget(2*MaxStepsPerChange + 100)
	worst, plain := raw(fill(same(`99`))), raw(`{"l":[2],"m":1,"secret":1}`)
	for i := range 2 {
		if seen, err := NewChange(events.Added, nil, worst).In(view, budget); !errors.Is(err, ErrCostly) || seen.Visible() || seen.Data != nil {
			t.Fatalf("the worst item gives %s, %v", seen.Data, err)
		}
		if want := (1-i)*MaxStepsPerChange + 100; budget.Left() != want {
			t.Fatalf("then %d steps are left, want %d", budget.Left(), want)
		}
	}
	if seen, err := NewChange(events.Added, nil, plain).In(view, budget); err != nil || string(seen.Data) != `{"l":[2],"m":1}` {
		t.Fatalf("after it an item is seen as %s, %v", seen.Data, err)
	}
	if _, visible, err := view.Item(worst, budget); !errors.Is(err, ErrCostly) || visible || budget.Left() != 0 {
		t.Fatalf("for the last steps it is visible: %v, %v; left are %d", visible, err, budget.Left())
	}
}

// TestIssuersPartIsSeenWithoutBudget: only what clients chose is charged.
func TestIssuersPartIsSeenWithoutBudget(t *testing.T) {
	for _, b := range []*Budget{NewBudget(0), NewBudget(-1)} {
		if b.Left() != 0 {
			t.Errorf("%d steps are left of none", b.Left())
		}
		for _, v := range []View{{}, forced(t, `{"a":[1]}`, ``), forced(t, ``, `{"omit":["b"]}`)} {
			if seen, err := NewChange(events.Added, nil, raw(`{"a":1}`)).In(v, b); err != nil || string(seen.Data) != `{"a":1}` || v.Weight() != 0 {
				t.Errorf("%s of weight %d sees %s, %v", v, v.Weight(), seen.Data, err)
			}
		}
		for _, v := range []View{narrow(t, View{}, `{"a":[1]}`), narrow(t, View{}, ``, "a")} {
			if _, err := NewChange(events.Added, nil, raw(`{"a":1}`)).In(v, b); !errors.Is(err, ErrCostly) || v.Weight() == 0 {
				t.Errorf("%s of weight %d gives %v", v, v.Weight(), err)
			}
		}
		hiding := narrow(t, forced(t, `{"a":[2]}`, ``), `{"a":[1]}`)
		if seen, err := NewChange(events.Added, nil, raw(`{"a":1}`)).In(hiding, b); err != nil || seen.Visible() {
			t.Errorf("of a hidden item is seen %s, %v", seen.Data, err)
		}
	}
}

// TestIssuersPartIsEvaluatedOnce for all views that share it.
func TestIssuersPartIsEvaluatedOnce(t *testing.T) {
	c := NewChange(events.Modified, raw(`{"a":1,"b":1,"n":1}`), raw(`{"a":1,"b":2,"n":2}`))
	rule := forced(t, `{"a":[1]}`, `{"omit":["b"]}`)
	var first []byte
	var views errgroup.Group
	for i := range 50 {
		seen, err := c.In(narrow(t, rule, fmt.Sprintf(`{"n":[{"numeric":["<",%d]}]}`, 10+i)), nil)
		if err != nil || string(seen.Data) != `{"a":1,"n":2}` {
			t.Fatalf("seen is %s, %v", seen.Data, err)
		}
		if first == nil {
			first = seen.Data
		}
		if &first[0] != &seen.Data[0] {
			t.Fatal("it is encoded again for another view")
		}
		views.Go(func() error { // at the same time, and other rules too
			_, err := c.In(narrow(t, forced(t, fmt.Sprintf(`{"a":[1,%d]}`, i%5), `{"omit":["b"]}`), ``, "n"), NewBudget(1000))
			return err
		})
	}
	if err := views.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(c.masked) != 1 || len(c.is.holds) != 5+1 {
		t.Errorf("%d masks and %d filters were applied", len(c.masked), len(c.is.holds))
	}
}

// TestTooCostlyForTheGrantDependsOnSizeAlone: items that match, that do not, and that are
// none, are too costly at the same size.
func TestTooCostlyForTheGrantDependsOnSizeAlone(t *testing.T) {
	var fields []string
	for i := range FullMustWeight {
		fields = append(fields, fmt.Sprintf(`"f%d":[1]`, i))
	}
	view := forced(t, `{`+strings.Join(fields, ",")+`}`, ``) // weighs twice as much
	const most = events.MaxDataBytes / 2
	match := `{` + strings.ReplaceAll(strings.Join(fields, ","), "[1]", "1") + `}`
	for _, data := range []string{match, `{"other":{"x":[1,2,3]}}`, `{"f1":1}`, `[1]`, `nothing`} {
		for size, want := range map[int]error{most: nil, most + 1: ErrCostly} {
			text := raw(data + strings.Repeat(" ", size-len(data)))
			seen, visible, err := view.Item(text, nil)
			if !errors.Is(err, want) || visible != (data == match && want == nil) {
				t.Errorf("%.30s of %d bytes: %v, %.30s, want %v", data, size, err, seen, want)
			}
			if _, err := NewChange(events.Modified, text, raw(match)).In(view, nil); !errors.Is(err, want) {
				t.Errorf("change from %.30s of %d bytes: %v, want %v", data, size, err, want)
			}
			if _, err := NewChange(events.Modified, raw(match), text).In(view, nil); !errors.Is(err, want) {
				t.Errorf("change to %.30s of %d bytes: %v, want %v", data, size, err, want)
			}
		}
	}
	full := forced(t, `{`+strings.Join(fields[:FullMustWeight/2], ",")+`}`, ``)
	if _, visible := itemIn(t, full, raw(match+strings.Repeat(" ", events.MaxDataBytes-len(match)))); !visible {
		t.Error("a filter of the full weight is not tried on data of the full size")
	}
}

// TestMaskMayLengthen: what is seen is then longer than the data, and may not fit.
func TestMaskMayLengthen(t *testing.T) {
	data := `{"rows":[` + strings.TrimSuffix(strings.Repeat(`{"pin":1234},`, 8000), ",") + `]}`
	seen, visible := itemIn(t, forced(t, ``, `{"replace":{"rows.pin":"`+strings.Repeat("*", 30)+`"}}`), raw(data))
	if !visible || len(data) > events.MaxDataBytes || len(seen) < 2*events.MaxDataBytes {
		t.Errorf("of %d bytes are seen %d, %v", len(data), len(seen), visible)
	}
}

// TestDeltaIsASavingOnly: without steps for it the whole data is told.
func TestDeltaIsASavingOnly(t *testing.T) {
	before, data := raw(`{"a":"long enough","n":1}`), raw(`{"a":"long enough","n":2}`)
	view := narrow(t, View{}, ``, "a", "n")
	_, need, err := seenFor(NewChange(events.Modified, before, data), view, math.MaxInt)
	if err != nil {
		t.Fatal(err)
	}
	for more, want := range map[int]bool{0: false, 10: false, 100: true} {
		b := NewBudget(need + more)
		seen, err := NewChange(events.Modified, before, data).In(view, b)
		if err != nil || string(seen.Data) != string(data) {
			t.Fatalf("seen is %s, %v", seen.Data, err)
		}
		if patch, ok := seen.Delta(b); ok != want || ok && string(patch) != `{"n":2}` {
			t.Errorf("for %d steps more there is the patch %s, %v", more, patch, ok)
		}
	}
}

// TestBudgetProperty: enough steps change nothing, one less is too costly, and the weight
// bounds how many are enough.
func TestBudgetProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		view, state := views(t), rapid.Custom(objects).Draw(t, "state")
		op, before, data := nextState(t, state)
		want, err := NewChange(op, before, data).In(view, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, n, _ := seenFor(NewChange(op, before, data), view, math.MaxInt)
		left := forcedPart(t, view, before, data)
		if n > view.Weight()*left {
			t.Fatalf("%s, of weight %d, takes %d steps of %d bytes", view, view.Weight(), n, left)
		}
		got, taken, err := seenFor(NewChange(op, before, data), view, n)
		if err != nil || taken != n || got.Op != want.Op || string(got.Data) != string(want.Data) {
			t.Fatalf("%s sees %v, %v of %s for its %d steps, want %v", view, got, err, data, n, want)
		}
		if n == 0 {
			return
		}
		fewer := rapid.IntRange(0, n-1).Draw(t, "fewer")
		if got, taken, err := seenFor(NewChange(op, before, data), view, fewer); !errors.Is(err, ErrCostly) || got.Visible() || taken != fewer {
			t.Fatalf("%s takes %d of %d steps, but %d suffice for %v, %v", view, taken, fewer, n, got, err)
		}
	})
}

// forcedPart gives how many bytes the issuer's part of a view leaves of states.
func forcedPart(t *rapid.T, v View, states ...json.RawMessage) (bytes int) {
	for _, state := range states {
		seen, _ := itemIn(t, narrow(t, v, ``), state)
		bytes += len(seen)
	}
	return bytes
}

// TestHiddenCostsNothing has two worlds that differ in what the grant hides, by filter or
// mask, in any shape and size: what is seen, what is too costly and what is charged is the
// same.
func TestHiddenCostsNothing(t *testing.T) {
	costly := 0
	rapid.Check(t, func(t *rapid.T) {
		rule := forced(t, `{"public":[true]}`, `{"omit":["h","l.h"],"replace":{"r":"*"}}`)
		filter := rapid.SampledFrom([]string{``, `{"a":[1]}`, `{"l":{"b":[1,2]}}`, `{"h":[{"exists":false}]}`, `{"$or":[{"l":{"h":[1]}},{"r":["*"]}]}`, `{"r":[{"exists":true}]}`}).Draw(t, "filter")
		view := narrow(t, rule, filter, rapid.SliceOfN(rapid.SampledFrom([]string{"a", "l", "l.h", "l.b", "h", "r"}), 0, 3).Draw(t, "fields")...)
		var before, data [2]json.RawMessage
		before[0], before[1] = drawWorlds(t)
		data[0], data[1] = drawWorlds(t)
		steps := rapid.IntRange(0, 300).Draw(t, "steps")
		var told [2]string
		for i := range told {
			b := NewBudget(steps)
			seen, err := NewChange(events.Modified, before[i], data[i]).In(view, b)
			patch, _ := seen.Delta(b)
			told[i] = fmt.Sprintf("%s %s %s %v, %d left", seen.Op, seen.Data, patch, err, b.Left())
			if err != nil {
				costly++
			}
		}
		if told[0] != told[1] {
			t.Fatalf("%s tells %s of %s to %s,\nbut %s of %s to %s", view, told[0], before[0], data[0], told[1], before[1], data[1])
		}
	})
	if costly == 0 {
		t.Error("nothing was too costly")
	}
}

// drawWorlds gives two states that differ in what is hidden alone.
func drawWorlds(t *rapid.T) (a, b json.RawMessage) {
	if rapid.IntRange(0, 3).Draw(t, "hide all") == 0 {
		return drawHidden(t, `{"a":1,"h":%s,"l":%s}`), drawHidden(t, `{"public":false,"r":%s,"x":%s}`)
	}
	members := `{"public":true,"a":` + rapid.SampledFrom([]string{`1`, `2`, `[1,[2]]`, `"x"`}).Draw(t, "a") + `,"h":%s,"r":%s,"l":[`
	for i := range rapid.IntRange(0, 3).Draw(t, "l") {
		if i > 0 {
			members += ","
		}
		members += rapid.SampledFrom([]string{`{"b":1,"h":%s}`, `{"b":2,"h":%s}`, `[{"h":%s}]`, `3`}).Draw(t, "element")
	}
	return drawHidden(t, members+`]}`), drawHidden(t, members+`]}`)
}

// drawHidden puts anything in place of each %s.
func drawHidden(t *rapid.T, text string) json.RawMessage {
	for strings.Contains(text, "%s") {
		hidden := rapid.SampledFrom([]string{`1`, `null`, `"` + strings.Repeat("s", 500) + `"`, `[` + strings.Repeat(`1,`, 200) + `2]`, ``}).Draw(t, "hidden")
		if hidden == "" {
			hidden = values(t, 3, true, nil, func([]string) string { return `1` })
		}
		text = strings.Replace(text, "%s", hidden, 1)
	}
	return json.RawMessage(text)
}

// TestStepsOfFields counts what showing costs, and then what a patch does.
func TestStepsOfFields(t *testing.T) {
	for _, c := range []struct {
		field, before, data string
		in, delta           int
	}{
		{"a", ``, `{}`, makeSteps + memberSteps + writeSteps, 0},
		{"a", ``, `{"a":1,"b":2}`, makeSteps + memberSteps + makeMemberSteps + writeMemberSteps + 2*writeSteps, 0},
		{"a", ``, `{"a":[1,[]]}`, makeSteps + memberSteps + makeMemberSteps + writeMemberSteps + 4*writeSteps, 0},
		{"a", ``, `{"a":"` + strings.Repeat("x", 3*writeStepBytes) + `"}`, makeSteps + memberSteps + makeMemberSteps + writeMemberSteps + 2*writeSteps + 3, 0},
		{strings.Repeat("a", 3*writeStepBytes), ``, `{"` + strings.Repeat("a", 3*writeStepBytes) + `":1}`, makeSteps + memberSteps + makeMemberSteps + writeMemberSteps + 3 + 2*writeSteps, 0},
		{"a.b", ``, `{"a":[{"b":1},{},3]}`, (makeSteps + memberSteps + makeMemberSteps) + // a
			(makeSteps + 3*elementSteps) + 2*(makeSteps+memberSteps) + makeMemberSteps + // its elements
			2*writeMemberSteps + 5*writeSteps, 0},
		{"a", `{"a":1,"b":1}`, `{"a":1,"b":2}`, 2*(makeSteps+memberSteps+makeMemberSteps) + memberSteps, 0},
		{"a", `{"a":1}`, `{"a":2}`, 2*(makeSteps+memberSteps+makeMemberSteps) + memberSteps + writeMemberSteps + 2*writeSteps,
			2*memberSteps + writeMemberSteps + 2*writeSteps},
		{"a", `{"a":[1,{"b":1}]}`, `{"a":[1,{"b":2}]}`, 2*(makeSteps+memberSteps+makeMemberSteps) + 2*memberSteps + 2*elementSteps + 2*writeMemberSteps + 5*writeSteps,
			3*memberSteps + 2*elementSteps + // compares
				2*elementSteps + memberSteps + // looks for null
				2*writeMemberSteps + 5*writeSteps},
	} {
		op := events.Modified
		if c.before == "" {
			op = events.Added
		}
		b := NewBudget(1000)
		seen, err := NewChange(op, raw(c.before), raw(c.data)).In(narrow(t, View{}, ``, c.field), b)
		if in := 1000 - b.Left(); err != nil || in != c.in {
			t.Errorf("%s of %s takes %d steps, %v; want %d", c.field, c.data, in, err, c.in)
		}
		b = NewBudget(1000)
		if seen.Delta(b); 1000-b.Left() != c.delta {
			t.Errorf("the patch of %s of %s takes %d steps, want %d", c.field, c.data, 1000-b.Left(), c.delta)
		}
	}
}

// TestStepsDoNotDependOnTheOrderOfMembers, which is another each time.
func TestStepsDoNotDependOnTheOrderOfMembers(t *testing.T) {
	state := func(n int) json.RawMessage {
		var members []string
		for i := range 20 {
			members = append(members, fmt.Sprintf(`"m%d":[%d,"%s",{"x":{"y":%d}}],"o%d":{"p":{"q":%d,"n%d":null}}`, i, i*n, strings.Repeat("x", i*n), n, i, i%3*n, i*n))
		}
		return raw(`{"a":{` + strings.Join(members, ",") + `}}`)
	}
	left := map[int]bool{}
	for range 50 {
		b := NewBudget(100_000)
		seen, err := NewChange(events.Modified, state(1), state(2)).In(narrow(t, View{}, ``, "a"), b)
		if err != nil {
			t.Fatal(err)
		}
		seen.Delta(b)
		left[b.Left()] = true
	}
	if len(left) != 1 {
		t.Errorf("left of the same budget are %v", left)
	}
}

// TestDeltaIsWithinTheStepsOfItsChange, however many the budget has.
func TestDeltaIsWithinTheStepsOfItsChange(t *testing.T) {
	members := fill(func(i int) string { return fmt.Sprintf(`"x%04x":1`, i) })
	b := NewBudget(math.MaxInt)
	seen, err := NewChange(events.Modified, raw(members), raw(strings.ReplaceAll(members, ":1", ":2"))).In(narrow(t, View{}, ``, "l"), b)
	if err != nil || !seen.Visible() {
		t.Fatalf("seen is %.30s, %v", seen.Data, err)
	}
	if patch, ok := seen.Delta(b); ok || math.MaxInt-b.Left() != MaxStepsPerChange {
		t.Errorf("for %d steps there is the patch %.30s", math.MaxInt-b.Left(), patch)
	}
}

// worst has what is dear to look into, in all ways, as large as it may be.
var worst = map[string]struct {
	filter string
	fields []string
	data   string
}{
	"numbers":             {`{"l":[1]}`, nil, fill(same(`2`))},
	"numbers, 12 times":   {orOf(12), nil, fill(same(`99`))},
	"decimals":            {`{"l":[{"numeric":[">",1.5]}]}`, nil, fill(same(`1.25e-1`))},
	"objects":             {`{"l":{"a":[1],"b":[1]}}`, nil, fill(same(`{}`))},
	"letters":             {`{"l":[{"equals-ignore-case":"` + strings.Repeat("é", 60) + `"}]}`, nil, fill(same(`"` + strings.Repeat("É", 59) + `e"`))},
	"show numbers":        {``, []string{"l"}, fill(same(`2`))},
	"show members":        {``, []string{"l"}, fill(func(i int) string { return fmt.Sprintf(`"x%x":0`, i*7919%65536) })},
	"show long members":   {``, []string{"l"}, fill(func(i int) string { return fmt.Sprintf(`"x%040x":0`, i*7919%65536) })},
	"show empty objects":  {``, []string{"l"}, fill(same(`{}`))},
	"show objects":        {``, []string{"l"}, fill(same(`{"a":0}`))},
	"show text":           {``, []string{"l"}, fill(same(`"` + strings.Repeat("x", 10000) + `"`))},
	"show short texts":    {``, []string{"l"}, fill(same(`"xxxxxxx"`))},
	"show escapes":        {``, []string{"l"}, fill(same(`"` + strings.Repeat("\\u2028", 1000) + `"`))},
	"show letters":        {``, []string{"l"}, fill(same(`"` + strings.Repeat("é", 1000) + `"`))},
	"show some":           {``, []string{"l.a"}, fill(same(`{"a":0}`))},
	"show none":           {``, []string{"l.b"}, fill(same(`{}`))},
	"show none, 32 times": {``, manyFields(), fill(same(`{}`))},
	"show empty lists":    {``, []string{"l.b"}, fill(same(`[]`))},
	"show deep":           {``, []string{"l.a.a.a.a"}, fill(same(`{"a":{"a":{"a":{"a":0}}}}`))},
}

func manyFields() (fields []string) {
	for i := range MaxFields {
		fields = append(fields, fmt.Sprintf("l.m%d", i))
	}
	return fields
}

// changed gives a change at the end of such data.
func changed(data string) *Change {
	end := data[len(data)-2:]
	more := map[string]string{"]}": `,5]}`, "}}": `,"z":5}}`}[end]
	return NewChange(events.Modified, raw(data), raw(data[:len(data)-2]+more))
}

// TestWeightBoundsWhatIsTaken of any data: so many steps for each byte.
func TestWeightBoundsWhatIsTaken(t *testing.T) {
	for name, c := range worst {
		view := narrow(t, View{}, c.filter, c.fields...)
		_, taken, err := seenFor(changed(c.data), view, math.MaxInt)
		if most := 2 * view.Weight() * len(c.data); taken == 0 || taken > MaxStepsPerChange || taken > most {
			t.Errorf("%s: %s takes %d steps, %v; want at most %d and %d", name, view, taken, err, MaxStepsPerChange, most)
		}
	}
}

// BenchmarkNarrow shows what the client's part of a view costs of one change, in all and
// for a step.
func BenchmarkNarrow(b *testing.B) {
	for name, c := range worst {
		b.Run(name, func(b *testing.B) {
			view := narrow(b, View{}, c.filter, c.fields...)
			change := changed(c.data)
			taken := 0
			for b.Loop() {
				_, n, _ := seenFor(change, view, math.MaxInt)
				taken += n
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(taken), "ns/step")
			b.ReportMetric(float64(taken)/float64(b.N), "steps/op")
		})
	}
}

// BenchmarkDelta shows what patches cost between states that are as large as they may be,
// once for all views without fields, and once for each view with them.
func BenchmarkDelta(b *testing.B) {
	members := func(from, to int) string {
		var list []string
		for i := range to - from {
			list = append(list, fmt.Sprintf(`"x%x":0`, (from+i)*7919%65536))
		}
		return `{"l":{` + strings.Join(list, ",") + `}}`
	}
	for name, c := range map[string]struct{ before, after string }{
		"one element":     {fill(same(`2`)), strings.Replace(fill(same(`2`)), "2", "3", 1)},
		"one member":      {members(0, 13000), strings.Replace(members(0, 13000), "0", "3", 1)},
		"removed members": {members(0, 13000), members(6000, 13000)},
		"all members":     {members(0, 13000), strings.ReplaceAll(members(0, 13000), ":0", ":1")},
	} {
		for _, fields := range [][]string{nil, {"l"}} {
			b.Run(fmt.Sprint(name, fields), func(b *testing.B) {
				view := narrow(b, View{}, "", fields...)
				taken := 0
				for b.Loop() {
					b.StopTimer()
					change := NewChange(events.Modified, raw(c.before), raw(c.after))
					change.was.object()
					change.is.object()
					budget := NewBudget(math.MaxInt)
					seen, err := change.In(view, budget)
					if err != nil {
						b.Fatal(err)
					}
					taken -= math.MaxInt - budget.Left()
					b.StartTimer()
					seen.Delta(budget)
					taken += math.MaxInt - budget.Left()
				}
				b.ReportMetric(float64(taken)/float64(b.N), "steps/op")
			})
		}
	}
}
