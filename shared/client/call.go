package client

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/events"
)

// topicPath is the path of a topic. Its characters need no escapes.
func topicPath(topic string) string { return "/topics/" + topic }

// page reads a page of a topic's items: the first, or the request's Next.
func (w *web) page(ctx context.Context, r events.Request, progress func()) (*events.Snapshot, error) {
	query, err := viewQuery(r)
	if err != nil {
		return nil, err
	}
	query.Del("delta") // which is of changes
	if r.Next != "" {
		query.Set("next", r.Next)
	}
	var items events.TopicItems
	if err := w.fetch(ctx, call{method: http.MethodGet, path: topicPath(r.Topic), query: query}, &items, progress); err != nil {
		return nil, err
	}
	cursor, err := events.ParseCursor(items.Cursor)
	return &events.Snapshot{ID: r.ID, Topic: events.Topic(r.Topic), Cursor: cursor, From: r.Next, Items: items.Items, Costly: items.Costly, Next: items.Next}, err
}

// viewQuery is how a topic is to be seen, as a URL asks for it.
func viewQuery(r events.Request) (url.Values, error) {
	query := url.Values{}
	if len(r.Filter) > 0 {
		query.Set("filter", string(r.Filter))
	}
	if len(r.Fields) > 0 {
		query.Set("fields", strings.Join(r.Fields, ","))
	}
	if r.Delta {
		query.Set("delta", "true")
	}
	if slices.ContainsFunc(r.Fields, func(field string) bool { return strings.Contains(field, ",") }) {
		return nil, localRefusal(r.Topic, "over HTTP a field has no comma")
	}
	return query, nil
}

// localRefusal refuses what cannot be asked for over HTTP.
func localRefusal(topic, why string) error {
	return &refusal{code: &events.Error{Code: events.CodeBadRequest, Message: why, Topic: topic}}
}
