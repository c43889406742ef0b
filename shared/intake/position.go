package intake

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/watchroute/watchroute/shared/cloudevents"
)

// Position is where a message stands among those of its lane. At compares as text.
type Position struct {
	Lane, At string
}

// Located is a location in a source: a number in a lane, such as an offset in a partition.
func Located(lane, number string) *Position { return &Position{Lane: lane, At: ranked(number)} }

// located is a location as a position, which is in another lane than all versions.
func (p Position) located() Position { return Position{Lane: "location " + p.Lane, At: p.At} }

// maxDigits bounds numbers. Those of Kinesis have up to 129 digits.
//
// Source: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Record.html
const maxDigits = 129

// ranked writes a number so that it compares as text: its length comes first.
func ranked(digits string) string {
	digits = strings.TrimLeft(digits, "0")
	return fmt.Sprintf("%03d %s", len(digits), digits)
}

// isNumber tells whether a text is a whole number of a size that compares.
func isNumber(text string) bool {
	return text != "" && len(text) <= maxDigits && strings.Trim(text, "0123456789") == ""
}

// version is the position of a whole number or a time.
func version(text string) (Position, error) {
	if isNumber(text) {
		return Position{"version", ranked(text)}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return Position{}, refuse(ReasonOrder, "version %.50q is neither a whole number nor a time (RFC 3339)", text)
	}
	return Position{"version by time", timed(at)}, nil
}

// timed writes a time so that it compares as text.
func timed(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000000") }

// eventPosition is where a CloudEvent stands among those of its item, by the extension sequence or by
// its time; nil if it has neither. Of two events with the same time, the one with the higher id
// counts, in whichever order they come. The sequence of a change counts within the change's epoch.
//
// Source: https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/sequence.md
func eventPosition(e cloudevents.Event) *Position {
	switch {
	case isNumber(e.Sequence):
		return &Position{"sequence " + hashed(e.Source+" "+e.Epoch()), ranked(e.Sequence)}
	case e.Sequence != "":
		return &Position{"sequence as text " + hashed(e.Source), fmt.Sprintf("%.512s", e.Sequence)}
	case !e.Time.IsZero():
		return &Position{"time", timed(e.Time) + " " + hashed(e.ID)}
	}
	return nil
}

// hashed makes a text of any length short.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}
