package main

import (
	"archive/zip"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/watchroute/watchroute/shared/build"
)

// functions prints how large each function's zip for Lambda is, and how long its
// process takes on this machine to ask for its first invocation.
func functions(ctx context.Context, dir string) error {
	names, err := build.Names(".")
	if err != nil {
		return err
	}
	if err := build.Functions(ctx, ".", filepath.Join(dir, "lambda"), build.Lambda("arm64"), os.Stderr); err != nil {
		return err
	}
	if err := build.Functions(ctx, ".", filepath.Join(dir, "host"), build.Host(), os.Stderr); err != nil {
		return err
	}
	fmt.Println("function     zip for arm64    start to first /next (median of 15)")
	for _, name := range names {
		size, err := zipSize(filepath.Join(dir, "lambda", name, build.Executable))
		if err != nil {
			return err
		}
		start, err := startTime(ctx, filepath.Join(dir, "host", name, build.Executable))
		if err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
		fmt.Printf("%-12s %.2f MB          %.1f ms\n", name, float64(size)/1e6, ms(start))
	}
	return nil
}

// zipSize packs an executable as it is deployed and gives the bytes.
func zipSize(path string) (int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var size counter
	archive := zip.NewWriter(&size)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	entry, err := archive.Create(build.Executable)
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(entry, file); err != nil {
		return 0, err
	}
	return int64(size), archive.Close()
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// startTime starts a function several times and gives the median time until it asks
// the Runtime API for work.
func startTime(ctx context.Context, path string) (time.Duration, error) {
	asked := make(chan time.Time, 1)
	api := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- time.Now()
		<-r.Context().Done() // no work; the process is killed
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	go func() { _ = api.Serve(listener) }()
	defer api.Close()
	var times []time.Duration
	for range 15 {
		took, err := startOnce(ctx, path, listener.Addr().String(), asked)
		if err != nil {
			return 0, err
		}
		times = append(times, took)
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

func startOnce(ctx context.Context, path, api string, asked <-chan time.Time) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + api, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local",
		"EVENTS_TABLE=Events", "CHANGES_TABLE=Changes", "CONNECTIONS_TABLE=Connections", "SUBSCRIPTIONS_TABLE=Subscriptions",
		"REVOCATIONS_TABLE=Revocations", "TOKEN_SECRET_ARN=arn:aws:secretsmanager:us-east-1:000000000000:secret:s",
		"CALLBACK_URL=http://127.0.0.1/live", "FAILURE_QUEUE_URL=http://127.0.0.1/q", "LOG_RETENTION=48h",
		"MAX_CONNECTIONS=100", "MAX_MESSAGE_RATE=20", "MAX_SUBSCRIPTIONS=100", "MAX_PUBLISH_BYTES=1000", "MAX_SNAPSHOT_ITEMS=100",
		"MAX_SUBJECT_UNITS=120000", "SHARD_SIZE=1000", "MAX_BATCH_POSTS=1000", "PUSHES_QUEUE_URL=http://127.0.0.1/p.fifo", "MAX_SUBJECT_HOLDS=6", "MAX_HOLDS=80", "STREAM_TIME=1m",
		"DESTINATIONS_TABLE=Destinations", "DELIVERIES_QUEUE_URL=http://127.0.0.1/d.fifo", "MAX_DESTINATIONS=10", "EVENTS_TABLE_ARN=arn:aws:dynamodb:us-east-1:000000000000:table/Events",
		"POSITIONS_TABLE=Positions", "INTAKE_SOURCES=[]",
		"SOCKET_URL=ws://127.0.0.1/live", "THROTTLING_RATE=500", "THROTTLING_BURST=500", "HTTP_THROTTLING_RATE=200", "HTTP_THROTTLING_BURST=200", "SERVICE_SECRET_ARN=arn:aws:secretsmanager:us-east-1:000000000000:secret:t"}
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed on purpose
	}()
	select {
	case at := <-asked:
		return at.Sub(began), nil
	case <-time.After(5 * time.Second):
		return 0, fmt.Errorf("no request for work within 5 s")
	}
}
