package iam

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzMembers holds the scanner to encoding/json: the same members with the same
// values in what is JSON, and no harm from what is not.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, ` { "a" : "b\"}" , "c":[1,{"d":[]}] ,"e":null}`, `{"a":{"b":"\\"},"a":2}`, `{"\u0061":-1e9}`,
		`{"a"`, `{"a":`, `{"a":"\`, `{"a":1]}`, `[1,2]`, `}`, `{,}`, `{"":""}`, "{\"\xff\":1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := map[string][]byte{}
		members(text, func(name string, value []byte) { got[name] = value })
		elements(text, func([]byte) {})
		var want map[string]json.RawMessage
		if json.Unmarshal(text, &want) != nil {
			return
		}
		if len(got) != len(want) {
			t.Fatalf("%q has members %q, want %q", text, got, want)
		}
		for name, value := range want {
			if !bytes.Equal(got[name], value) {
				t.Errorf("%q: %q is %q, want %q", text, name, got[name], value)
			}
		}
	})
}

// FuzzElements does the same for arrays.
func FuzzElements(f *testing.F) {
	for _, seed := range []string{`[]`, `[1]`, ` [ "a,]" , {"b":[1,2]} , null ]`, `[[],[[]]]`, `[1`, `[,]`, `{"a":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got [][]byte
		elements(text, func(value []byte) { got = append(got, value) })
		var want []json.RawMessage
		if json.Unmarshal(text, &want) != nil {
			return
		}
		if len(got) != len(want) {
			t.Fatalf("%q has elements %q, want %q", text, got, want)
		}
		for i, value := range want {
			if !bytes.Equal(got[i], value) {
				t.Errorf("%q: element %d is %q, want %q", text, i, got[i], value)
			}
		}
	})
}
