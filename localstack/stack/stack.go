package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
	"github.com/watchroute/watchroute/localstack/aws/eventbridge"
	"github.com/watchroute/watchroute/localstack/aws/kinesis"
	"github.com/watchroute/watchroute/localstack/aws/lambda"
	"github.com/watchroute/watchroute/localstack/aws/restapi"
	"github.com/watchroute/watchroute/localstack/aws/secrets"
	"github.com/watchroute/watchroute/localstack/aws/sns"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
	"github.com/watchroute/watchroute/localstack/aws/template"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/wall"
	"github.com/watchroute/watchroute/shared/build"
)

// Where everything runs: LocalStack's own values.
const (
	Region  = "us-east-1"
	Account = "000000000000"
)

// TemplateFile is where the module keeps its synthesized template.
const TemplateFile = "infra/testdata/watchroute.template.json"

// idleProcess is how long a function's process stays without work. Lambda keeps an
// environment for minutes; a laptop wants its memory back, and starts one in
// milliseconds.
const idleProcess = 30 * time.Second

// maxProcesses is how many processes a function gets unless told otherwise: more
// than the machine can run at once would take memory and make nothing faster.
func maxProcesses() int { return max(4, 2*runtime.NumCPU()) }

// Options say what to run and where.
type Options struct {
	// Addr is the TCP address to listen on; "127.0.0.1:0" takes a free port. The host
	// localhost is both 127.0.0.1 and ::1, where the machine has IPv6.
	Addr string
	// Root is the module's folder, which the functions are built in.
	Root string
	// Template is a file; TemplateFile below Root if empty.
	Template string
	// BuildDir takes the functions' executables; .build/host below Root if empty.
	BuildDir string
	// Built says that BuildDir has the executables already, so that Start builds nothing.
	Built bool
	// Progress is told how many packages are compiled when Start builds the functions for
	// the first time; nil for nobody. See [build.Functions].
	Progress io.Writer
	// Log takes what the functions write, line by line; os.Stderr if nil.
	Log io.Writer
	// Logger takes what the stack itself reports; slog.Default() if nil.
	Logger *slog.Logger
	// MaxProcesses bounds the processes of one function; twice the processors, at
	// least 4, if 0.
	MaxProcesses int
	// ReuseWait makes the requests of clients wait for a busy process before another one starts;
	// see [lambda.Options]. 0 means no wait, as on AWS.
	ReuseWait time.Duration
	// RequestNice lets the functions that clients' requests invoke yield to those that
	// streams feed; see [lambda.Options]. 0 lets all be equal.
	RequestNice int
	// Shards is how many shards the stream of a table has; stream's default if 0.
	Shards int
	// StreamRetention is how long a stream keeps its records; AWS's 24 h if 0. A
	// function that is further behind misses records.
	StreamRetention time.Duration
	// Parameters are values of the template's parameters, by name. One that the template
	// does not have is an error; one that is not given takes its default.
	Parameters map[string]string
	// Anonymous lets clients without a token do everything: it sets the functions' variable
	// ALLOW_ANONYMOUS, which no template has.
	Anonymous bool
	// AllowOrigins are the origins of pages that may use the stack, as browsers write them:
	// scheme://host or scheme://host:port. Requests with another Origin are refused, and so
	// are pages from files, which share the origin "null" with pages of anybody. The stack's
	// own origin is always allowed.
	AllowOrigins []string
	// AllowHosts are names and IP addresses that the stack may be reached by, beside those
	// of loopback, those of LocalStack, and the host of Addr. Requests for another Host are
	// refused.
	AllowHosts []string
	// Gateway changes API Gateway's limits and timers; its defaults are AWS's, and its
	// Logger is the stack's.
	Gateway apigateway.Options
	// REST is the same for the template's REST API. Its account's limit is that of Gateway.
	REST restapi.Options
	// Clock is what the schedules of EventBridge's rules go by; the machine's clock if nil. No other
	// service uses it.
	Clock eventbridge.Clock
	// Faults break the stack on purpose; nil for none.
	Faults *fault.Faults
}

// Stack is a running stack.
type Stack struct {
	// Outputs are the template's, as this stack has them.
	Outputs map[string]string
	// Tables are the names of the tables, in the order they were made.
	Tables []string
	// Building is how long building the functions took.
	Building time.Duration
	// Ready is how long the stack took once its functions were built.
	Ready time.Duration

	o         Options
	listeners []net.Listener // the first is the one that is told
	server    *http.Server
	accepted  atomic.Int64 // TCP connections
	counted   atomic.Int64 // since when usage is counted, in milliseconds since 1970
	ready     atomic.Bool  // everything is up; nothing below changes any more
	wall      wall.Wall
	access    access
	streams   *stream.Registry
	db        *dynamodb.Engine
	queues    *sqs.Service
	secrets   *secrets.Service
	kinesis   *kinesis.Service
	topics    *sns.Service
	buses     *eventbridge.Service
	functions *lambda.Service
	gateway   *apigateway.Gateway
	stage     string
	rest      *restapi.Gateway // nil if the template has no REST API
	restStage string
	sources   map[string]string // a function's name to its folder below Root

	calm     context.CancelFunc // ends the faults that come by the second; nil if there are none
	breaking sync.WaitGroup     // what ends then
}

// Start builds the functions unless they are built, makes what the template declares and serves it. When
// it returns the stack is ready. The first thing that is wrong is the error: a port
// in use, a template that cannot be read, a function that does not compile.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s := &Stack{o: withDefaults(o)}
	parsed, err := s.readTemplate()
	if err != nil {
		return nil, err
	}
	if s.wall, err = wall.New(wall.Options{AllowOrigins: s.o.AllowOrigins, AllowHosts: s.o.AllowHosts}); err != nil {
		return nil, err
	}
	if s.listeners, err = wall.Listen(s.o.Addr); err != nil {
		return nil, err
	}
	s.wall.Own(s.o.Addr)
	s.wall.Own(s.Addr())
	if err := s.start(ctx, parsed); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func withDefaults(o Options) Options {
	o.Template = cmp.Or(o.Template, filepath.Join(o.Root, TemplateFile))
	o.BuildDir = cmp.Or(o.BuildDir, filepath.Join(o.Root, ".build", "host"))
	if absolute, err := filepath.Abs(o.BuildDir); err == nil {
		o.BuildDir = absolute // functions do not run in this process's folder
	}
	if o.Log == nil {
		o.Log = os.Stderr
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Gateway.Logger == nil {
		o.Gateway.Logger = o.Logger
	}
	return o
}

func (s *Stack) readTemplate() (*template.Template, error) {
	data, err := os.ReadFile(s.o.Template)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	parsed, err := template.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("read template %s: %w", s.o.Template, err)
	}
	return parsed, nil
}

// start brings the services up before what uses them: the functions find every
// endpoint answering.
func (s *Stack) start(ctx context.Context, parsed *template.Template) error {
	began := time.Now()
	if !s.o.Built {
		if err := build.Functions(ctx, s.o.Root, s.o.BuildDir, build.Host(), s.o.Progress); err != nil {
			return err
		}
	}
	s.Building, began = time.Since(began), time.Now()
	s.counted.Store(began.UnixMilli())
	s.streams = stream.NewRegistry(stream.Options{Region: Region, Account: Account, Shards: s.o.Shards, Retention: s.o.StreamRetention})
	s.db = dynamodb.New(dynamodb.Options{Region: Region, Account: Account, Streams: s.streams})
	s.queues = sqs.New(sqs.Options{Region: Region, Account: Account, BaseURL: s.URL()})
	s.kinesis = kinesis.New(kinesis.Options{Region: Region, Account: Account})
	s.topics = sns.New(sns.Options{Region: Region, Account: Account, Queues: s.queues, Logger: s.o.Logger})
	s.secrets = secrets.New(secrets.Options{Region: Region, Account: Account})
	var err error
	s.functions, err = lambda.New(s.brokenLambda(lambda.Options{
		Region: Region, Account: Account, MaxProcesses: cmp.Or(s.o.MaxProcesses, maxProcesses()), IdleProcess: idleProcess,
		ReuseWait: s.o.ReuseWait, RequestNice: s.o.RequestNice, Log: s.o.Log,
	}))
	if err != nil {
		return err
	}
	s.buses = eventbridge.New(eventbridge.Options{
		Region: Region, Account: Account, Queues: s.queues, Functions: s.functions, Clock: s.o.Clock, Logger: s.o.Logger,
	})
	s.server = &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	for _, listener := range restapi.RememberSpelling(s.server, s.callsFirst()) {
		go func() {
			if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				s.o.Logger.Error("stack stopped serving", "addr", listener.Addr(), "err", err)
			}
		}()
	}
	if err := s.deploy(ctx, parsed); err != nil {
		return err
	}
	s.breakBySecond()
	s.Ready = time.Since(began)
	return nil
}

// Addr is an address that the stack listens on: of several, that of IPv4.
func (s *Stack) Addr() string { return s.listeners[0].Addr().String() }

// URL is where the AWS APIs are: for AWS_ENDPOINT_URL and --endpoint-url.
func (s *Stack) URL() string { return "http://" + s.Addr() }

// Stage is the name of the API's stage.
func (s *Stack) Stage() string { return s.stage }

// WebSocketURL is where clients connect.
func (s *Stack) WebSocketURL() string { return "ws://" + s.Addr() + "/" + s.stage }

// Processes are the process ids of the functions that run, or of one of them.
func (s *Stack) Processes(function string) []int { return s.functions.Processes(function) }

// Close ends everything the stack started: faults, sockets, schedules, mappings, processes,
// listener.
func (s *Stack) Close() {
	if s.calm != nil {
		s.calm()
		s.breaking.Wait()
	}
	if s.gateway != nil {
		s.gateway.Close()
	}
	if s.rest != nil {
		s.rest.Close()
	}
	if s.buses != nil {
		s.buses.Close()
	}
	if s.functions != nil {
		s.functions.Close()
	}
	if s.server != nil {
		_ = s.server.Close() // the listeners with it
	} else {
		wall.CloseAll(s.listeners)
	}
	if s.db != nil {
		s.db.Close()
	}
}
