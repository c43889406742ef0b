package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/watchroute/watchroute/shared/build"
)

// others are how many watchers mallory may hurt. They are anonymous: unlike a subject, all
// of those may have as many connections as they like.
const others = 50

// withOthers starts a stack with API Gateway's limits, lets the others watch, and runs do.
func withOthers(ctx context.Context, dir, name string, do func(*stackProcess, *audience) error) error {
	return logged(dir, name, func(logs *os.File) error {
		s, err := launch(ctx, filepath.Join(dir, build.Executable), logs)
		if err != nil {
			return err
		}
		return s.withOthers(ctx, do)
	})
}

// logged keeps the log of a stack in a file, because it has a line for each refused connection and
// each cut stream. It shows the last errors of the log if do fails.
func logged(dir, name string, do func(logs *os.File) error) error {
	logs, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return err
	}
	defer logs.Close()
	if err = do(logs); err != nil {
		fmt.Fprint(os.Stderr, lastErrors(logs.Name()))
	}
	return err
}

func (s *stackProcess) withOthers(ctx context.Context, do func(*stackProcess, *audience) error) error {
	a, err := s.gather(ctx, others)
	defer func() { s.stop(); a.leave() }()
	if err != nil {
		return err
	}
	if err := s.burst(ctx, a, 1, time.Second); err != nil { // warms up
		return err
	}
	return do(s, a)
}

// How much of a stack's log is shown.
const (
	errorsShown     = 5
	errorBytesShown = 300
)

// lastErrors are the last few lines of a log that tell of errors, cut short.
func lastErrors(path string) string {
	text, _ := os.ReadFile(path) // it is there
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "ERROR") {
			lines = append(lines, fmt.Sprintf("  the stack logged: %.*s\n", errorBytesShown, strings.TrimSpace(line)))
		}
	}
	return strings.Join(lines[max(0, len(lines)-errorsShown):], "")
}

// surroundings are the head of what is printed about the others. The load is the
// machine's, which tells how far the figures can be trusted.
func surroundings(a *audience) string {
	return fmt.Sprintf("  %d others watch one topic, %d changes a second (load average %s)\n", len(a.members), steadyRate, load())
}

func load() string {
	text, _ := os.ReadFile("/proc/loadavg") // only Linux has it
	if fields := strings.Fields(string(text)); len(fields) > 0 {
		return fields[0]
	}
	return "unknown"
}
