package kinesis

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"time"
)

// A sequence number is, in base 16: 2, the second of the shard's creation (9 digits), the last digit of
// the shard's index, a count (16), 00, the second of arrival (9), the shard's index (8), and 2. It is
// written in base 10. Kinesis documents only that they grow within a shard; the form is what others
// have found.
//
// Source: https://github.com/mhart/kinesalite
const sequenceDigits = 47

var decimal = regexp.MustCompile(`^(0|[1-9]\d{0,128})$`)

// number is the sequence number of a record.
func (st *stream) number(shard int, count uint64, arrived time.Time) string {
	text := fmt.Sprintf("2%09x%x%016x00%09x%08x2", st.created.Unix(), shard%16, count, arrived.Unix(), shard)
	n, _ := new(big.Int).SetString(text, 16) // these are digits
	return n.String()
}

// parsed is a sequence number that has been read.
type parsed struct {
	shard int
	count uint64
	ours  bool // it came from this stream
}

// parse reads a sequence number; ok is false if it is none.
func (st *stream) parse(sequence string) (p parsed, ok bool) {
	if !decimal.MatchString(sequence) { // first, because a long number takes long to read
		return p, false
	}
	n, _ := new(big.Int).SetString(sequence, 10)
	text := n.Text(16)
	if len(text) != sequenceDigits || text[0] != '2' || text[len(text)-1] != '2' {
		return p, false
	}
	created, badCreated := strconv.ParseInt(text[1:10], 16, 64)
	count, badCount := strconv.ParseUint(text[11:27], 16, 63)
	shard, badShard := strconv.ParseInt(text[38:46], 16, 32)
	if badCreated != nil || badCount != nil || badShard != nil {
		return p, false
	}
	return parsed{int(shard), count, created == st.created.Unix()}, true
}
