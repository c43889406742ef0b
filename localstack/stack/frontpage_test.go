package stack_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/needs"
)

// wire passes connections on to the stack, and can cut them.
type wire struct {
	net.Listener
	mu   sync.Mutex
	open []net.Conn
}

func newWire(t *testing.T, to string) *wire {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: listener}
	t.Cleanup(func() { _ = w.Close(); w.cut() })
	go func() {
		for {
			from, err := w.Accept()
			if err != nil {
				return
			}
			onward, err := net.Dial("tcp", to)
			if err != nil {
				_ = from.Close()
				continue
			}
			w.mu.Lock()
			w.open = append(w.open, from, onward)
			w.mu.Unlock()
			go func() { _, _ = io.Copy(onward, from); _ = onward.Close() }()
			go func() { _, _ = io.Copy(from, onward); _ = from.Close() }()
		}
	}()
	return w
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.open {
		_ = conn.Close()
	}
	w.open = nil
}

// TestFrontPagesCodeWatches runs what the README gives for a browser, in Node: it begins with the
// items, and after a break it shows what it missed, each change once.
func TestFrontPagesCodeWatches(t *testing.T) {
	node := needs.Program(t, "node", "the page's code is JavaScript")
	page, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(page), "```js\n")
	code, _, found := strings.Cut(code, "```")
	if !found || !strings.Contains(code, "ws://localhost:4566/live") {
		t.Fatal("the README has no code for a browser")
	}
	s := start(t, nil)
	s.put(t, "stocks/AAPL", "before", "1")
	w := newWire(t, strings.TrimPrefix(s.URL(), "http://"))
	code = strings.Replace(code, "localhost:4566", w.Addr().String(), 1)
	ctx, cancel := context.WithCancel(context.Background())
	program := exec.CommandContext(ctx, node, "--experimental-websocket", "--no-warnings", "--input-type=module", "--eval",
		`const token = undefined, show = (...shown) => console.log(...shown.slice(0, 2))`+"\n"+code)
	program.Dir = root
	program.Stderr = os.Stderr
	shown, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = program.Wait() }()
	lines := bufio.NewScanner(shown)
	want := func(line string) {
		t.Helper()
		defer time.AfterFunc(patience, cancel).Stop()
		if !lines.Scan() || lines.Text() != line {
			t.Fatalf("the page shows %q, want %q", lines.Text(), line)
		}
	}
	want("item before")
	s.put(t, "stocks/AAPL", "live", "1")
	want("added live")
	w.cut()
	s.put(t, "stocks/AAPL", "missed", "1")
	s.put(t, "stocks/AAPL", "live", "2")
	want("added missed")
	want("modified live")
}
