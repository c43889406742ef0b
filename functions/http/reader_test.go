package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
)

// TestSlowReadersAreCut: a client that reads nothing, or next to nothing, is cut. It does not
// occupy an execution until its request's time is over, and its hold ends.
func TestSlowReadersAreCut(t *testing.T) {
	for name, read := range map[string]func(io.Reader) error{
		"reads nothing": func(io.Reader) error { return nil },
		"reads a byte now and then": func(r io.Reader) error {
			_, err := r.Read(make([]byte, 1))
			time.Sleep(time.Millisecond)
			return err
		},
	} {
		s, released := newSlowService(t)
		answer := s.streamTo("/topics/a")
		begun := time.Now()
		var err error
		for released.Load() == 0 && err == nil && time.Since(begun) < 20*time.Second {
			err = read(answer.Body)
		}
		eventually(t, func() bool { return released.Load() == 1 })
		if _, err := io.Copy(io.Discard, answer.Body); !errors.Is(err, errSlow) {
			t.Errorf("who %s is cut off with %v", name, err)
		}
	}
}

// newSlowService is a service with items of a megabyte, which waits for its readers for a tenth of
// a second.
func newSlowService(t *testing.T) (s *service, released *atomic.Int32) {
	t.Helper()
	s = newService(t)
	s.readPause, released = 100*time.Millisecond, &atomic.Int32{}
	s.feed.Holds = releases{s.store, released}
	for n := range 10 {
		s.put("a", fmt.Sprint(n), `{"x":"`+strings.Repeat("x", 100_000)+`"}`)
	}
	return s, released
}

// streamTo asks for a stream as API Gateway does.
func (s *service) streamTo(path string) *awsevents.APIGatewayProxyStreamingResponse {
	s.Helper()
	answer, err := gateway{handler: s}.serve(s.Context(), awsevents.APIGatewayProxyRequest{
		HTTPMethod: http.MethodGet, Path: path, MultiValueHeaders: map[string][]string{"Accept": {"text/event-stream"}},
		MultiValueQueryStringParameters: map[string][]string{"snapshot": {"true"}},
	})
	if err != nil || answer.StatusCode != 200 {
		s.Fatalf("answered %+v, %v", answer, err)
	}
	return answer
}

// TestSteadyReaderIsNotCut, even if the whole answer takes longer than the pause.
func TestSteadyReaderIsNotCut(t *testing.T) {
	s, released := newSlowService(t)
	s.readPause = time.Second
	answer := s.streamTo("/topics/a")
	for part := range 1_000_000 / readBytes {
		if _, err := io.ReadFull(answer.Body, make([]byte, readBytes)); err != nil {
			t.Fatalf("cut off after %d parts with %v", part, err)
		}
		time.Sleep(40 * time.Millisecond)
	}
	if err := answer.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return released.Load() == 1 })
}

// TestSlowReaderOfAnAnswerIsCut: an answer that is not held ends as well.
func TestSlowReaderOfAnAnswerIsCut(t *testing.T) {
	s, _ := newSlowService(t)
	ended := make(chan struct{})
	answer, err := gateway{handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r)
		close(ended)
	})}.serve(t.Context(), awsevents.APIGatewayProxyRequest{HTTPMethod: http.MethodGet, Path: "/topics/a"})
	if err != nil {
		t.Fatal(err)
	}
	<-ended
	if n, err := io.Copy(io.Discard, answer.Body); !errors.Is(err, errSlow) || n > 0 {
		t.Errorf("it reads %d bytes, and then %v", n, err)
	}
}
