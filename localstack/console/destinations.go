package console

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
)

// destination is what is delivered where.
type destination struct {
	ID       string          `json:"id"`
	Name     string          `json:"name,omitempty"` // by which it is declared
	Subject  string          `json:"subject,omitempty"`
	Kind     string          `json:"kind"`
	Watches  string          `json:"watches"`
	Target   string          `json:"target"`
	Format   string          `json:"format,omitempty"`
	Filter   json.RawMessage `json:"filter,omitempty"`
	Verified bool            `json:"verified"`
	Disabled string          `json:"disabled,omitempty"` // why
	Topics   []standing      `json:"topics"`
}

// standing is how far a destination has come in a topic.
type standing struct {
	Topic     string `json:"topic"`
	After     string `json:"after"`
	Waiting   bool   `json:"waiting"`
	Failures  string `json:"failures,omitempty"`
	LastError string `json:"lastError,omitempty"`
	RetryAt   int64  `json:"retryAt,omitempty"`
}

// destinations lists what is delivered where, and how far that is.
func (o Options) destinations(r *http.Request) (any, error) {
	list := []*destination{}
	if o.Tables().Destinations == "" {
		return map[string]any{"destinations": list}, nil
	}
	found, err := o.rows(r.Context(), o.Tables().Destinations)
	if err != nil {
		return nil, err
	}
	byID := map[string]*destination{}
	for _, row := range found {
		if row["topic"].S == "*" && row["version"].N != "" && !row["removed"].BOOL {
			d := destinationIn(row)
			byID[d.ID], list = d, append(list, d)
		}
	}
	for _, row := range found {
		if d := byID[row["destination"].S]; d != nil && row["topic"].S != "*" {
			d.Topics = append(d.Topics, standing{
				Topic: row["topic"].S, After: row["after"].S, Waiting: row["waiting"].S != "", Failures: row["failures"].N,
				LastError: row["lastError"].S, RetryAt: milliseconds(row["retryAt"].N, ""),
			})
		}
	}
	slices.SortFunc(list, func(a, b *destination) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return map[string]any{"destinations": list, "more": len(found) == mostRows}, nil
}

// destinationIn reads the settings of a destination.
func destinationIn(r row) *destination {
	d := &destination{
		ID: r["destination"].S, Name: r["name"].S, Subject: r["subject"].S, Kind: cmp.Or(r["kind"].S, "webhook"), Watches: r["watches"].S,
		Target: cmp.Or(r["url"].S, r["target"].S), Format: r["format"].S, Verified: r["verified"].BOOL, Disabled: r["disabled"].S, Topics: []standing{},
	}
	if filter := r["filter"].S; json.Valid([]byte(filter)) {
		d.Filter = json.RawMessage(filter)
	}
	return d
}
