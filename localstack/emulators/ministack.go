package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/watchroute/watchroute/localstack/deploy"
)

const (
	startTime = time.Minute
	stopTime  = 10 * time.Second
)

// miniStack is a running MiniStack.
type miniStack struct {
	endpoint string // http://127.0.0.1:port
	version  string
	log      string // file with its output
	process  *exec.Cmd
	ended    chan struct{}
}

// startMiniStack runs MiniStack on a free port of the loopback interface, in
// memory, and waits until it answers.
func startMiniStack(ctx context.Context, o options) (*miniStack, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	m := &miniStack{endpoint: "http://" + address, log: filepath.Join(o.dir, "ministack.log"), ended: make(chan struct{})}
	log, err := os.Create(m.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	m.process = exec.Command(filepath.Join(o.venv, "bin", "ministack"))
	m.process.Env = m.environment(o)
	m.process.Stdout, m.process.Stderr = log, log
	if err := m.process.Start(); err != nil {
		return nil, fmt.Errorf("start MiniStack: %w", err)
	}
	go func() {
		_ = m.process.Wait() // how it ended is in its log
		close(m.ended)
	}()
	if err := m.await(ctx); err != nil {
		m.stop()
		return nil, err
	}
	return m, nil
}

// environment is what MiniStack runs with. It hands AWS_ENDPOINT_URL on to the
// functions, as LocalStack does.
func (m *miniStack) environment(o options) []string {
	host, port, _ := net.SplitHostPort(strings.TrimPrefix(m.endpoint, "http://"))
	return append(deploy.Environment(m.endpoint),
		"BIND_HOST="+host, "GATEWAY_PORT="+port, "MINISTACK_HOST="+host,
		"LAMBDA_EXECUTOR=local", "PYTHONUNBUFFERED=1",
		"STATE_DIR="+filepath.Join(o.dir, "state"), "S3_DATA_DIR="+filepath.Join(o.dir, "s3"),
		"TMPDIR="+filepath.Join(o.dir, "temporary"))
}

// await returns once MiniStack says that it is healthy, and reads its version.
func (m *miniStack) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for {
		if m.healthy(ctx) {
			return nil
		}
		select {
		case <-m.ended:
			return fmt.Errorf("MiniStack ended instead of starting: see %s", m.log)
		case <-ctx.Done():
			return fmt.Errorf("MiniStack does not answer at %s: %w", m.endpoint, ctx.Err())
		case <-retry.C:
		}
	}
}

func (m *miniStack) healthy(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.endpoint+"/_ministack/health", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	var health struct{ Version string }
	if err := json.NewDecoder(response.Body).Decode(&health); err != nil {
		return false
	}
	m.version = health.Version
	return response.StatusCode == http.StatusOK
}

// stop ends the process that was started, and no other; it ends the functions'
// processes itself.
func (m *miniStack) stop() {
	_ = m.process.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-m.ended:
	case <-time.After(stopTime):
		_ = m.process.Process.Kill()
		<-m.ended
	}
}

// freeAddress gives a loopback address that nobody listens on right now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
