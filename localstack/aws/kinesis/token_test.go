package kinesis

import (
	"testing"
	"time"
)

func FuzzParseIterator(f *testing.F) {
	f.Add(iterator{"s", 1, 2, time.UnixMilli(3)}.String())
	f.Add("cy8xLzIvMw==")
	f.Fuzz(func(t *testing.T, token string) {
		at, err := parseIterator(token)
		if err != nil {
			return
		}
		if again, err := parseIterator(at.String()); err != nil || again != at {
			t.Fatalf("%q names %+v, and %+v, %v", token, at, again, err)
		}
	})
}

func FuzzParseSequenceNumber(f *testing.F) {
	st := newStream("s", "PROVISIONED", 20, Options{Now: func() time.Time { return time.Unix(1_795_694_400, 0) }})
	f.Add(st.number(17, 1<<40, st.created.Add(time.Hour)))
	f.Add("0")
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := st.parse(text)
		if !ok || !p.ours || p.shard < 0 {
			return
		}
		if again, ok := st.parse(st.number(p.shard, p.count, st.created)); !ok || again != p {
			t.Fatalf("%q is %+v, and %+v, %v", text, p, again, ok)
		}
	})
}
