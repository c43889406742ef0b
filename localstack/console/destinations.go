package console

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/delivery"
)

// destination is what is delivered where.
type destination struct {
	ID       string          `json:"id"`
	Name     string          `json:"name,omitempty"` // by which it is declared
	Subject  string          `json:"subject,omitempty"`
	Kind     delivery.Kind   `json:"kind"`
	Watches  events.Topic    `json:"watches"` // or a pattern
	Target   string          `json:"target"`
	Format   delivery.Format `json:"format,omitempty"`
	Filter   json.RawMessage `json:"filter,omitempty"`
	Verified bool            `json:"verified"`
	Disabled delivery.Reason `json:"disabled,omitempty"`
	Topics   []standing      `json:"topics"`
}

// standing is how far a destination has come in a topic.
type standing struct {
	Topic     events.Topic `json:"topic"`
	After     string       `json:"after"`
	Waiting   bool         `json:"waiting"` // for a message, a retry, or to be enabled
	Failures  int          `json:"failures,omitempty,string"`
	LastError string       `json:"lastError,omitempty"`
	RetryAt   int64        `json:"retryAt,omitempty"` // milliseconds since 1970
}

// destinations lists what is delivered where, and how far that is.
func (o Options) destinations(r *http.Request) (any, error) {
	list := []*destination{}
	if o.Tables().Destinations == "" {
		return map[string]any{"destinations": list}, nil
	}
	found, standings, more, err := o.store().ListDestinations(r.Context(), mostRows)
	if err != nil {
		return nil, err
	}
	byID := map[string]*destination{}
	for _, d := range found {
		byID[d.ID] = shown(d)
		list = append(list, byID[d.ID])
	}
	for _, s := range standings {
		if d := byID[s.Destination]; d != nil {
			d.Topics = append(d.Topics, standingOf(s))
		}
	}
	slices.SortFunc(list, func(a, b *destination) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return map[string]any{"destinations": list, "more": more}, nil
}

// shown is a destination without its topics.
func shown(d delivery.Destination) *destination {
	return &destination{
		ID: d.ID, Name: d.Name, Subject: d.Subject, Kind: d.Kind, Watches: d.Query.Topic, Target: cmp.Or(d.URL, d.Target),
		Format: d.Format, Filter: d.Filter, Verified: d.Verified, Disabled: d.Disabled, Topics: []standing{},
	}
}

func standingOf(s delivery.Standing) standing {
	one := standing{
		Topic: s.Topic, After: s.After.String(), Waiting: s.Phase != delivery.Asleep && s.Phase != delivery.Running,
		Failures: s.Failures, LastError: s.Last.Error,
	}
	if !s.RetryAt.IsZero() {
		one.RetryAt = s.RetryAt.UnixMilli()
	}
	return one
}
