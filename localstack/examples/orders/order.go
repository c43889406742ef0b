package main

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/watchroute/watchroute/events"
)

// Status is how far an order has come.
type Status string

// The states of an order.
const (
	Placed    Status = "placed"
	Paid      Status = "paid"
	Shipped   Status = "shipped"
	Cancelled Status = "cancelled"
)

// Order is the state of an order after its events.
type Order struct {
	Status Status `json:"status"`
	Events int    `json:"events"` // how many have happened to it
	Cursor string `json:"cursor"` // up to which the projector has them
}

// Event is what has happened to an order: it has a new state.
type Event struct {
	Became Status `json:"became"`
}

// commands decide what becomes of an order, or refuse.
var commands = map[string]func(Order) (Event, error){
	"place":  func(o Order) (Event, error) { return o.becomes(Placed, "") },
	"pay":    func(o Order) (Event, error) { return o.becomes(Paid, Placed) },
	"ship":   func(o Order) (Event, error) { return o.becomes(Shipped, Paid) },
	"cancel": func(o Order) (Event, error) { return o.becomes(Cancelled, Placed) },
}

func (o Order) becomes(next, from Status) (Event, error) {
	if o.Status != from {
		return Event{}, fmt.Errorf("an order that is %q cannot be %s", o.Status, next)
	}
	return Event{Became: next}, nil
}

// idOf gives an event's id, which sorts by its number.
func idOf(number int) string { return fmt.Sprintf("%06d", number) }

// apply takes an event in. One that the order has already changes nothing.
func (o Order) apply(item events.Item) (Order, error) {
	number, err := strconv.Atoi(item.ID)
	if err != nil || number > o.Events+1 {
		return o, fmt.Errorf("event %s follows %d events", item.ID, o.Events)
	}
	if number <= o.Events {
		return o, nil
	}
	var e Event
	if err := json.Unmarshal(item.Data, &e); err != nil {
		return o, fmt.Errorf("event %s: %w", item.ID, err)
	}
	o.Status, o.Events = e.Became, number
	return o, nil
}

// eventsOf is the topic of an order's events.
func eventsOf(order string) events.Topic { return events.Topic("orders/" + order + "/events") }
