package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// states is the topic with the present state of each order.
const states events.Topic = "orders"

// projector keeps the states.
type projector struct {
	client *client.Client
	orders map[string]Order
}

// project keeps the states until ctx ends.
func project(ctx context.Context, webSocketURL, httpURL string, o client.Options) error {
	orders, err := known(ctx, httpURL, o)
	if err != nil {
		return err
	}
	cursors := map[events.Topic]events.Cursor{}
	for order, state := range orders {
		if cursors[eventsOf(order)], err = events.ParseCursor(state.Cursor); err != nil {
			return fmt.Errorf("order %s: %w", order, err)
		}
	}
	c, err := client.Dial(ctx, webSocketURL, o)
	if err != nil {
		return err
	}
	defer c.Close()
	p := projector{c, orders}
	for event, err := range c.Watch(ctx, states+"/"+events.AnySegments, client.WatchOptions{Cursors: cursors}) {
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = p.see(ctx, event)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// known reads the states that a projector before has left.
func known(ctx context.Context, httpURL string, o client.Options) (map[string]Order, error) {
	orders := map[string]Order{}
	for event, err := range client.Read(ctx, httpURL, states, o, client.WatchOptions{}) {
		if err != nil {
			return nil, err
		}
		for _, item := range event.Page.Items {
			var state Order
			if err := json.Unmarshal(item.Data, &state); err != nil {
				return nil, fmt.Errorf("order %s: %w", item.ID, err)
			}
			orders[item.ID] = state
		}
	}
	return orders, nil
}

// see takes in what a watch tells. The states are below the pattern as well, and are passed over.
func (p projector) see(ctx context.Context, event client.Event) error {
	order, ok := strings.CutPrefix(string(event.Topic), string(states)+"/")
	order, isEvents := strings.CutSuffix(order, "/events")
	if !ok || !isEvents {
		return nil
	}
	var items []events.Item
	switch {
	case event.Page != nil:
		items = event.Page.Items // of a topic whose log does not go back to the cursor
	case event.Change != nil && event.Change.Op == events.Added:
		items = []events.Item{{ID: event.Change.ID, Data: event.Change.Data}}
	default:
		return nil
	}
	state := p.orders[order]
	for _, item := range items {
		var err error
		if state, err = state.apply(item); err != nil {
			return fmt.Errorf("order %s: %w", order, err)
		}
	}
	if p.orders[order] = state; event.Cursor == (events.Cursor{}) {
		return nil // there are more pages
	}
	state.Cursor = event.Cursor.String()
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	_, err = p.client.Publish(ctx, states, events.Item{ID: order, Data: data})
	return err
}
