package console

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// mostRows is how many rows of a table are looked at for a list.
const mostRows = 2000

// subscription is what a connection watches.
type subscription struct {
	Topic  events.Topic    `json:"topic"` // or a pattern
	Filter json.RawMessage `json:"filter,omitempty"`
	Fields []string        `json:"fields,omitempty"`
	Delta  bool            `json:"delta,omitempty"`
	Latest bool            `json:"latest,omitempty"`
}

// connection is who is connected.
type connection struct {
	ID            watch.ConnectionID `json:"id"`
	Subject       string             `json:"subject"`
	Since         int64              `json:"since"` // milliseconds since 1970; 0 if that is not known
	Open          bool               `json:"open"`  // there is a socket
	Subscriptions []subscription     `json:"subscriptions"`
}

// connections lists who is connected: the sockets that are open, and the rows of those that are not.
func (o Options) connections(r *http.Request) (any, error) {
	known, moreKnown, err := o.store().ListConnections(r.Context(), mostRows)
	if err != nil {
		return nil, err
	}
	watched, moreWatched, err := o.store().ListSubscriptions(r.Context(), mostRows)
	if err != nil {
		return nil, err
	}
	open := o.Connections()
	found := map[watch.ConnectionID]*connection{}
	for _, id := range open[:min(len(open), mostRows)] {
		found[watch.ConnectionID(id)] = &connection{ID: watch.ConnectionID(id), Open: true, Subscriptions: []subscription{}}
	}
	for _, c := range known {
		if found[c.ID] == nil {
			found[c.ID] = &connection{ID: c.ID, Subscriptions: []subscription{}}
		}
		found[c.ID].Subject, found[c.ID].Since = c.Subject, c.Connected.UnixMilli()
	}
	for _, s := range watched {
		if c := found[s.ID]; c != nil {
			c.Subscriptions = append(c.Subscriptions, subscription{s.Topic, s.Filter, s.Fields, s.Delta, s.Latest})
		}
	}
	list := slices.AppendSeq([]*connection{}, maps.Values(found)) // which is a list also if it is empty
	slices.SortFunc(list, func(a, b *connection) int { return cmp.Or(cmp.Compare(b.Since, a.Since), cmp.Compare(a.ID, b.ID)) })
	return map[string]any{"at": time.Now().UnixMilli(), "connections": list, "more": len(open) > mostRows || moreKnown || moreWatched}, nil
}

// cut ends the TCP connection of a client.
func (o Options) cut(_ *http.Request, body []byte) (any, error) {
	var asked struct {
		Connection string `json:"connection"`
	}
	if err := read(body, &asked); err != nil {
		return nil, err
	}
	if !o.Cut(asked.Connection) {
		return nil, refuse(http.StatusNotFound, "there is no socket %.40q", asked.Connection)
	}
	return map[string]bool{"cut": true}, nil
}
