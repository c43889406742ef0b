package failure_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/watchroute/watchroute/localstack/aws/sqs/sqstest"
	"github.com/watchroute/watchroute/shared/failure"
)

// world is a failure queue on the embedded SQS, which refuses what AWS refuses.
type world struct {
	failure.Queue
	client *sqs.Client
	url    *string
	cfg    aws.Config
}

func newWorld(t testing.TB) *world {
	t.Helper()
	q := sqstest.Start(t, "failures")
	return &world{failure.Open(q.Config, *q.URL), q.Client, q.URL, q.Config}
}

// body takes the next message.
func (w *world) body(t testing.TB) string {
	t.Helper()
	out, err := w.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: w.url})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("received %+v, %v", out, err)
	}
	return *out.Messages[0].Body
}

// TestAnyTextReachesTheQueue sends each character that SQS refuses, and finds it again.
func TestAnyTextReachesTheQueue(t *testing.T) {
	w := newWorld(t)
	var all strings.Builder
	for r := range rune(0x20) {
		all.WriteRune(r)
	}
	for _, text := range []string{"bad\uffff", "\ufffe", all.String(), "\x7f\u0080\u2028", "\U0001ffff\U0010ffff\U0001fffe", `\uffff`, "€", ""} {
		type message struct {
			Text string
			Raw  json.RawMessage
		}
		raw, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Send(t.Context(), message{text, raw}); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var got message
		var inRaw string
		if err := errors.Join(json.Unmarshal([]byte(w.body(t)), &got), json.Unmarshal(got.Raw, &inRaw)); err != nil || got.Text != text || inRaw != text {
			t.Errorf("%q comes back as %q and %q, %v", text, got.Text, inRaw, err)
		}
	}
}

func FuzzSend(f *testing.F) {
	w := newWorld(f)
	for _, seed := range []string{"bad\uffff", "\xef\xbf", "\xef\xbf\xbf\xbf", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := w.Send(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal([]byte(w.body(t)), &got); err != nil || got != replaced(text) {
			t.Errorf("%q comes back as %q, %v", text, got, err)
		}
	})
}

// replaced has U+FFFD for each byte that is not UTF-8, as package json does it.
func replaced(text string) string { return string([]rune(text)) }

// TestSizeIsThatOfSQS: what fits is taken, a byte more is refused without a request.
func TestSizeIsThatOfSQS(t *testing.T) {
	w := newWorld(t)
	fits := strings.Repeat("x", failure.MaxBytes-2) // and two quotes
	if err := w.Send(t.Context(), fits); err != nil {
		t.Error(err)
	}
	if err := w.Send(t.Context(), fits+"x"); !errors.Is(err, failure.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := w.Send(t.Context(), strings.Repeat("\uffff", failure.MaxBytes/6+1)); !errors.Is(err, failure.ErrTooLarge) {
		t.Errorf("too large once escaped: %v", err)
	}
	if err := w.Send(t.Context(), func() {}); err == nil {
		t.Error("a function was sent")
	}
}

// TestRejectedForGood tells what will never be taken from what may be taken later.
func TestRejectedForGood(t *testing.T) {
	w := newWorld(t)
	if err := w.Send(t.Context(), strings.Repeat("x", failure.MaxBytes)); !errors.Is(err, failure.ErrRejected) {
		t.Errorf("too large: %v", err)
	}
	if err := failure.Open(w.cfg, *w.url+"2").Send(t.Context(), "x"); !errors.Is(err, failure.ErrRejected) {
		t.Errorf("no such queue: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Send(ended, "x"); err == nil || errors.Is(err, failure.ErrRejected) {
		t.Errorf("no time left: %v", err)
	}
	for _, status := range []int{http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		down := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) }))
		cfg := w.cfg.Copy()
		cfg.BaseEndpoint, cfg.RetryMaxAttempts = &down.URL, 1
		if err := failure.Open(cfg, down.URL+"/0/failures").Send(t.Context(), "x"); err == nil || errors.Is(err, failure.ErrRejected) {
			t.Errorf("status %d: %v", status, err)
		}
		down.Close()
	}
}
