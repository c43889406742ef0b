package stack

import (
	"encoding/json"
	"net"
	"net/http"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/awsquery"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb"
	"github.com/watchroute/watchroute/localstack/aws/eventbridge"
	"github.com/watchroute/watchroute/localstack/aws/iam"
	"github.com/watchroute/watchroute/localstack/aws/kinesis"
	"github.com/watchroute/watchroute/localstack/aws/lambda"
	"github.com/watchroute/watchroute/localstack/aws/restapi"
	"github.com/watchroute/watchroute/localstack/aws/sns"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
	"github.com/watchroute/watchroute/localstack/console"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/inspector"
	"github.com/watchroute/watchroute/localstack/shortcut"
)

// services are the names under which health reports the stack's parts, as
// LocalStack does.
var services = []string{"apigateway", "dynamodb", "dynamodbstreams", "events", "kinesis", "lambda", "secretsmanager", "sns", "sqs"}

// handler serves everything on the one port, behind the wall.
func (s *Stack) handler() http.Handler {
	aws := s.aws()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_localstack/health", s.health)
	mux.HandleFunc("GET /_localstack/usage", s.usage)
	mux.HandleFunc("GET /_localstack/outputs", s.outputs)
	mux.Handle(inspector.Path, inspector.New(s.webhookKeys))
	console.Routes(mux, s.console())
	mux.Handle("/", aws)
	all := s.functionsFirst(s.asFunction(aws), s.restFirst(mux))
	return s.wall.Before(all, func(reason string) { s.o.Logger.Warn("request refused", "reason", reason) })
}

// aws sends each request to the service that it is for.
func (s *Stack) aws() http.Handler {
	apis := []*awsjson.Service{
		s.guarded(s.o.Faults.WrapService(s.db.Service(), s.caller), s.dynamoDBCalls, denied),
		s.guarded(s.streams.Service(), scope.DynamoDB, denied),
		s.guarded(s.queues.Service(), scope.SQS, deniedSQS),
		s.guarded(s.secrets.Service(), s.secretCalls, denied),
		s.guarded(s.buses.Service(), scope.EventBridge, denied),
		s.guarded(s.kinesis.Service(), kinesisCalls, denied),
	}
	topics := sns.Handler(s.guarded(s.topics.Service(), scope.SNS, deniedSNS))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, api := range apis {
			if api.Serves(r) {
				api.ServeHTTP(w, r)
				return
			}
		}
		switch {
		case awsquery.Serves(r): // no other service speaks that protocol
			topics.ServeHTTP(w, r)
			return
		case r.Header.Get("X-Amz-Target") != "":
			unknownService(w, r)
			return
		}
		s.serveGateway(w, r)
	})
}

// unknownService answers a call to an AWS service that does not run here.
func unknownService(w http.ResponseWriter, r *http.Request) {
	none := awsjson.Service{}
	none.ServeHTTP(w, r)
}

func (s *Stack) serveGateway(w http.ResponseWriter, r *http.Request) {
	if !s.ready.Load() {
		http.Error(w, "the stack is starting", http.StatusServiceUnavailable)
		return
	}
	if err := s.authorizeConnection(r); err != nil {
		forbidden(w, err)
		return
	}
	if s.refusedPost(w, r) {
		return
	}
	s.gateway.ServeHTTP(w, r)
}

// health answers 200 once everything is up, and 503 before.
func (s *Stack) health(w http.ResponseWriter, _ *http.Request) {
	state, status := "running", http.StatusOK
	if !s.ready.Load() {
		state, status = "starting", http.StatusServiceUnavailable
	}
	states := map[string]string{}
	for _, name := range services {
		states[name] = state
	}
	writeJSON(w, status, map[string]any{"services": states, "edition": "watchroute"})
}

// Usage is what a run has cost so far.
type Usage struct {
	DynamoDB   dynamodb.Usage   `json:"dynamodb"`
	APIGateway apigateway.Usage `json:"apigateway"`
	// REST is what the REST API has done; absent if there is none.
	REST   *restapi.Usage `json:"rest,omitempty"`
	Lambda lambda.Usage   `json:"lambda"`
	SQS    sqs.Usage      `json:"sqs"`
	SNS    sns.Usage      `json:"sns"`
	// EventBridge is what event buses and rules have done.
	EventBridge eventbridge.Usage `json:"eventbridge"`
	Kinesis     kinesis.Usage     `json:"kinesis"`
	IAM         iam.Usage         `json:"iam"`
	// Faults counts what was broken on purpose; absent if nothing is to be.
	Faults map[fault.Kind]int64 `json:"faults,omitempty"`
	// TCPConnections is how many connections were ever accepted, WebSockets among
	// them.
	TCPConnections int64 `json:"tcpConnections"`
}

// Usage counts since the start or the last ResetUsage.
func (s *Stack) Usage() Usage {
	u := Usage{DynamoDB: s.db.Usage(), APIGateway: s.gateway.Usage(), Lambda: s.functions.Usage(),
		SQS: s.queues.Usage(), SNS: s.topics.Usage(), EventBridge: s.buses.Usage(), Kinesis: s.kinesis.Usage(), IAM: s.access.usage(), Faults: s.o.Faults.Counts(), TCPConnections: s.accepted.Load()}
	if s.rest != nil {
		rest := s.rest.Usage()
		u.REST = &rest
	}
	return u
}

// ResetUsage starts counting anew.
func (s *Stack) ResetUsage() {
	s.db.ResetUsage()
	s.gateway.ResetUsage()
	if s.rest != nil {
		s.rest.ResetUsage()
	}
	s.functions.ResetUsage()
	s.queues.ResetUsage()
	s.topics.ResetUsage()
	s.kinesis.ResetUsage()
	s.buses.ResetUsage()
	s.access.resetUsage()
	s.o.Faults.ResetCounts()
	s.accepted.Store(0)
	s.counted.Store(time.Now().UnixMilli())
}

// outputs answers with the template's.
func (s *Stack) outputs(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.Outputs)
}

func (s *Stack) usage(w http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		http.Error(w, "the stack is starting", http.StatusServiceUnavailable)
		return
	}
	writeJSON(w, http.StatusOK, s.Usage())
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(value) // the client has gone; there is no one left to tell
}

// callsFirst serves the calls of functions without net/http, because there are thousands in a
// second. It counts the TCP connections. Faults that break an answer need net/http.
func (s *Stack) callsFirst() []net.Listener {
	o := shortcut.Options{Prefix: functionsPath, Handler: s.server.Handler, Logger: s.o.Logger,
		Accepted: func() { s.accepted.Add(1) }}
	if f := s.o.Faults; f != nil {
		o.Pass = func() bool { return !f.Calm() }
	}
	first := make([]net.Listener, len(s.listeners))
	for i, l := range s.listeners {
		first[i] = shortcut.Listen(l, o)
	}
	return first
}
