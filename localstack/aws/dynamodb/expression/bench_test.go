package expression

import (
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// What a numbering write does: parse an update and a condition, check, apply.
func BenchmarkUpdate(b *testing.B) {
	names := map[string]string{"#seq": "seq", "#epoch": "epoch"}
	values := item.Item{":n": item.Int(10), ":epoch": item.S("k3f9"), ":seq": item.Int(41)}
	old := item.Item{"topic": item.S("stocks/AAPL"), "seq": item.Int(41), "epoch": item.S("k3f9"), "mark": item.S("x")}
	b.ReportAllocs()
	for b.Loop() {
		s := NewScope(names, values)
		u, err := s.Update("SET #seq = #seq + :n, #epoch = :epoch REMOVE mark")
		if err != nil {
			b.Fatal(err)
		}
		c, err := s.Condition("ConditionExpression", "#seq = :seq AND (attribute_exists(topic) OR #epoch <> :epoch)")
		if err != nil || s.Unused() != nil || !c.Match(old) {
			b.Fatal(err)
		}
		if _, err := u.Apply(old); err != nil {
			b.Fatal(err)
		}
	}
}
