package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mostRows is how many rows of a table are looked at for a list.
const mostRows = 2000

// row is an item of a table, as far as lists show it.
type row map[string]struct {
	S, N string
	BOOL bool
	SS   []string
	M    map[string]json.RawMessage
	L    []struct{ S string }
}

// rows reads the first rows of a table. It is not counted.
func (o Options) rows(ctx context.Context, table string) ([]row, error) {
	body, err := json.Marshal(map[string]any{"TableName": table, "Limit": mostRows})
	if err != nil {
		return nil, err
	}
	answer, err := o.DB().Onlooker().Call(ctx, "Scan", body)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	var found struct{ Items []row }
	return found.Items, json.Unmarshal(text, &found)
}

// subscription is what a connection watches.
type subscription struct {
	Topic  string          `json:"topic"` // or a pattern
	Filter json.RawMessage `json:"filter,omitempty"`
	Fields []string        `json:"fields,omitempty"`
	Delta  bool            `json:"delta,omitempty"`
	Latest bool            `json:"latest,omitempty"`
}

// connection is who is connected.
type connection struct {
	ID            string         `json:"id"`
	Subject       string         `json:"subject"`
	Since         int64          `json:"since"` // milliseconds since 1970; 0 if that is not known
	Open          bool           `json:"open"`  // there is a socket
	Subscriptions []subscription `json:"subscriptions"`
}

// connections lists who is connected: the sockets that are open, and the rows of those that are not.
func (o Options) connections(r *http.Request) (any, error) {
	known, err := o.rows(r.Context(), o.Tables().Connections)
	if err != nil {
		return nil, err
	}
	watched, err := o.rows(r.Context(), o.Tables().Subscriptions)
	if err != nil {
		return nil, err
	}
	open := o.Connections()
	found := map[string]*connection{}
	for _, id := range open[:min(len(open), mostRows)] {
		found[id] = &connection{ID: id, Open: true, Subscriptions: []subscription{}}
	}
	for _, row := range known {
		id := row["connectionId"].S
		if strings.HasPrefix(id, "*") { // what the subject has spent, or holds
			continue
		}
		if found[id] == nil {
			found[id] = &connection{ID: id, Subscriptions: []subscription{}}
		}
		found[id].Subject = row["subject"].S
		found[id].Since = milliseconds(row["connectedAt"].N, row["connectedAt"].S)
	}
	for _, row := range watched {
		name, star := strings.Trim(row["connectionId"].S, "*"), row["connectionId"].S
		if c := found[name]; c != nil {
			c.Subscriptions = append(c.Subscriptions, subscriptionIn(row, star[:len(star)-len(name)]))
		}
	}
	list := make([]*connection, 0, len(found))
	for _, c := range found {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *connection) int { return cmp.Or(cmp.Compare(b.Since, a.Since), cmp.Compare(a.ID, b.ID)) })
	return map[string]any{"at": time.Now().UnixMilli(), "connections": list, "more": len(open) > mostRows || len(known) == mostRows || len(watched) == mostRows}, nil
}

// subscriptionIn reads a row of the table of subscriptions; stars are those of a pattern.
func subscriptionIn(r row, stars string) subscription {
	name, _, _ := strings.Cut(r["topic"].S, "#")
	if stars != "" {
		name += "/" + stars
	}
	s := subscription{Topic: name, Delta: r["delta"].BOOL, Latest: r["latest"].BOOL}
	if filter := r["filter"].S; json.Valid([]byte(filter)) {
		s.Filter = json.RawMessage(filter)
	}
	for _, field := range r["fields"].L {
		s.Fields = append(s.Fields, field.S)
	}
	return s
}

// milliseconds reads a time, as a number of seconds or milliseconds or as text; 0 if it is none.
func milliseconds(number, text string) int64 {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UnixMilli()
	}
	n, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil:
		return 0
	case n < 1e11: // seconds
		return int64(n * 1000)
	}
	return int64(n)
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
