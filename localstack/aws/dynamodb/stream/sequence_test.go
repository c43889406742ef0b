package stream

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSequenceNumbersReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := newNumbering(time.Unix(rapid.Int64Range(0, 9_999_999_999).Draw(t, "second"), 0))
		a := rapid.Uint64Range(0, maxCount).Draw(t, "a")
		b := rapid.Uint64Range(0, maxCount).Draw(t, "b")
		back, ok := n.parse(n.text(a))
		if !ok || back != a {
			t.Fatalf("%s read back as %d, %v", n.text(a), back, ok)
		}
		if (a < b) != (n.text(a) < n.text(b)) {
			t.Fatalf("%s and %s do not sort as %d and %d", n.text(a), n.text(b), a, b)
		}
	})
}

func TestForeignSequenceNumbersAreTakenByTheirPlace(t *testing.T) {
	n := newNumbering(time.Unix(1_795_483_244, 0))
	for _, c := range []struct {
		number string
		count  uint64
		ok     bool
	}{
		{"000000000000000000001", 0, true},
		{newNumbering(time.Unix(1_795_483_243, 0)).text(maxCount), 0, true},
		{newNumbering(time.Unix(1_795_483_245, 0)).text(0), maxCount, true},
		{strings.Repeat("9", 40), maxCount, true},
		{strings.Repeat("9", 41), 0, false},
		{strings.Repeat("9", 20), 0, false},
		{"00000000000000000000x", 0, false},
	} {
		if count, ok := n.parse(c.number); count != c.count || ok != c.ok {
			t.Errorf("%s is %d, %v; want %d, %v", c.number, count, ok, c.count, c.ok)
		}
	}
}
