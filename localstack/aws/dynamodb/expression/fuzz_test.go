package expression

import (
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// seed adds the recorded requests of a file.
func seed(f *testing.F, file string) {
	f.Helper()
	for _, r := range load(f, file) {
		f.Add(r.Text)
	}
}

// scopeFor has placeholders of every kind, whatever a text may ask for.
func scopeFor() *Scope {
	names := map[string]string{"#n": "n", "#m": "m", "#data": "data", "#dot": "x.y"}
	one := item.Int(1)
	return NewScope(names, item.Item{
		":v": one, ":s": item.S("x"), ":bin": item.B([]byte("x")), ":nil": {Kind: item.Null},
		":b": {Kind: item.Bool, Bool: true}, ":l": {Kind: item.List, L: []item.Value{one}},
		":m":  {Kind: item.Map, M: item.Item{"x": one}},
		":ss": {Kind: item.StringSet, Set: []string{"a"}}, ":ns": {Kind: item.NumberSet, Set: []string{"1"}},
	})
}

func FuzzCondition(f *testing.F) {
	seed(f, "condition.jsonl")
	it := recordedItem(f)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := scopeFor().Condition("ConditionExpression", text)
		if message(t, err) == "" {
			c.Match(it)
			c.Match(nil)
		}
	})
}

func FuzzKeyCondition(f *testing.F) {
	seed(f, "keycondition.jsonl")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := scopeFor().KeyCondition(text)
		if message(t, err) != "" {
			return
		}
		_, err = k.Bounds(Attribute{"p", item.String}, Attribute{"s", item.Number})
		message(t, err)
	})
}

func FuzzProjection(f *testing.F) {
	seed(f, "projection.jsonl")
	it := recordedItem(f)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := scopeFor().Projection(text)
		if message(t, err) == "" && p.Apply(it).Size() > it.Size() {
			t.Errorf("%q gives more than there is", text)
		}
	})
}

func FuzzUpdate(f *testing.F) {
	seed(f, "update.jsonl")
	old := recordedItem(f)
	before := string(old.AppendJSON(nil))
	f.Fuzz(func(t *testing.T, text string) {
		u, err := scopeFor().Update(text)
		if message(t, err) != "" {
			return
		}
		updated, err := u.Apply(old)
		message(t, err)
		if string(old.AppendJSON(nil)) != before {
			t.Fatalf("%q changed the old item", text)
		}
		if err == nil {
			storable(t, text, updated)
		}
	})
}

// storable checks that DynamoDB would take an updated item: it reads itself back.
func storable(t *testing.T, text string, updated item.Item) {
	t.Helper()
	back, err := item.Decode(updated.AppendJSON(nil))
	if err != nil || !same(back, updated) {
		t.Errorf("%q makes an item that cannot be stored: %v", text, err)
	}
}
