package grant

import (
	"encoding/json"
	"reflect"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

// Delta gives the merge patch (RFC 7396) that turns what was seen before into what is
// seen after. ok is false if there is none that is smaller than after, which a watcher
// then gets whole: merge patches cannot set a member to null and repeat lists.
//
// Every patch is tried before it is given away: it makes exactly after, digit for digit.
func Delta(before, after json.RawMessage) (patch json.RawMessage, ok bool) {
	_, was := decodeObject(before)
	want, is := decodeObject(after)
	if !was || !is { // the library panics on what is no JSON
		return nil, false
	}
	if patch, ok = mergePatch(before, after); !ok || len(patch) >= len(after) {
		return nil, false
	}
	applied, err := jsonpatch.MergePatch(before, patch)
	if err != nil {
		return nil, false
	}
	if got, ok := decodeObject(applied); !ok || !reflect.DeepEqual(got, want) {
		return nil, false
	}
	return patch, true
}

func mergePatch(before, after json.RawMessage) (json.RawMessage, bool) {
	made, err := jsonpatch.CreateMergePatch(before, after)
	if err != nil {
		return nil, false
	}
	members, ok := decodeObject(made)
	return encode(members), ok // without the library's escapes for HTML
}
