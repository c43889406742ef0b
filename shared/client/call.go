package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
)

// topicPath is the path of a topic. Its characters need no escapes.
func topicPath(topic string) string { return "/topics/" + topic }

// page reads a page of a topic's items: the first one, or the one at the request's Next.
func (w *web) page(ctx context.Context, r events.Request, progress func()) (*events.Snapshot, error) {
	page, _, err := w.pageUnless(ctx, r, "", progress)
	return page, err
}

// pageUnless reads a page too, and gives its ETag. If the ETag is the known one, the error is
// ErrUnchanged.
func (w *web) pageUnless(ctx context.Context, r events.Request, known string, progress func()) (page *events.Snapshot, etag string, err error) {
	query, err := viewQuery(r)
	if err != nil {
		return nil, "", err
	}
	query.Del("delta") // applies to changes only
	query.Del("latest")
	if r.Next != "" {
		query.Set("next", r.Next)
	}
	c := call{method: http.MethodGet, path: topicPath(r.Topic), query: query, heads: func(header http.Header) { etag = header.Get("ETag") }}
	if known != "" {
		c.header = http.Header{"If-None-Match": {known}}
	}
	var items events.TopicItems
	err = w.fetch(ctx, c, &items, progress)
	if refused := (*refusal)(nil); errors.As(err, &refused) && refused.status == http.StatusNotModified && known != "" {
		return nil, known, ErrUnchanged
	}
	if err != nil {
		return nil, "", err
	}
	cursor, err := events.ParseCursor(items.Cursor)
	return &events.Snapshot{ID: r.ID, Topic: events.Topic(r.Topic), Cursor: cursor, From: r.Next, Items: items.Items, Costly: items.Costly, Next: items.Next}, etag, err
}

// news holds what a topic has after a cursor.
type news struct {
	changes []events.Change
	cursor  events.Cursor      // the cursor after the changes; zero if nothing has come
	viewID  string             // the id of the view that the client may see
	more    bool               // there are more changes
	reset   events.ResetReason // why the changes are not available; empty if they are
}

// changes reads what a topic has after the request's cursor, or reads the topic's current cursor
// for "now". If there is nothing new, the service holds the request for the time wait.
func (w *web) changes(ctx context.Context, r events.Request, wait time.Duration, progress func()) (n news, err error) {
	query, err := viewQuery(r)
	if err != nil {
		return n, err
	}
	query.Set("after", r.After)
	if r.View != "" {
		query.Set("view", r.View)
	}
	if wait > 0 {
		query.Set("wait", strconv.Itoa(int(wait/time.Second)))
	}
	var answer events.TopicChanges
	err = w.fetch(ctx, call{method: http.MethodGet, path: topicPath(r.Topic), query: query, wait: wait}, &answer, progress)
	if refused := (*refusal)(nil); errors.As(err, &refused) && refused.reset != "" {
		return news{reset: refused.reset}, nil
	}
	if err != nil || answer.Cursor == "" { // status 204
		return n, err
	}
	n = news{changes: sensible(answer.Changes, events.Topic(r.Topic)), viewID: answer.View, more: answer.More}
	n.cursor, err = events.ParseCursor(answer.Cursor)
	return n, err
}

// sensible drops changes that are invalid or belong to another topic.
func sensible(changes []events.Change, topic events.Topic) []events.Change {
	return slices.DeleteFunc(changes, func(c events.Change) bool { return c.Topic != topic || !plausible(c) })
}

// publish publishes or removes an item, and gives the mark of the change.
func (w *web) publish(ctx context.Context, r events.Request) (mark string, err error) {
	c := call{method: http.MethodDelete, path: topicPath(r.Topic), query: url.Values{"id": {r.Item.ID}}}
	if r.Op != events.OpRemove {
		if strings.ContainsFunc(r.Key, func(c rune) bool { return c <= ' ' || c > '~' }) {
			return "", localRefusal(r.Topic, "over HTTP a key must have only visible ASCII characters")
		}
		c = call{method: http.MethodPost, path: topicPath(r.Topic), header: http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {r.Key}}}
		if c.body, err = events.Marshal(events.PublishedItem{Item: *r.Item, ExpiresAt: r.ExpiresAt}); err != nil {
			return "", err
		}
	}
	var result events.PublishResult
	err = w.fetch(ctx, c, &result, nil)
	return result.Mark, err
}

// viewQuery gives the request's filter, fields, delta and latest as URL parameters.
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
	if r.Latest {
		query.Set("latest", "true")
	}
	if slices.ContainsFunc(r.Fields, func(field string) bool { return strings.Contains(field, ",") }) {
		return nil, localRefusal(r.Topic, "over HTTP a field name cannot have a comma")
	}
	return query, nil
}

// localRefusal refuses a request that cannot be made over HTTP.
func localRefusal(topic, why string) error {
	return &refusal{code: &events.Error{Code: events.CodeBadRequest, Message: why, Topic: topic}}
}
