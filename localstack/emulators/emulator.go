package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/watchroute/watchroute/localstack/leash"
)

// The emulators.
const (
	miniStack  = "MiniStack"
	localStack = "LocalStack"
)

// startTime is how long a program may take to answer. A busy machine takes ten times as long as a quiet one.
const startTime = 3 * time.Minute

// emulator is a running emulator of AWS that is not ours.
type emulator struct {
	name, version string
	endpoint      string // http://127.0.0.1:port
	log           string // file with its output
	// lacks are the types of resources that it cannot make.
	lacks func(resourceType string) bool
	// serve gives the URLs of the stages of a deployed stack: of the WebSocket API and of the REST API.
	serve func(ctx context.Context, d *deployment) (socket, rest string, err error)
	stop  func()
}

// child is a program on a leash, whose output goes to a file.
type child struct {
	end   context.CancelFunc
	ended chan struct{}
}

// startChild starts a program. It ends with stop, or when this process does.
func startChild(ctx context.Context, python, log string, environment []string, command ...string) (*child, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	var cmd *exec.Cmd
	if cmd, err = leash.Command(life, python, command...); err == nil {
		cmd.Env, cmd.Stdout, cmd.Stderr = environment, file, file
		err = cmd.Start()
	}
	if err != nil {
		end()
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	c := &child{end: end, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(c.ended)
	}()
	return c, nil
}

// stop ends the program with all that it started.
func (c *child) stop() {
	c.end()
	<-c.ended
}

// await waits until ready is true.
func (c *child) await(ctx context.Context, what string, ready func(ctx context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for !ready(ctx) {
		select {
		case <-c.ended:
			return fmt.Errorf("%s ended instead of starting", what)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", what, ctx.Err())
		case <-retry.C:
		}
	}
	return nil
}

// get asks for a URL; nil if there is no answer. Callers must close its body.
func get(ctx context.Context, url string) *http.Response {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil
	}
	return response
}
