// Package exactjson is the only place that knows how JSON is read and written on the wire:
// like package encoding/json does it, but names count with their case, and text stays as it is
// given.
//
// encoding/json takes a member for a field whose name it has in another case, such as
// "ACTION" for Action. Nobody else who reads a frame or an AWS request does so: API
// Gateway, DynamoDB and JavaScript tell the two apart. What one reader takes and another
// passes over is a way around the second.
//
// The module that it uses is what Go 1.27 has as encoding/json/v2.
package exactjson

import (
	stdlib "encoding/json"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

var options = json.JoinOptions(
	jsonv1.DefaultOptionsV1(), json.MatchCaseInsensitiveNames(false), jsontext.EscapeForHTML(false), jsontext.EscapeForJS(false),
	json.WithMarshalers(json.MarshalToFunc(writeNumber)), json.WithUnmarshalers(json.UnmarshalFromFunc(readNumber)),
)

// writeNumber and readNumber know the Number of encoding/json, which the module takes for text:
// it has one of its own.
func writeNumber(out *jsontext.Encoder, n stdlib.Number) error {
	return json.MarshalEncode(out, jsonv1.Number(n))
}

func readNumber(in *jsontext.Decoder, n *stdlib.Number) error {
	return json.UnmarshalDecode(in, (*jsonv1.Number)(n))
}

// Unmarshal is json.Unmarshal, except that a member belongs to a field of a struct only
// if its name is exactly the field's. Any other member of a struct is ignored.
func Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v, options) }

// TypeError is the error of a member that is of another type than its field.
type TypeError = jsonv1.UnmarshalTypeError

// Marshal is json.Marshal, except that it escapes what JSON wants escaped, and nothing else:
// not < > & U+2028 U+2029, which json.Marshal makes up to six times as long.
func Marshal(v any) ([]byte, error) { return json.Marshal(v, options) }
