package watch

import (
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
)

// TestNoFrameIsLargerThanAPIGatewayTakes: such a frame is neither posted nor returned as if it
// were the answer, whatever has made it, and nothing is posted after it.
func TestNoFrameIsLargerThanAPIGatewayTakes(t *testing.T) {
	for size, want := range map[int]int{events.MaxFrameBytes: 2, events.MaxFrameBytes + 1: 0} {
		posts := 0
		out := outbox{post: func([]byte) error { posts++; return nil }}
		err := out.sendEncoded([]byte(strings.Repeat("x", size)), []byte("{}"), []byte("{}"))
		if posts != want || (err == nil) != (want > 0) {
			t.Errorf("of a frame of %d bytes and two more %d are posted, %v; want %d", size, posts, err, want)
		}
	}
}
