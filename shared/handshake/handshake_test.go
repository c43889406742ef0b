package handshake_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/shared/handshake"
)

func TestOffer(t *testing.T) {
	type lines = map[string][]string
	for name, c := range map[string]struct {
		single      map[string]string
		multi       lines
		want        []string
		ours, bears bool
	}{
		"none":                       {nil, lines{"Host": {"watchroute.v1"}}, nil, false, false},
		"empty":                      {map[string]string{"Sec-WebSocket-Protocol": ""}, nil, nil, false, false},
		"one line":                   {map[string]string{"sec-websocket-protocol": "watchroute.v1,  bearer.a.b"}, nil, []string{"watchroute.v1", "bearer.a.b"}, true, true},
		"two lines":                  {map[string]string{"Sec-WebSocket-Protocol": "bearer.a.b"}, lines{"Sec-WebSocket-Protocol": {"watchroute.v1", "bearer.a.b"}}, []string{"watchroute.v1", "bearer.a.b"}, true, true},
		"two lines, one with commas": {nil, lines{"SEC-WEBSOCKET-PROTOCOL": {"a, b", "c"}}, []string{"a", "b", "c"}, false, false},
		"the token alone":            {map[string]string{"Sec-WebSocket-Protocol": "bearer."}, nil, []string{"bearer."}, false, true},
		"names that begin as ours":   {map[string]string{"Sec-WebSocket-Protocol": "watchroute.v10, bearer"}, nil, []string{"watchroute.v10", "bearer"}, false, false},
	} {
		offer := handshake.OfferOf(c.single, c.multi)
		if !slices.Equal(offer, c.want) || offer.Ours() != c.ours || offer.Bears() != c.bears {
			t.Errorf("%s: offer is %q, ours %t, bears %t", name, offer, offer.Ours(), offer.Bears())
		}
	}
}

// TestWhoHasNoTokenCannotBeToldWithoutEnd: neither one address nor many addresses.
func TestWhoHasNoTokenCannotBeToldWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		teller := handshake.NewTeller()
		told := func(n int, whom func(i int) string) (told int) {
			for i := range n {
				if teller.Tells(whom(i)) {
					told++
				}
			}
			return told
		}
		one := func(int) string { return "203.0.113.7" }
		if got := told(1000, one); got != 5 {
			t.Errorf("one address is told %d times at once", got)
		}
		if got := told(1000, func(i int) string { return fmt.Sprint("198.51.100.", i) }); got != 15 {
			t.Errorf("many addresses are told %d times at once, after 5", got)
		}
		time.Sleep(2 * time.Second)
		if got := told(1000, one); got != 1 {
			t.Errorf("after 2 s the address is told %d times", got)
		}
	})
}
