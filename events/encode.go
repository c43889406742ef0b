package events

import "github.com/watchroute/watchroute/events/exactjson"

// Marshal is [encoding/json.Marshal], but leaves text as it is given. It escapes what JSON
// wants escaped, and not < > & U+2028 U+2029, which json.Marshal makes up to six times as long.
// So the size of data is the same wherever it is measured. Whatever carries users' data goes
// through it.
//
// Raw JSON in the value stays as it is, apart from spaces between its tokens.
func Marshal(v any) ([]byte, error) { return exactjson.Marshal(v) }
