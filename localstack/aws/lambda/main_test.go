package lambda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	runtime "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// roleVariable makes the test binary be a function: the processes under test
// are the test binary itself, so they too run with the race detector.
const roleVariable = "LAMBDA_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVariable); role {
	case "":
		os.Exit(m.Run())
	case "exits":
		fmt.Println("configuration is missing")
		os.Exit(3)
	case "reports":
		reportInitError()
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		runtime.Start(handle)
	case "worker":
		runtime.Start(work)
	case "reader":
		runtime.Start(readMessages)
	case "curious":
		beCurious()
	case "twice":
		answerTwice()
	default:
		runtime.Start(handle)
	}
}

// request is what the test function is asked to do.
type request struct {
	Do   string
	Text string
	N    int
}

// handle is the test function.
func handle(ctx context.Context, r request) (any, error) {
	switch r.Do {
	case "echo":
		return r.Text, nil
	case "pid":
		return os.Getpid(), nil
	case "sleep":
		time.Sleep(time.Duration(r.N) * time.Millisecond)
		return os.Getpid(), nil
	case "await": // until the file is there
		for {
			if _, err := os.Stat(r.Text); err == nil {
				return os.Getpid(), nil
			}
			time.Sleep(time.Millisecond)
		}
	case "meet": // until so many processes are here at once
		if err := os.WriteFile(fmt.Sprintf("%s/%d", r.Text, os.Getpid()), nil, 0o600); err != nil {
			return nil, err
		}
		for {
			if present, err := os.ReadDir(r.Text); err != nil || len(present) >= r.N {
				return os.Getpid(), err
			}
			time.Sleep(time.Millisecond)
		}
	case "touch": // makes the file and never returns
		if err := os.WriteFile(r.Text, nil, 0o600); err != nil {
			return nil, err
		}
		time.Sleep(time.Hour)
		return nil, nil
	case "print":
		fmt.Print(r.Text)
		return nil, nil
	case "fail":
		return nil, errors.New(r.Text)
	case "panic":
		panic(r.Text)
	case "exit":
		os.Exit(r.N)
	case "big":
		return strings.Repeat("x", r.N-2), nil // JSON adds two quotes
	case "stream":
		return io.MultiReader(strings.NewReader("first,"), strings.NewReader(r.Text)), nil
	case "broken stream":
		return io.MultiReader(strings.NewReader("first,"), failingReader{}), nil
	case "drip": // a prelude, and a second part when the file is there
		return &awsevents.APIGatewayProxyStreamingResponse{StatusCode: 201, Body: io.MultiReader(
			strings.NewReader("one,"), &gatedReader{path: r.Text, rest: strings.NewReader("two")})}, nil
	case "drip and break":
		return &awsevents.APIGatewayProxyStreamingResponse{StatusCode: 201, Body: io.MultiReader(
			strings.NewReader("one,"), failingReader{})}, nil
	case "flood":
		return io.MultiReader(io.LimitReader(zeros{}, int64(r.N))), nil
	case "environment":
		return os.Environ(), nil
	case "context":
		return describeContext(ctx), nil
	}
	return nil, fmt.Errorf("cannot do %q", r.Do)
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("source dried up") }

// gatedReader reads the rest once there is a file, and makes another when it was read.
type gatedReader struct {
	path string
	rest io.Reader
}

func (g *gatedReader) Read(p []byte) (int, error) {
	for {
		if _, err := os.Stat(g.path); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	n, err := g.rest.Read(p)
	if err == io.EOF {
		_ = os.WriteFile(g.path+".read", nil, 0o600)
	}
	return n, err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// work is a function that is fed by a stream: it notes each record it has
// processed in a file, a line each, and takes its time.
func work(batch awsevents.DynamoDBEvent) error {
	file, err := os.OpenFile(os.Getenv("NOTES"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, r := range batch.Records {
		time.Sleep(time.Millisecond)
		if _, err := fmt.Fprintln(file, r.Change.Keys["topic"].String(), r.Change.Keys["id"].String()); err != nil {
			return err
		}
	}
	return nil
}

// readMessages is a function that is fed by a queue: it notes the body of each message in a
// file, a line each.
func readMessages(batch awsevents.SQSEvent) error {
	file, err := os.OpenFile(os.Getenv("NOTES"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, m := range batch.Records {
		time.Sleep(time.Millisecond)
		if _, err := fmt.Fprintln(file, m.Body); err != nil {
			return err
		}
	}
	return nil
}

// invocationContext is what a function is told about its invocation.
type invocationContext struct {
	RequestID, ARN, Trace string
	Remaining             time.Duration
	Directory             string
}

func describeContext(ctx context.Context) invocationContext {
	var c invocationContext
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		c.RequestID, c.ARN = lc.AwsRequestID, lc.InvokedFunctionArn
	}
	if deadline, ok := ctx.Deadline(); ok {
		c.Remaining = time.Until(deadline)
	}
	c.Trace = os.Getenv("_X_AMZN_TRACE_ID")
	c.Directory, _ = os.Getwd()
	return c
}

// reportInitError is a runtime that says why it cannot start.
func reportInitError() {
	body := strings.NewReader(`{"errorMessage":"no such table","errorType":"Extension.Config"}`)
	url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
	resp, err := http.Post(url, "application/json", body)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		log.Fatalf("init error was answered with %v, %v", resp, err)
	}
	select {} // Lambda ends it
}

// answerTwice is a runtime that begins a second answer during the first, and tells in the
// first how that ended.
func answerTwice() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	work, err := http.Get(base + "next")
	if err != nil {
		log.Fatal(err)
	}
	var r request
	if err := json.NewDecoder(work.Body).Decode(&r); err != nil {
		log.Fatal(err)
	}
	url := base + work.Header.Get("Lambda-Runtime-Aws-Request-Id") + "/response"
	body, first := io.Pipe()
	go func() {
		_, _ = first.Write([]byte(" "))
		for _, err := os.Stat(r.Text); err != nil; _, err = os.Stat(r.Text) { // until it has come
			time.Sleep(time.Millisecond)
		}
		resp, err := http.Post(url, "application/json", strings.NewReader("again"))
		if err != nil {
			log.Fatal(err)
		}
		_ = json.NewEncoder(first).Encode(fmt.Sprintf("POST response: %d", resp.StatusCode))
		first.Close()
	}()
	if _, err := http.Post(url, "application/json", body); err != nil {
		log.Fatal(err)
	}
	_, _ = http.Get(base + "next")
}

// beCurious is a runtime that breaks the rules of the Runtime API and answers
// its one invocation with what it was told.
func beCurious() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/"
	var host, origin, site string // as a browser would send them
	call := func(method, path string, body []byte) (string, *http.Response) {
		req, err := http.NewRequest(method, base+path, bytes.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		req.Host = host
		for name, value := range map[string]string{"Origin": origin, "Sec-Fetch-Site": site} {
			if value != "" {
				req.Header.Set(name, value)
			}
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			log.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return fmt.Sprintf("%s %s: %d", method, strings.Split(path, "/")[len(strings.Split(path, "/"))-1], resp.StatusCode), resp
	}
	answerAny, _ := call("POST", "invocation/none/response", nil)
	_, work := call("GET", "invocation/next", nil)
	id := work.Header.Get("Lambda-Runtime-Aws-Request-Id")
	again, _ := call("GET", "invocation/next", nil)
	wrongID, _ := call("POST", "invocation/wrong/response", nil)
	late, _ := call("POST", "init/error", nil)
	told, err := json.Marshal([]string{"before work " + answerAny, "with work " + again, "wrong id " + wrongID, "started " + late})
	if err != nil {
		log.Fatal(err)
	}
	call("POST", "invocation/"+id+"/response", told)
	twice, _ := call("POST", "invocation/"+id+"/response", told)
	host = "evil.example"
	rebound, _ := call("GET", "invocation/next", nil)
	host, origin = "", "null"
	page, _ := call("GET", "invocation/next", nil)
	origin, site = "", "cross-site"
	image, _ := call("GET", "invocation/next", nil)
	site = ""
	_, work = call("GET", "invocation/next", nil)
	told, _ = json.Marshal([]string{"answered " + twice, "rebound " + rebound, "page " + page, "image " + image})
	call("POST", "invocation/"+work.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", told)
	call("GET", "invocation/next", nil)
}
