package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/watchroute/watchroute/localstack/issuer"
	"github.com/watchroute/watchroute/shared/build"
	"github.com/watchroute/watchroute/shared/token"
)

// floodWatchers are anonymous: unlike a subject, all of those may have as many connections
// as they like.
const floodWatchers = 50

// flood prints how long changes take while one client floods the stack, beside how long
// they take in quiet, and what the client is answered. It is an error if the client is not
// limited, or if a watcher misses a change; how long changes take is not.
//
// The client, mallory, is a process of her own. On AWS she would bring her own processor,
// and so would the functions that she keeps busy. Here all share this machine's: what she
// takes herself is printed, about half a second.
func flood(ctx context.Context, dir string) error {
	logs, err := os.Create(filepath.Join(dir, "flood.log")) // has a line for each refused connection
	if err != nil {
		return err
	}
	defer logs.Close()
	s, err := launch(ctx, filepath.Join(dir, build.Executable), logs)
	if err == nil {
		err = s.flood(ctx)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: the last errors of the flooded stack:\n%s", lastErrors(logs.Name(), 10))
	}
	return err
}

// lastErrors are the last few lines of a log that tell of errors.
func lastErrors(path string, n int) string {
	text, _ := os.ReadFile(path) // it is there
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "ERROR") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

func (s *stackProcess) flood(ctx context.Context) error {
	audience, err := s.gather(ctx, floodWatchers)
	defer func() { s.stop(); audience.leave() }()
	if err != nil {
		return err
	}
	if err := s.burst(ctx, audience, 1, time.Second); err != nil { // warms up
		return err
	}
	fmt.Printf("\n%d watchers of one topic, %d changes a second, with API Gateway's limits (load average %s)\n", floodWatchers, steadyRate, load())
	quiet, err := s.latencies(ctx, audience, steadyTime)
	if err != nil {
		return err
	}
	fmt.Printf("  quiet             %4.1f s   %s\n", steadyTime.Seconds(), quiet)
	return s.flooded(ctx, audience, quiet)
}

// load is the machine's, which tells how far the figures can be trusted.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg") // only Linux has it
	if fields := strings.Fields(string(text)); len(fields) > 0 {
		return fields[0]
	}
	return "unknown"
}

// flooded has mallory flood while changes are written.
func (s *stackProcess) flooded(ctx context.Context, a *audience, quiet latencies) error {
	before, err := s.usage(ctx)
	if err != nil {
		return err
	}
	cmd, parts, err := s.mallory(ctx)
	if err != nil {
		return err
	}
	a.reset()
	first := s.next
	over, written := make(chan struct{}), make(chan error, 1)
	go func() { written <- s.putSteadily(ctx, over) }()
	all, limited := follow(parts, a)
	err = cmd.Wait()
	close(over)
	if err := errors.Join(err, <-written); err != nil {
		return err
	}
	missed := a.await(ctx, (s.next-first)*len(a.members))
	all = append(all, a.takeLatencies()...)
	after, err := s.usage(ctx)
	fmt.Printf("  all                        %s, %.1f times the quiet p99 (%.1f s of processor time in the flooding process, %d posts throttled)\n",
		all, float64(all.quantile(0.99))/float64(quiet.quantile(0.99)),
		(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), after.throttled()-before.throttled())
	fmt.Printf("  %d of %d watchers got all %d changes\n", a.complete(s.next), len(a.members), s.next-first)
	return errors.Join(limited, missed, err)
}

// mallory starts the flood. What she prints has to be read to its end.
func (s *stackProcess) mallory(ctx context.Context) (*exec.Cmd, io.Reader, error) {
	token, err := s.token(ctx, "mallory", `{"v":1,"allow":[{"topics":["mallory/*"],"actions":["subscribe","read","publish"]}]}`)
	if err != nil {
		return nil, nil, fmt.Errorf("make a token: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, program, "mallory")
	cmd.Env = append(os.Environ(), "FLOOD_ADDR="+s.addr, "FLOOD_TOKEN="+token)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	return cmd, out, cmd.Start()
}

// token makes one for an hour.
func (s *stackProcess) token(ctx context.Context, subject, claim string) (string, error) {
	tokens, err := issuer.Open(ctx, "http://"+s.addr)
	if err != nil {
		return "", err
	}
	now := time.Now()
	return tokens.Sign(token.Token{Subject: subject, Issued: now, Expires: now.Add(time.Hour), Claim: []byte(claim)})
}

// follow prints each part of the flood when it is over, and gives how long all changes
// took meanwhile. The error is a part that is not limited.
func follow(parts io.Reader, a *audience) (all latencies, err error) {
	for lines := json.NewDecoder(parts); ; {
		var p part
		if lines.Decode(&p) != nil {
			return all, err // her exit tells if she failed
		}
		took := a.takeLatencies()
		all = append(all, took...)
		fmt.Printf("  %6d %-10s %4.1f s   %s; %s\n", p.Sent, p.Name, p.Took.Seconds(), took, p.answers())
		err = errors.Join(err, p.limited())
	}
}
