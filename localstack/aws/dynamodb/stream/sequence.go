package stream

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The length of a sequence number, in digits, as the API model bounds it.
const (
	minSequenceDigits = 21
	maxSequenceDigits = 40
)

// counterDigits is how many digits of a sequence number count the changes of a
// stream; those before it are the second at which the stream was made, so that
// numbers of two streams are not mistaken for each other.
const counterDigits = 15

// numbering makes and reads the sequence numbers of one stream. All have the
// same length, so they sort as text too.
type numbering struct{ prefix string }

func newNumbering(created time.Time) numbering {
	return numbering{prefix: fmt.Sprintf("%010d", created.Unix())}
}

// text gives the sequence number of the n-th change of the stream.
func (n numbering) text(count uint64) string {
	digits := strconv.FormatUint(count, 10)
	return n.prefix + strings.Repeat("0", counterDigits-len(digits)) + digits
}

// parse is the inverse of text. A number of another stream is taken by its
// place: below all of ours it is 0, above them the greatest count. It reports
// false if s is not a sequence number at all.
func (n numbering) parse(s string) (count uint64, ok bool) {
	if len(s) < minSequenceDigits || len(s) > maxSequenceDigits || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	head, tail := s[:len(s)-counterDigits], s[len(s)-counterDigits:]
	width := maxSequenceDigits - counterDigits
	switch strings.Compare(zeroPad(head, width), zeroPad(n.prefix, width)) {
	case -1:
		return 0, true
	case 1:
		return maxCount, true
	}
	count, err := strconv.ParseUint(tail, 10, 64)
	return count, err == nil
}

// maxCount is the greatest count a sequence number has room for.
const maxCount uint64 = 999_999_999_999_999

func zeroPad(digits string, width int) string {
	return strings.Repeat("0", width-len(digits)) + digits
}
