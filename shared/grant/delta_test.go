package grant

import (
	"encoding/json"
	"maps"
	"reflect"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/watchroute/watchroute/events"
	"pgregory.net/rapid"
)

func TestDelta(t *testing.T) {
	const filler = `"filler":"0123456789012345678901234567890123456789"`
	for _, c := range []struct{ before, after, want string }{
		{`{"a":1,` + filler + `}`, `{"a":2,` + filler + `}`, `{"a":2}`},
		{`{"a":1,` + filler + `}`, `{` + filler + `}`, `{"a":null}`},
		{`{"a":{"b":1,"c":2},` + filler + `}`, `{"a":{"b":1,"c":3},` + filler + `}`, `{"a":{"c":3}}`},
		{`{"a":1,` + filler + `}`, `{"a":12345678901234567890123456789012345678,` + filler + `}`, `{"a":12345678901234567890123456789012345678}`},
		{`{"a":12345678901234567890123456789012345678,` + filler + `}`, `{"a":12345678901234567890123456789012345679,` + filler + `}`, `{"a":12345678901234567890123456789012345679}`},
		{`{"a":1,` + filler + `}`, `{"a":1.0,` + filler + `}`, `{"a":1.0}`},
		{`{"a":1,` + filler + `}`, `{"a":"<&>",` + filler + `}`, `{"a":"<&>"}`},
		{`{"a":[1,2],` + filler + `}`, `{"a":[1,null],` + filler + `}`, `{"a":[1,null]}`},
		{`{"a":1}`, `{"a":2}`, ``},                                        // not smaller
		{`{"a":1,` + filler + `}`, `{"a":null,` + filler + `}`, ``},       // null would remove
		{`{"a":1,` + filler + `}`, `{"a":{"b":null},` + filler + `}`, ``}, // here too
		{`{` + filler + `}`, `[1]`, ``},
		{`null`, `{"a":1}`, ``},
		{``, `{"a":1}`, ``},
		{`[{"a":1}]`, `[{"a":2}]`, ``},
	} {
		patch, ok := changeIn(t, View{}, events.Modified, raw(c.before), raw(c.after)).Delta(nil)
		if ok != (c.want != "") || string(patch) != c.want {
			t.Errorf("%s to %s: %s, %v; want %s", c.before, c.after, patch, ok, c.want)
		}
	}
}

// TestDeltaByTheBook applies patches as RFC 7396 itself has it, and with a library that
// clients use.
func TestDeltaByTheBook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkDelta(t, objects(t), objects(t))
	})
}

func checkDelta(t rapid.TB, before, after json.RawMessage) {
	t.Helper()
	patch, ok := changeIn(t, View{}, events.Modified, before, after).Delta(nil)
	switch {
	case !ok && patch != nil:
		t.Fatalf("%s to %s is no patch, but %s", before, after, patch)
	case !ok:
		return
	case len(patch) >= len(after):
		t.Fatalf("%s to %s is patched with %s, which is not smaller", before, after, patch)
	case !reflect.DeepEqual(applyRFC7396(object(before), object(patch)), object(after)):
		t.Fatalf("%s to %s is patched with %s", before, after, patch)
	}
	applied, err := jsonpatch.MergePatch(before, patch)
	if err != nil || !reflect.DeepEqual(object(applied), object(after)) {
		t.Fatalf("%s to %s is patched with %s, which a library takes for %s, %v", before, after, patch, applied, err)
	}
}

// applyRFC7396 is the pseudocode of RFC 7396, section 2.
func applyRFC7396(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, _ := target.(map[string]any)
	if object = maps.Clone(object); object == nil {
		object = map[string]any{}
	}
	for name, value := range members {
		if value == nil {
			delete(object, name)
		} else {
			object[name] = applyRFC7396(object[name], value)
		}
	}
	return object
}

func FuzzDelta(f *testing.F) {
	f.Add(`{"a":1,"b":{"c":[1,{"d":null}]},"long":"0123456789"}`, `{"a":1.0,"b":{"c":[1,{"d":2}]},"long":"0123456789"}`)
	f.Add(`{"a":{"b":1}}`, `{"a":{}}`)
	f.Add(`[{"a":1}]`, `[{"a":2}]`)
	f.Fuzz(func(t *testing.T, before, after string) {
		checkDelta(t, json.RawMessage(before), json.RawMessage(after))
	})
}
