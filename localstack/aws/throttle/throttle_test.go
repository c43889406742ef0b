package throttle

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Limit{Rate: 10, Burst: 3})
		taken := func() (n int) {
			for b.Take() {
				n++
			}
			return n
		}
		if n := taken(); n != 3 {
			t.Errorf("burst of %d, want 3", n)
		}
		time.Sleep(100 * time.Millisecond)
		if n := taken(); n != 1 {
			t.Errorf("%d after a tenth of a second, want 1", n)
		}
		time.Sleep(time.Hour)
		if n := taken(); n != 3 {
			t.Errorf("%d after an hour, want the burst", n)
		}
	})
	if b := New(Limit{}); b.rate != 10_000 || b.burst != 5_000 {
		t.Errorf("account default %+v", b)
	}
	if !New(Limit{Rate: -1}).Take() {
		t.Error("no limit has one")
	}
}
