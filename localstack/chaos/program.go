package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

// program is what clients in JavaScript run in. It reads and writes lines.
type program struct {
	in     io.Writer
	out    io.Reader
	origin string // of the page, that the stack has to let in; empty if there is none
	stop   func()
}

func startProgram(ctx context.Context, root, name string) (p program, err error) {
	root, remove, err := withEdits(root)
	if err != nil {
		return p, err
	}
	switch name {
	case "node":
		p, err = startNode(root)
	case "chromium":
		p, err = startChromium(ctx, root)
	default:
		err = fmt.Errorf("clients in JavaScript run in node or chromium, not in %q", name)
	}
	if err != nil {
		remove()
		return p, err
	}
	stop := p.stop
	p.stop = func() { stop(); remove() }
	return p, nil
}

// withEdits gives a copy of the clients with the edits of a mutant that are for them, and what removes
// it. Without such an edit it gives root itself.
func withEdits(root string) (clients string, remove func(), err error) {
	texts, err := edited()
	if err != nil {
		return "", nil, err
	}
	if root, err = filepath.Abs(root); err != nil {
		return "", nil, err
	}
	maps.DeleteFunc(texts, func(path, _ string) bool { return filepath.Ext(path) != ".js" })
	if len(texts) == 0 {
		return root, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "watchroute-clients-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	if err := copyClients(root, dir, texts); err != nil {
		remove()
		return "", nil, err
	}
	return dir, remove, nil
}

// copyClients copies the clients into dir. texts are those of files below root that have others there.
func copyClients(root, dir string, texts map[string]string) error {
	for _, folder := range []string{"shared/browser", "localstack/chaos"} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join(root, folder))); err != nil {
			return err
		}
	}
	for path, text := range texts {
		below, err := filepath.Rel(root, path)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, below), []byte(text), 0o600)
		}
		if err != nil {
			return fmt.Errorf("edit %s: %w", path, err)
		}
	}
	return nil
}

// startNode runs driver.mjs. Node 20 has a WebSocket if it is asked to.
func startNode(root string) (p program, err error) {
	node := exec.Command("node", "--experimental-websocket", "--no-warnings", filepath.Join(root, "localstack/chaos/driver.mjs"))
	node.Stderr = os.Stderr
	in, err := node.StdinPipe()
	if err != nil {
		return p, err
	}
	out, err := node.StdoutPipe()
	if err != nil {
		return p, err
	}
	if err := node.Start(); err != nil {
		return p, fmt.Errorf("start Node: %w", err)
	}
	return program{in: in, out: out, stop: func() { _ = in.Close(); _ = node.Wait() }}, nil // it ends when its input does
}

// chromiums are the names that Chromium has.
var chromiums = []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"}

// pageTime is how long Chromium may take to open the page.
const pageTime = time.Minute

// startChromium opens driver.html in a page without a window. Its lines are messages of a WebSocket.
func startChromium(ctx context.Context, root string) (p program, err error) {
	browser := ""
	for _, name := range chromiums {
		if browser, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		return p, fmt.Errorf("there is no Chromium: none of %q is on the PATH", chromiums)
	}
	lines := make(chan net.Conn)
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(root)))
	mux.HandleFunc("/lines", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		conn.SetReadLimit(-1)
		lines <- websocket.NetConn(context.Background(), conn, websocket.MessageText)
		<-ctx.Done()
	})
	page := httptest.NewServer(mux)
	profile, err := os.MkdirTemp("", "watchroute-chromium-")
	if err != nil {
		return p, err
	}
	command := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--user-data-dir="+profile, "--remote-debugging-port=0", page.URL+"/localstack/chaos/driver.html")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Debian's Chromium is a script that does not end its browser
	stop := func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		_ = command.Wait() // it was killed
		page.CloseClientConnections()
		_ = os.RemoveAll(profile)
	}
	if err := command.Start(); err != nil {
		_ = os.RemoveAll(profile)
		return p, err
	}
	select {
	case conn := <-lines:
		return program{in: conn, out: conn, origin: page.URL, stop: stop}, nil
	case <-time.After(pageTime):
		stop()
		return p, errors.New("the page was not opened in time by Chromium")
	}
}
