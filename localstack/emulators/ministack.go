package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/watchroute/watchroute/localstack/deploy"
)

// startMiniStack runs MiniStack on a free port of the loopback interface, in memory, and waits until it
// answers. It serves WebSocket and REST APIs itself.
func startMiniStack(ctx context.Context, o options) (*emulator, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	e := &emulator{
		name: miniStack, endpoint: "http://" + address, log: filepath.Join(o.dir, "ministack.log"),
		lacks: isRouteResponse,
		serve: func(_ context.Context, d *deployment) (socket, rest string, err error) {
			apis := d.endpoint + "/_aws/execute-api/"
			return apis + d.physical["Api"] + "/live", apis + d.physical["HttpApi"] + "/live", nil
		},
	}
	process, err := startChild(ctx, o.python(), e.log, o.miniStackEnvironment(e.endpoint), filepath.Join(o.venv, "bin", "ministack"))
	if err != nil {
		return nil, err
	}
	e.stop = process.stop
	if err := process.await(ctx, miniStack, e.miniStackIsHealthy); err != nil {
		e.stop()
		return nil, fmt.Errorf("%w: see %s", err, e.log)
	}
	return e, nil
}

// miniStackEnvironment is what MiniStack runs with. It hands AWS_ENDPOINT_URL on to the
// functions, as LocalStack does.
func (o options) miniStackEnvironment(endpoint string) []string {
	host, port, _ := net.SplitHostPort(strings.TrimPrefix(endpoint, "http://"))
	return append(deploy.Environment(endpoint),
		"BIND_HOST="+host, "GATEWAY_PORT="+port, "MINISTACK_HOST="+host,
		"LAMBDA_EXECUTOR=local", "PYTHONUNBUFFERED=1",
		"STATE_DIR="+filepath.Join(o.dir, "state"), "S3_DATA_DIR="+filepath.Join(o.dir, "s3"),
		"TMPDIR="+filepath.Join(o.dir, "temporary"))
}

// miniStackIsHealthy asks, and reads the version.
func (e *emulator) miniStackIsHealthy(ctx context.Context) bool {
	response := get(ctx, e.endpoint+"/_ministack/health")
	if response == nil {
		return false
	}
	defer response.Body.Close()
	var health struct{ Version string }
	if err := json.NewDecoder(response.Body).Decode(&health); err != nil {
		return false
	}
	e.version = health.Version
	return response.StatusCode == http.StatusOK
}

// freeAddress gives a loopback address that nobody listens on right now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
