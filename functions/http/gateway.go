package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
)

// gateway serves what API Gateway's REST API invokes the function with by an HTTP handler,
// and gives the answer's bytes as the handler writes them.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/response-streaming-lambda-configure.html
type gateway struct {
	handler http.Handler
	logger  *slog.Logger
}

// contextKey is under which a request's context has API Gateway's.
type contextKey struct{}

// serve answers one event. An error of the handler once it has begun to answer can only cut
// the answer short.
func (g gateway) serve(ctx context.Context, event awsevents.APIGatewayProxyRequest) (*awsevents.APIGatewayProxyStreamingResponse, error) {
	request, err := requestOf(ctx, event)
	if err != nil {
		return unreadable(err)
	}
	body, writing := io.Pipe()
	w := &streamWriter{header: http.Header{}, body: writing, begun: make(chan struct{})}
	go func() {
		var err error
		defer func() {
			if r := recover(); r != nil { // or the process would end, with all that it holds
				err = g.panicked(w, request, r)
			}
			_ = writing.CloseWithError(err)
		}()
		g.handler.ServeHTTP(w, request)
		w.WriteHeader(http.StatusOK)
	}()
	<-w.begun
	return &awsevents.APIGatewayProxyStreamingResponse{StatusCode: w.status, MultiValueHeaders: w.sent, Body: body}, nil
}

// panicked answers a request that the handler has not begun to answer. If the handler has begun,
// the returned error cuts the answer short.
func (g gateway) panicked(w *streamWriter, r *http.Request, why any) error {
	err := fmt.Errorf("handler panicked: %v\n%s", why, debug.Stack())
	select {
	case <-w.begun:
		return err
	default:
		handler{logger: g.logger}.refuse(w, r, err)
		return nil
	}
}

// unreadable answers an event that is no HTTP request, such as one whose path is not escaped as
// URLs are.
func unreadable(err error) (*awsevents.APIGatewayProxyStreamingResponse, error) {
	body, encoding := events.Marshal(whole(events.Problem{Code: events.CodeBadRequest, Detail: err.Error()}))
	header := http.Header{"Content-Type": {events.ProblemType}, "Cache-Control": {"no-store"}, "Access-Control-Allow-Origin": {"*"}}
	return &awsevents.APIGatewayProxyStreamingResponse{StatusCode: http.StatusBadRequest, MultiValueHeaders: header, Body: bytes.NewReader(body)}, encoding
}

// requestOf makes an HTTP request of an event. The path is without the stage, and without the
// base path of a custom domain, which only pathParameters leave out. It keeps its escapes; the
// query was decoded. A token in the query is left out: the authorizer has read it,
// and it must not get into links.
func requestOf(ctx context.Context, event awsevents.APIGatewayProxyRequest) (*http.Request, error) {
	var body io.Reader = strings.NewReader(event.Body)
	if event.IsBase64Encoded {
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	path := event.Path
	if proxy, ok := event.PathParameters["proxy"]; ok {
		path = "/" + proxy
	} else if !strings.Contains(event.Resource, "{") && event.Resource != "" { // one of a name of its own
		path = event.Resource
	}
	target := "https://" + event.RequestContext.DomainName + path
	query := url.Values(event.MultiValueQueryStringParameters)
	query.Del(events.QueryToken)
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(context.WithValue(ctx, contextKey{}, event.RequestContext), event.HTTPMethod, target, body)
	if err != nil {
		return nil, errors.New("the URL or the method is not one of HTTP")
	}
	for name, values := range event.MultiValueHeaders {
		for _, value := range values {
			request.Header.Add(name, value)
		}
	}
	request.RemoteAddr = event.RequestContext.Identity.SourceIP
	return request, nil
}

// contextOf gives what API Gateway says about a request.
func contextOf(r *http.Request) awsevents.APIGatewayProxyRequestContext {
	c, _ := r.Context().Value(contextKey{}).(awsevents.APIGatewayProxyRequestContext)
	return c
}

// streamWriter is the answer of one request.
type streamWriter struct {
	header http.Header
	body   *io.PipeWriter
	once   sync.Once
	begun  chan struct{} // closed once status and headers are known
	status int
	sent   http.Header

	deadline time.Time // of writes; zero for none
}

func (w *streamWriter) Header() http.Header { return w.header }

func (w *streamWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	})
}

func (w *streamWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if !w.deadline.IsZero() {
		defer time.AfterFunc(time.Until(w.deadline), func() { _ = w.body.CloseWithError(errSlow) }).Stop()
	}
	return w.body.Write(p)
}

// SetWriteDeadline ends the answer of a client that does not read what is written by then.
func (w *streamWriter) SetWriteDeadline(deadline time.Time) error {
	w.deadline = deadline
	return nil
}

// Flush does nothing, as each write is passed on at once.
func (w *streamWriter) Flush() {}
