package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/failure"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/intake"
	"github.com/watchroute/watchroute/shared/watch"
)

const (
	// tasksAtOnce bounds the writes that are under way. Those of one topic follow each other, because
	// its changes are numbered in the order in which they are written.
	tasksAtOnce = 16
	// deadlineMargin is the part of the timeout that is kept free to report what is not done.
	deadlineMargin = 2 * time.Second
)

type handler struct {
	sources  []intake.Source
	store    store
	failures failures
	now      func() time.Time
	logger   *slog.Logger
}

type store interface {
	Apply(ctx context.Context, item intake.Item) (applied bool, err error)
}

// failures takes messages that can never become an item.
type failures interface {
	Send(ctx context.Context, message any) error
}

func (h handler) handle(ctx context.Context, payload json.RawMessage) (any, error) {
	b, err := read(payload)
	if err != nil {
		return nil, err
	}
	ctx, cancel := function.WithMargin(ctx, deadlineMargin)
	defer cancel()
	return b.report(h.applyAll(ctx, b.arrivals))
}

// task is an arrival that is an item.
type task struct {
	index int // among the arrivals
	item  intake.Item
}

// applyAll carries the arrivals out and gives those that have to come again, in their order. What can
// never become an item begins last, so that a failure queue that does not answer holds no item up.
func (h handler) applyAll(ctx context.Context, arrivals []arrival) (again []arrival) {
	done := make([]bool, len(arrivals))
	topics := map[events.Topic][]task{}
	refused := map[int]*events.Error{}
	for i, a := range arrivals {
		item, err := h.read(a)
		if refusal := (*events.Error)(nil); errors.As(err, &refusal) {
			refused[i] = refusal
			continue
		}
		if err != nil {
			h.logger.Error("message cannot be read", "source", a.from, "location", a.location, "err", err)
			continue
		}
		topics[item.Topic] = append(topics[item.Topic], task{i, item})
	}
	var stale atomic.Int64
	var group errgroup.Group // no task gives an error
	group.SetLimit(tasksAtOnce)
	for _, tasks := range topics {
		group.Go(func() error {
			h.inOrder(ctx, arrivals, tasks, done, &stale)
			return nil
		})
	}
	for i, cause := range refused {
		group.Go(func() error {
			done[i] = h.refuse(ctx, arrivals[i], cause)
			return nil
		})
	}
	_ = group.Wait()
	for i, a := range arrivals {
		if !done[i] {
			again = append(again, a)
		}
	}
	if stale.Load() > 0 {
		h.logger.Info("messages came again, or too late", "messages", stale.Load(), "of", len(arrivals))
	}
	return again
}

func (h handler) read(a arrival) (intake.Item, error) {
	i := slices.IndexFunc(h.sources, func(s intake.Source) bool { return s.Is(a.from, a.kafkaTopic) })
	if i < 0 {
		return intake.Item{}, errors.New("the function does not know the source")
	}
	return h.sources[i].Read(a.Message, h.now())
}

// inOrder carries out the tasks of one topic, up to the first that has to come again.
func (h handler) inOrder(ctx context.Context, arrivals []arrival, tasks []task, done []bool, stale *atomic.Int64) {
	for _, t := range tasks {
		applied, err := h.store.Apply(ctx, t.item)
		switch {
		case errors.Is(err, watch.ErrBadItem):
			refusal := &events.Error{Code: intake.ReasonItem, Message: err.Error()}
			done[t.index] = h.refuse(ctx, arrivals[t.index], refusal)
		case err != nil:
			h.logger.Error("message not applied", "source", t.item.Source, "location", arrivals[t.index].location, "err", err)
			return
		default:
			done[t.index] = true
		}
		if err == nil && !applied {
			stale.Add(1)
		}
	}
}

// refusal is the message that the failure queue gets for one that can never become an item.
type refusal struct {
	Reason   events.Code       `json:"reason"`
	Message  string            `json:"message"`
	From     string            `json:"from"`
	Location string            `json:"location"` // of the message in its source
	Key      string            `json:"key,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	Body     string            `json:"body,omitempty"`
	Base64   []byte            `json:"bodyBase64,omitempty"` // of a body that is not a text
	Gzip     []byte            `json:"bodyGzip,omitempty"`   // in place of both, of a body that is too large as it is
	// Truncated says that headers and body are left out for their size.
	Truncated bool `json:"truncated,omitempty"`
}

// refuse sends a message to the failure queue. done is false if the message has to come again,
// because the queue may take it later. If the queue never takes it, the log names it.
func (h handler) refuse(ctx context.Context, a arrival, cause *events.Error) (done bool) {
	logger := h.logger.With("source", a.from, "location", a.location, "reason", cause.Code)
	logger.Warn("message refused")
	r := refusal{Reason: cause.Code, Message: cause.Message, From: a.from, Location: a.location, Key: a.Key, Headers: a.Headers, Body: string(a.Body)}
	if !utf8.Valid(a.Body) {
		r.Body, r.Base64 = "", a.Body
	}
	err := h.failures.Send(ctx, r)
	if errors.Is(err, failure.ErrTooLarge) { // a queue takes messages that are larger as JSON in JSON
		r.Body, r.Base64, r.Gzip = "", nil, zipped(a.Body)
		err = h.failures.Send(ctx, r)
	}
	if errors.Is(err, failure.ErrTooLarge) {
		r.Headers, r.Gzip, r.Truncated = nil, nil, true
		err = h.failures.Send(ctx, r)
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, failure.ErrRejected):
		logger.Error("refused message given up", "err", err) // without the sentence, which quotes the message
		return true
	}
	logger.Error("refusal not delivered", "err", fmt.Errorf("refuse %s: %w", a.location, err))
	return false
}

// zipped compresses a body by gzip.
func zipped(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // a Buffer takes everything
	_ = w.Close()
	return b.Bytes()
}
