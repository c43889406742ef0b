package trickle_test

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/trickle"
)

func TestReadsNoFasterThanItMay(t *testing.T) {
	const rate = 8 << 10
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := trickle.Client(rate).Transport.(*http.Transport).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := server.Write(make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 64<<10)
	for read, began := 0, time.Now(); read < rate/2; {
		n, err := client.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		if read += n; float64(read) > rate*time.Since(began).Seconds() {
			t.Fatalf("%d bytes are read in %v", read, time.Since(began))
		}
	}
}
