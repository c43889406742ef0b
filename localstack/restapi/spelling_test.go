package restapi

import (
	"io"
	"net"
	"strings"
	"testing"
)

// What a connection remembers is bounded, and nothing is once it is no HTTP any more.
func TestAConnectionRemembersItsLatestBytes(t *testing.T) {
	for _, size := range []int{1, 1000, 3 * remembered} {
		here, there := net.Pipe()
		c := &spelledConn{Conn: here}
		go func() {
			_, _ = io.WriteString(there, strings.Repeat("x", 5*remembered)+"end")
			_ = there.Close()
		}()
		read := 0
		for p := make([]byte, size); ; {
			n, err := c.Read(p)
			if read += n; err != nil {
				break
			}
			if len(c.latest) > 2*remembered {
				t.Fatalf("remembers %d bytes", len(c.latest))
			}
		}
		if read != 5*remembered+3 || len(c.latest) < remembered || !strings.HasSuffix(string(c.latest), "xend") {
			t.Errorf("read %d bytes, remembers %d", read, len(c.latest))
		}
		c.forget()
		if c.latest != nil {
			t.Error("remembers after it was told to forget")
		}
	}
}
