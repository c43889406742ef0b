package events

import (
	"bytes"
	"encoding/json"
)

// Marshal is [json.Marshal], but leaves text as it is given. It escapes what JSON wants
// escaped, and not < > & U+2028 U+2029, which json.Marshal makes up to six times as long. So
// the size of data is the same wherever it is measured. Whatever carries users' data goes
// through it.
//
// Raw JSON in the value stays as it is, apart from spaces between its tokens and from escapes
// of U+2028 and U+2029.
func Marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return unescapeSeparators(bytes.TrimSuffix(out.Bytes(), []byte("\n"))), nil
}

// unescapeSeparators writes U+2028 and U+2029 as they are in valid JSON. Package json escapes
// them even without its escapes for HTML. It works in place, because the characters are
// shorter than their escapes.
func unescapeSeparators(text []byte) []byte {
	if !bytes.Contains(text, []byte(`\u202`)) {
		return text
	}
	out := text[:0]
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] != '\\':
			out = append(out, text[i])
		case bytes.HasPrefix(text[i:], []byte(`\u2028`)):
			out = append(out, "\u2028"...)
			i += len(`u2028`)
		case bytes.HasPrefix(text[i:], []byte(`\u2029`)):
			out = append(out, "\u2029"...)
			i += len(`u2029`)
		default: // a backslash may be what is escaped
			out = append(out, text[i], text[i+1])
			i++
		}
	}
	return out
}
