package grant

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
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

// BenchmarkNarrow shows what the client's part of a view costs on data that is as large
// as it may be, in all and for a step.
func BenchmarkNarrow(b *testing.B) {
	for name, c := range map[string]struct {
		filter string
		fields []string
		data   string
	}{
		"numbers":            {`{"l":[1]}`, nil, fill(same(`2`))},
		"show numbers":       {``, []string{"l"}, fill(same(`2`))},
		"show members":       {``, []string{"l"}, fill(func(i int) string { return fmt.Sprintf(`"x%x":0`, i*7919%65536) })},
		"show long members":  {``, []string{"l"}, fill(func(i int) string { return fmt.Sprintf(`"x%040x":0`, i*7919%65536) })},
		"show empty":         {``, []string{"l"}, fill(same(`{}`))},
		"show objects":       {``, []string{"l"}, fill(same(`{"a":0}`))},
		"show text":          {``, []string{"l"}, fill(same(`"` + strings.Repeat("x", 10000) + `"`))},
		"show short texts":   {``, []string{"l"}, fill(same(`"xxxxxxx"`))},
		"show escapes":       {``, []string{"l"}, fill(same(`"` + strings.Repeat("\\u2028", 1000) + `"`))},
		"show é":             {``, []string{"l"}, fill(same(`"` + strings.Repeat("é", 1000) + `"`))},
		"show some":          {``, []string{"l.a"}, fill(same(`{"a":0}`))},
		"show none":          {``, []string{"l.b"}, fill(same(`{}`))},
		"show none of lists": {``, []string{"l.b"}, fill(same(`[]`))},
		"show deep":          {``, []string{"l.a.a.a.a"}, fill(same(`{"a":{"a":{"a":{"a":0}}}}`))},
	} {
		b.Run(name, func(b *testing.B) {
			view := narrow(b, View{}, c.filter, c.fields...)
			other := `,5`
			if strings.HasPrefix(c.data, `{"l":{`) {
				other = `,"z":5`
			}
			change := NewChange(events.Modified, raw(`{`+c.data[1:]), raw(c.data[:len(c.data)-2]+other+c.data[len(c.data)-2:]))
			taken := 0
			for b.Loop() {
				budget := NewBudget(math.MaxInt)
				if _, err := change.In(view, budget); err != nil {
					b.Fatal(err)
				}
				taken += math.MaxInt - budget.Left()
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
