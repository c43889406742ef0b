package events_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/watchroute/watchroute/events"
)

func TestCheckText(t *testing.T) {
	for _, fine := range []string{
		"", `{}`, `"é€😀"`, `"\ud83d\ude00"`, `"\uD83D\uDE00"`, `"\\ud800"`, `"\\\\\\ud800"`, `"\ud7ff\ue000"`, `"\ufffd\ufffe\uffff"`,
		"\"\ufffd\"", `"\u0000"`, `\`, `"\u`, `"\ud8`,
	} {
		if err := events.CheckText([]byte(fine)); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
	for wrong, want := range map[string]string{
		`"\ud800"`:             `has half of a UTF-16 pair alone, \ud800`,
		`"\uDBFF"`:             `has half of a UTF-16 pair alone, \uDBFF`,
		`"\udc00"`:             `has half of a UTF-16 pair alone, \udc00`,
		`"\ude00\ud83d"`:       `has half of a UTF-16 pair alone, \ude00`,
		`"\ud83d\ud83d\ude00"`: `has half of a UTF-16 pair alone, \ud83d`,
		`"\ud83d \ude00"`:      `has half of a UTF-16 pair alone, \ud83d`,
		`"\ud83d\u0041"`:       `has half of a UTF-16 pair alone, \ud83d`,
		`"\ud83d\\ude00"`:      `has half of a UTF-16 pair alone, \ud83d`,
		`"\ud83d\ude00\ud83d"`: `has half of a UTF-16 pair alone, \ud83d`,
		`"\\\ud800"`:           `has half of a UTF-16 pair alone, \ud800`,
		`"\ud8` + "00":         `has half of a UTF-16 pair alone, \ud800`,
		"\"\xff\"":             `has text that is not UTF-8`,
		"\"\xed\xa0\x80\"":     `has text that is not UTF-8`, // U+D800, as CESU-8 has it
		"\"\xc0\x80\"":         `has text that is not UTF-8`,
		`["a",{"b":"\udfff"}]`: `has half of a UTF-16 pair alone, \udfff`,
		`{"\ud800":"\ud800"}`:  `has half of a UTF-16 pair alone, \ud800`,
	} {
		if err := events.CheckText([]byte(wrong)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", wrong, err, want)
		}
	}
}

// FuzzCheckText: of what is fine nothing becomes U+FFFD that was not, and of what is not
// something does.
func FuzzCheckText(f *testing.F) {
	for _, text := range []string{`\ud83d\ude00`, `\ud800`, `\\ud800`, "\xff", `\ufffd`, "\ufffd", `\uDE00\uD83D`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		data := []byte(`"` + text + `"`)
		var read string
		if json.Unmarshal(data, &read) != nil {
			return
		}
		given := strings.Count(text, "\ufffd")
		for rest := text; rest != ""; {
			switch {
			case strings.HasPrefix(rest, `\u`) && strings.EqualFold(rest[:6], `\ufffd`):
				given++
				rest = rest[6:]
			case rest[0] == '\\':
				rest = rest[2:]
			default:
				rest = rest[1:]
			}
		}
		replaced := strings.Count(read, string(utf8.RuneError)) - given
		if err := events.CheckText(data); (err != nil) != (replaced > 0) {
			t.Errorf("%q is read as %q, with %d characters replaced: %v", text, read, replaced, err)
		}
	})
}

// TestRequestWithTextThatIsNone is refused with the code of what is wrong, and with the
// request's id if that can be read.
func TestRequestWithTextThatIsNone(t *testing.T) {
	half := `has half of a UTF-16 pair alone, \ud800`
	for body, want := range map[string]events.Error{
		`{"id":"1","item":{"id":"i","data":{"a":"\ud800"}}}`:      {ID: "1", Code: events.CodeBadItem, Message: `"item" ` + half},
		`{"id":"1","item":{"id":"\ud800"}}`:                       {ID: "1", Code: events.CodeBadItem, Message: `"item" ` + half},
		`{"id":"1","item":{"\ud800":"i"}}`:                        {ID: "1", Code: events.CodeBadItem, Message: `"item" ` + half},
		`{"id":"1","filter":{"\ud800":["i"]}}`:                    {ID: "1", Code: events.CodeBadRequest, Message: `"filter" ` + half},
		`{"id":"1","fields":["\ud800"]}`:                          {ID: "1", Code: events.CodeBadRequest, Message: `"fields" ` + half},
		`{"id":"1","topic":"\ud800"}`:                             {ID: "1", Code: events.CodeBadTopic, Message: `"topic" ` + half},
		`{"id":"\ud800","topic":"a"}`:                             {Code: events.CodeBadRequest, Message: `"id" ` + half},
		`{"id":"1","\ud800":"a"}`:                                 {ID: "1", Code: events.CodeBadRequest, Message: `frame has a member whose name is no text in Unicode`},
		"{\"id\":\"1\",\"token\":\"\xff\"}":                       {ID: "1", Code: events.CodeBadToken, Message: `"token" has text that is not UTF-8`},
		`{"id":"` + strings.Repeat("i", 129) + `","op":"\ud800"}`: {Code: events.CodeBadRequest, Message: `"op" ` + half},
	} {
		_, err := events.ParseRequest([]byte(body))
		var got *events.Error
		if !errors.As(err, &got) || *got != want {
			t.Errorf("ParseRequest(%.80q) = %+v, want %+v", body, got, want)
		}
	}
}
