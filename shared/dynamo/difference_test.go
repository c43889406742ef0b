package dynamo

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"
)

// TestADifferenceLosesNothing: the state before comes back byte for byte, for any change of any
// state.
func TestADifferenceLosesNothing(t *testing.T) {
	smaller := 0
	rapid.Check(t, func(t *rapid.T) {
		was := rapid.MapOfN(rapid.String(), anyAttribute(3), 0, 8).Draw(t, "was")
		is := rapid.OneOf(rapid.MapOfN(rapid.String(), anyAttribute(3), 0, 8), rapid.Custom(func(t *rapid.T) map[string]types.AttributeValue {
			return edited(t, was, 3)
		})).Draw(t, "is")
		before, after := dataOf(t, was), dataOf(t, is)
		text := differing(before, after)
		if text == "" {
			return // it is kept whole
		}
		smaller++
		if again, err := undo(after, text); err != nil || !bytes.Equal(again, before) {
			t.Errorf("%s\nwas %s\nby %s it was\n%s, %v", after, before, text, again, err)
		}
		if len(text) >= len(before) {
			t.Errorf("the difference has %d bytes, what was %d", len(text), len(before))
		}
		if len(before) > len(after)+len(text) {
			t.Errorf("%d and %d bytes make %d", len(after), len(text), len(before))
		}
	})
	if smaller == 0 {
		t.Error("no difference was smaller than the state")
	}
}

// edited gives an object with some members changed, removed or added, at any depth.
func edited(t *rapid.T, was map[string]types.AttributeValue, depth int) map[string]types.AttributeValue {
	is := maps.Clone(was)
	for name, value := range was {
		m, _ := value.(*types.AttributeValueMemberM)
		switch how := rapid.IntRange(0, 9).Draw(t, "how"); {
		case how == 0:
			delete(is, name)
		case how == 1:
			is[name] = anyAttribute(1).Draw(t, "value")
		case m != nil && depth > 0:
			is[name] = &types.AttributeValueMemberM{Value: edited(t, m.Value, depth-1)}
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "new") == 0 {
		is[rapid.String().Draw(t, "name")] = anyAttribute(1).Draw(t, "value")
	}
	return is
}

func dataOf(t *rapid.T, item map[string]types.AttributeValue) json.RawMessage {
	data, err := appendMap(nil, item)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestADifferenceNamesWhatDiffers, and nothing else.
func TestADifferenceNamesWhatDiffers(t *testing.T) {
	pad := `,"x":"` + strings.Repeat("x", 200) + `"}`
	for _, c := range []struct{ name, was, is, want string }{
		{"nothing", `{"a":1`, `{"a":1`, `{}`},
		{"a member", `{"a":1`, `{"a":2`, `{"was":{"a":1}}`},
		{"digits", `{"a":1.50`, `{"a":1.5`, `{"was":{"a":1.50}}`},
		{"38 digits", `{"a":12345678901234567890123456789012345678`, `{"a":12345678901234567890123456789012345679`, `{"was":{"a":12345678901234567890123456789012345678}}`},
		{"was null", `{"a":null`, `{"a":1`, `{"was":{"a":null}}`},
		{"was null and is gone", `{"a":null`, `{"b":1`, `{"was":{"a":null},"new":["b"]}`},
		{"is null", `{"a":1`, `{"a":null`, `{"was":{"a":1}}`},
		{"is new", `{"b":1`, `{"a":null,"b":1`, `{"new":["a"]}`},
		{"below", `{"a":{"b":1,"c":null}`, `{"a":{"b":2,"d":0}`, `{"in":{"a":{"was":{"b":1,"c":null},"new":["d"]}}}`},
		{"no object any more", `{"a":{"b":1}`, `{"a":[1]`, `{"was":{"a":{"b":1}}}`},
		{"an array", `{"a":[1,2]`, `{"a":[1,3]`, `{"was":{"a":[1,2]}}`},
		{"HTML", `{"a":"<&>"`, `{"a":"<"`, `{"was":{"a":"<&>"}}`},
		{"case", `{"A":1,"a":2`, `{"A":2,"a":2`, `{"was":{"A":1}}`},
	} {
		if got := differing(json.RawMessage(c.was+pad), json.RawMessage(c.is+pad)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if got := differing(json.RawMessage(`{"a":1}`), json.RawMessage(`{"b":1}`)); got != "" {
		t.Errorf("%s is kept, which is longer than the state", got)
	}
}

// FuzzUndo puts any text into a row: it gives an error, and no panic.
func FuzzUndo(f *testing.F) {
	f.Add(`{"a":1}`, `{"in":{"a":{},"b":{}},"was":{"c":1},"new":["a"]}`)
	f.Add(`{"a":{}}`, `{"in":{"a":{"was":null}}}`)
	f.Add(`null`, `{"was":{"a":1}}`)
	f.Add(``, `{"in":{"":{}}}`)
	f.Fuzz(func(t *testing.T, is, text string) {
		if was, err := undo(json.RawMessage(is), text); err == nil && !json.Valid(was) {
			t.Errorf("%s and %s make %s", is, text, was)
		}
	})
}
