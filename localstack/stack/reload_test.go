package stack_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
)

// copyModule copies what the functions are built from, so that a test may edit it.
func copyModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"functions", "shared", "events", "infra/testdata"} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join(root, folder))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// replace edits one file of the copy.
func replace(t *testing.T, path, old, new string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(data, []byte(old)) {
		t.Fatalf("%s has no %s: %v", path, old, err)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(data, []byte(old), []byte(new)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// syncBuffer is a buffer that may be written and read at once.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) contains(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.buf.String(), text)
}

func TestReload(t *testing.T) {
	t.Parallel()
	dir, log := copyModule(t), &syncBuffer{}
	s := start(t, func(o *stack.Options) {
		o.Root, o.BuildDir = dir, filepath.Join(dir, ".build")
		o.Logger = slog.New(slog.NewTextHandler(log, nil))
	})
	ctx, cancel := context.WithCancel(t.Context())
	var reloading sync.WaitGroup
	reloading.Go(func() { s.Reload(ctx) })
	defer reloading.Wait()
	defer cancel()
	c := s.connect(t)
	ping := func() string {
		c.send(`{"action":"ping","id":"p"}`)
		return c.frame().(*events.Pong).ID
	}
	if got := ping(); got != "p" {
		t.Fatalf("before any change: pong %s", got)
	}
	source := filepath.Join(dir, "shared", "watch", "ping.go")
	replace(t, source, "&events.Pong{ID: a.r.ID}", "&events.Pong{ID: a.r.ID + undefinedName}")
	eventually(t, "report of source that does not build", func() bool { return log.contains("undefinedName") })
	if got := ping(); got != "p" {
		t.Errorf("after source that does not build: pong %s", got)
	}
	replace(t, source, "a.r.ID + undefinedName", `"reloaded " + a.r.ID`)
	eventually(t, "answer of the new code", func() bool {
		time.Sleep(100 * time.Millisecond) // a client may not ask as fast as it can
		return ping() == "reloaded p"
	})
}
