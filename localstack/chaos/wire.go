package main

import (
	"sync"

	"github.com/watchroute/watchroute/localstack/aws/restapi"
	"github.com/watchroute/watchroute/localstack/contract"
	"github.com/watchroute/watchroute/localstack/stack"
)

// wire holds all that a run's stack sends to the contracts.
type wire struct {
	*contract.Checker
	mu  sync.Mutex
	err error // the first that does not keep to them
}

func newWire() (*wire, error) {
	c, err := contract.New()
	return &wire{Checker: c}, err
}

// watch has a stack tell what it sends.
func (w *wire) watch(o *stack.Options) {
	o.Gateway.Sent = func(frame []byte) { w.note(w.Frame(frame)) }
	o.Gateway.Answered = func(message string, answer []byte) { w.note(w.Request([]byte(message), answer)) }
	o.REST.Answered = func(a restapi.Answer) {
		if !a.Cut {
			w.note(w.Body(a.Method, a.Path, a.Asked, a.Status, a.Body))
			w.note(w.Answer(a.Method, a.Path, a.Status, a.Header, a.Body))
		}
	}
}

func (w *wire) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// broken gives the first message that does not keep to the contracts.
func (w *wire) broken() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
