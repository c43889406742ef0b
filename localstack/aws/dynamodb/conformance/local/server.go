package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/conformance/jars"
)

const (
	startTimeout = time.Minute
	stopTimeout  = 5 * time.Second
)

// server is a running DynamoDB Local.
type server struct {
	process  *exec.Cmd
	endpoint string
	output   *bytes.Buffer // what it printed; to be read once it has ended
	ended    chan error    // its end, once
}

// start runs DynamoDB Local in memory on a free port and waits until it
// answers. Telemetry is off.
func start(ctx context.Context, files []string) (*server, error) {
	java, err := jars.Java()
	if err != nil {
		return nil, err
	}
	program, err := jars.Program(ctx, java, filepath.Dir(files[0]))
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	s := &server{endpoint: "http://" + address, output: &bytes.Buffer{}, ended: make(chan error, 1)}
	s.process = exec.Command(java, "-Xmx512m", "-cp", strings.Join(files, string(filepath.ListSeparator)),
		program, "-inMemory", "-disableTelemetry", "-port", port)
	s.process.Env = append(os.Environ(), "DDB_LOCAL_TELEMETRY=0")
	s.process.Stdout, s.process.Stderr = s.output, s.output
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start DynamoDB Local: %w", err)
	}
	go func() { s.ended <- s.process.Wait() }()
	if err := s.await(ctx, address); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// await returns once the address takes connections. The process can say that
// it is ready in no other way.
func (s *server) await(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-s.ended:
			s.ended <- nil
			return fmt.Errorf("DynamoDB Local ended (%w) instead of starting; Java 17 or later is needed: %s", err, s.output)
		case <-ctx.Done():
			return fmt.Errorf("DynamoDB Local does not answer at %s: %w", address, ctx.Err())
		case <-retry.C:
		}
	}
}

// stop ends the process that start started, and no other.
func (s *server) stop() error {
	_ = s.process.Process.Signal(os.Interrupt) // it may have ended by itself
	select {
	case <-s.ended:
		return nil
	case <-time.After(stopTimeout):
	}
	if err := s.process.Process.Kill(); err != nil {
		return fmt.Errorf("kill process %d: %w", s.process.Process.Pid, err)
	}
	<-s.ended
	return nil
}

// freeAddress gives a loopback address nobody listens on right now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
