package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// history appends to the events of orders, over HTTP.
type history struct {
	url     string
	token   string
	options client.Options
}

// errOvertaken is an event whose number another event has got.
var errOvertaken = errors.New("another event has happened")

// carryOut has a command decide on the present state. If something else happens to the order meanwhile,
// the command decides again.
func (h history) carryOut(ctx context.Context, order string, decide func(Order) (Event, error)) error {
	for {
		state, err := h.read(ctx, order)
		if err != nil {
			return err
		}
		event, err := decide(state)
		if err != nil {
			return err
		}
		if err = h.append(ctx, order, state.Events+1, event); !errors.Is(err, errOvertaken) {
			return err
		}
	}
}

// read applies all events of an order.
func (h history) read(ctx context.Context, order string) (state Order, err error) {
	for event, err := range client.Read(ctx, h.url, eventsOf(order), h.options, client.WatchOptions{}) {
		if err != nil {
			return state, err
		}
		for _, item := range event.Page.Items {
			if state, err = state.apply(item); err != nil {
				return state, err
			}
		}
	}
	return state, nil
}

// append puts an event if there is none with its number.
func (h history) append(ctx context.Context, order string, number int, e Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	body, err := json.Marshal(events.Item{ID: idOf(number), Data: data})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/topics/"+string(eventsOf(order)), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("If-None-Match", "*")
	if h.token != "" {
		request.Header.Set("Authorization", "Bearer "+h.token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK, http.StatusCreated:
		return nil
	case http.StatusPreconditionFailed:
		return errOvertaken
	}
	said, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // for a person
	return fmt.Errorf("append to order %s: %s: %s", order, response.Status, said)
}
