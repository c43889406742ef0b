package kept

import (
	"net"
	"net/url"
	"testing"
	"time"
)

// TestConnectionsAreKeptForAMinute, counted from their last call, and no more than the pool keeps.
func TestConnectionsAreKeptForAMinute(t *testing.T) {
	const most = 10
	p := New(&url.URL{Scheme: "http", Host: "localhost"}, most)
	var ends []net.Conn
	keep := func(ago time.Duration) {
		ours, theirs := net.Pipe()
		ends = append(ends, theirs)
		p.keep(&Conn{Conn: ours})
		p.idle[len(p.idle)-1].used = time.Now().Add(-ago)
	}
	keep(IdleTime + time.Second)
	keep(IdleTime - time.Second)
	if l := p.take(); l == nil || p.take() != nil {
		t.Fatal("want one connection")
	}
	if _, err := ends[0].Write([]byte("x")); err == nil {
		t.Error("the connection that was idle for too long is open")
	}
	for range most + 10 {
		ours, _ := net.Pipe()
		p.keep(&Conn{Conn: ours})
	}
	if len(p.idle) != most {
		t.Errorf("%d connections kept", len(p.idle))
	}
}
