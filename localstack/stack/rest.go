package stack

import (
	"context"
	"io"
	"net/http"

	"github.com/watchroute/watchroute/localstack/aws/apis"
	"github.com/watchroute/watchroute/localstack/aws/lambda"
	"github.com/watchroute/watchroute/localstack/aws/restapi"
)

// startREST runs the template's REST API, if it has one.
func (d *deployment) startREST() error {
	api, declared, err := d.apis.REST()
	if err != nil || !declared {
		return err
	}
	s := d.stack
	o := s.brokenREST(s.o.REST)
	o.Account, o.Logger = s.gateway.Account(), s.o.Gateway.Logger
	if s.rest, err = restapi.New(api, invoker{s.functions}, o); err != nil {
		return err
	}
	s.restStage = api.Stage
	d.shareProcesses(api)
	return nil
}

// holdsPerProcess is how many streams one process of a function holds when no more processes may
// start. A hold costs a process nothing but waiting, and a laptop has no memory for hundreds of
// processes.
const holdsPerProcess = 64

// shareProcesses lets functions that mostly wait run several invocations in a process: those whose
// answers are streamed, and those that get messages one by one, which deliver to somebody.
func (d *deployment) shareProcesses(api restapi.API) {
	for i, f := range d.functions {
		for _, m := range d.mappings {
			if m.ofQueue() && m.BatchSize == 1 && m.function() == f.Name {
				d.functions[i].PerProcess = m.ScalingConfig.MaximumConcurrency
			}
		}
	}
	for i, f := range d.functions {
		for _, r := range api.Resources {
			for _, m := range r.Methods {
				if m.Stream && m.Function == f.ARN {
					d.functions[i].PerProcess = holdsPerProcess
				}
			}
		}
	}
}

// invoker lets a REST API run functions.
type invoker struct{ *lambda.Service }

// InvokeStream is the service's, without a stream that is nil.
func (i invoker) InvokeStream(ctx context.Context, function string, payload []byte) (io.ReadCloser, []byte, error) {
	stream, failure, err := i.Service.InvokeStream(ctx, function, payload)
	if stream == nil {
		return nil, failure, err
	}
	return stream, nil, nil
}

// HTTPURL is where the REST API's paths begin, "" if there is none.
func (s *Stack) HTTPURL() string {
	if s.rest == nil {
		return ""
	}
	return s.URL() + "/" + s.restStage
}

// restFirst serves the REST API before next, which would clean paths.
func (s *Stack) restFirst(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.ready.Load() && s.rest != nil && s.rest.Serves(r) && !apis.ForWebSocket(r, s.stage) {
			s.rest.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
