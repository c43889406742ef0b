package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/watchroute/watchroute/localstack/beside"
	"github.com/watchroute/watchroute/localstack/community"
	"github.com/watchroute/watchroute/localstack/deploy"
)

// startLocalStack runs LocalStack's community edition without Docker, in memory. It has no WebSocket APIs
// and refuses our REST API: both are served by our front, which runs beside it as a user would run it.
func startLocalStack(ctx context.Context, o options) (*emulator, error) {
	installed, err := community.Install(ctx, o.localstack, o.jars, os.Stderr)
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(o.dir, "localstack")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	started, err := installed.Start(ctx, community.Options{Dir: dir,
		FunctionEnvironment: map[string]string{beside.ManagementVariable: "http://" + address + "/live"}})
	if err != nil {
		return nil, err
	}
	var front *child
	return &emulator{
		name: localStack, version: community.Version, endpoint: started.Endpoint, log: started.Log, lacks: community.Lacks,
		serve: func(ctx context.Context, d *deployment) (socket, rest string, err error) {
			if front != nil {
				front.stop()
			}
			front, err = d.startFront(ctx, address, "--template", d.whole.TemplateFile())
			// Below LocalStack's own path for REST APIs, as /live itself is the WebSocket API's.
			return "http://" + address + "/live", "http://" + address + "/_aws/execute-api/httpapi/live", err
		},
		stop: func() {
			if front != nil {
				front.stop()
			}
			started.Stop()
		},
	}, nil
}

// startFront builds our front and runs it for a stack, in front of the emulator.
func (t *toolbox) startFront(ctx context.Context, address string, flags ...string) (*child, error) {
	program := filepath.Join(t.dir, "front")
	if _, err := t.run(ctx, "", []string{"go", "build", "-o", program, "./localstack/front"}); err != nil {
		return nil, err
	}
	log := filepath.Join(t.dir, "front-"+filepath.Base(address)+".log")
	command := append([]string{program, "--endpoint", t.endpoint, "--addr", address}, flags...)
	front, err := startChild(ctx, t.cdk.Python, log, deploy.Environment(t.endpoint), command...)
	if err != nil {
		return nil, err
	}
	err = front.await(ctx, "front", func(ctx context.Context) bool {
		said, err := os.ReadFile(log)
		return err == nil && bytes.Contains(said, []byte("are served"))
	})
	if err != nil {
		front.stop()
		said, _ := os.ReadFile(log)
		return nil, fmt.Errorf("%w:\n%s", err, said)
	}
	return front, nil
}
