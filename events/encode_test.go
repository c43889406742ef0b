package events_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/watchroute/watchroute/events"
)

// TestTextIsAsLongAsItIs: package json makes six bytes of each of these characters.
func TestTextIsAsLongAsItIs(t *testing.T) {
	for _, text := range []string{"<>&", "\u2028\u2029", `\u2028`, `\\u2029`, "\\\u2028\\", `u2028`, "\u2027\u202a", "é€😀"} {
		want := `"` + strings.ReplaceAll(text, `\`, `\\`) + `"`
		if got, err := events.Marshal(text); string(got) != want || err != nil {
			t.Errorf("%q is written %s, %v, want %s", text, got, err, want)
		}
	}
}

// TestRawJSONStaysAsItIs, apart from spaces.
func TestRawJSONStaysAsItIs(t *testing.T) {
	for given, want := range map[string]string{
		`{"a":"<&>\u003c"}`:              `{"a":"<&>\u003c"}`,
		` { "a" : 1.0e+1 } `:             `{"a":1.0e+1}`,
		"\"\u2028\u2029\"":               "\"\u2028\u2029\"",
		`"\u2028 \\u2028 \\\u2029"`:      `"\u2028 \\u2028 \\\u2029"`,
		`{"\\":"\\","\"":"\u202","a":1}`: "",
	} {
		got, err := events.Marshal(json.RawMessage(given))
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s is written %s, %v, want %s", given, got, err, want)
		}
	}
}

// FuzzMarshal: what is written means what was given, and is as short as JSON allows.
func FuzzMarshal(f *testing.F) {
	for _, text := range []string{"", "<&>", "\u2028\\u2028", "\\\\u2029\"", "\x00\x1f\x7f\u0080"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "?")
		written, err := events.Marshal(map[string]string{text: text})
		var read map[string]string
		if err != nil || !utf8.Valid(written) || json.Unmarshal(written, &read) != nil || len(read) != 1 || read[text] != text {
			t.Fatalf("%q is written %s, %v, and read as %q", text, written, err, read)
		}
		most := 0
		for _, r := range text {
			switch {
			case r == '\n' || r == '\r' || r == '\t' || r == '\b' || r == '\f' || r == '"' || r == '\\':
				most += 2
			case r < ' ':
				most += 6
			default:
				most += utf8.RuneLen(r)
			}
		}
		if n := len(`{"":""}`) + 2*most; len(written) != n {
			t.Errorf("%q is written %s, with %d bytes, want %d", text, written, len(written), n)
		}
	})
}
