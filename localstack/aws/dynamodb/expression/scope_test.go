package expression

import (
	"slices"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// The expressions of one request share their placeholders: each must be used by
// one of them.
func TestScopeIsShared(t *testing.T) {
	s := NewScope(map[string]string{"#a": "a", "#b": "b"}, item.Item{":v": item.Int(1), ":w": item.Int(2)})
	if _, err := s.Update("SET #a = :v"); err != nil {
		t.Fatal(err)
	}
	if got, want := message(t, s.Unused()), "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := s.Projection("#b"); err != nil {
		t.Fatal(err)
	}
	if got, want := message(t, s.Unused()), "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := s.Condition("FilterExpression", "a > :w"); err != nil {
		t.Fatal(err)
	}
	if err := s.Unused(); err != nil {
		t.Error(err)
	}
}

func TestAttributes(t *testing.T) {
	s := NewScope(map[string]string{"#a": "a"}, item.Item{":v": item.Int(1)})
	c, err := s.Condition("FilterExpression", "#a.b = :v AND size(c[0]) > :v OR a = :v")
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Projection("#a.b, c[0], c[1]")
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.Update("SET #a.b = c REMOVE a.c")
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range [][]string{c.Attributes(), p.Attributes(), u.Attributes()} {
		if !slices.Equal(got, []string{"a", "c"}) {
			t.Errorf("attributes %q", got)
		}
	}
}

// An item that does not exist yet is one without attributes.
func TestNoItem(t *testing.T) {
	s := NewScope(nil, item.Item{":v": item.Int(1)})
	c, err := s.Condition("ConditionExpression", "attribute_not_exists(a) AND a <> :v")
	if err != nil || !c.Match(nil) {
		t.Errorf("condition on no item: %v", err)
	}
	u, err := s.Update("ADD n :v")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := u.Apply(nil); err != nil || !same(got, item.Item{"n": item.Int(1)}) {
		t.Errorf("update of no item: %v, %v", got, err)
	}
}

// UPDATED_OLD and UPDATED_NEW are the paths of the update in either item.
func TestTouched(t *testing.T) {
	old := decode(t, `{"m":{"M":{"x":{"N":"1"},"y":{"N":"2"}}},"l":{"L":[{"N":"0"},{"N":"1"}]},"n":{"N":"9"},"gone":{"S":"g"}}`)
	u, err := NewScope(nil, item.Item{":v": item.Int(5)}).Update("SET m.x = :v, k = n, l[1] = :v REMOVE gone")
	if err != nil {
		t.Fatal(err)
	}
	updated, err := u.Apply(old)
	if err != nil {
		t.Fatal(err)
	}
	before := decode(t, `{"m":{"M":{"x":{"N":"1"}}},"l":{"L":[{"N":"1"}]},"gone":{"S":"g"}}`)
	if got := u.Touched(old); !same(got, before) {
		t.Errorf("old %s", got.AppendJSON(nil))
	}
	after := decode(t, `{"m":{"M":{"x":{"N":"5"}}},"l":{"L":[{"N":"5"}]},"k":{"N":"9"}}`)
	if got := u.Touched(updated); !same(got, after) {
		t.Errorf("new %s", got.AppendJSON(nil))
	}
}

func decode(t *testing.T, text string) item.Item {
	t.Helper()
	it, err := item.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return it
}
