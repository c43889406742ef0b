package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/origin"
	"github.com/watchroute/watchroute/shared/watch"
)

// topics is what the handler asks of the domain.
type topics interface {
	Snapshot(context.Context, watch.Viewer, watch.PageQuery) (watch.Page, error)
	SnapshotBelow(ctx context.Context, v watch.Viewer, q watch.Query, next string) (watch.PageBelow, error)
	Changes(ctx context.Context, v watch.Viewer, q watch.Query, after events.Cursor, viewID string) (watch.Missed, error)
	Begin(v watch.Viewer, q watch.Query, items bool) (watch.Follow, error)
	Hold(ctx context.Context, v watch.Viewer, until time.Time) (release func(context.Context) error, err error)
	Stand(context.Context, watch.Viewer, []watch.Follow) error
	StandBelow(context.Context, watch.Viewer, watch.Query) (viewID string, stand events.Below, err error)
	Follow(watch.Viewer, ...watch.Follow) *watch.Follower
	Publish(context.Context, watch.Viewer, watch.Publishing) (watch.Publication, error)
}

// handler answers HTTP requests for topics:
//
//	GET, HEAD /topics/{topic}           the items, page by page
//	GET, HEAD /topics/{topic}?after=    the changes after a cursor
//	GET …?after= and Prefer: wait=25    the same, held until there are some
//	GET … Accept: text/event-stream     the same as they come, as Server-Sent Events
//	GET, HEAD /topics/{pattern}         the items of all topics below one
//	GET, HEAD /topics/{pattern}?after=now  where these topics stand
//	POST /topics/{topic}                puts an item, or several
//	DELETE /topics/{topic}?id=          deletes an item
//
// and for destinations and contracts, see there.
//
// An error is a problem of RFC 9457.
type handler struct {
	topics       topics
	destinations destinations
	contracts    *contracts
	streamTime   time.Duration                             // for which a stream is held, at least
	readPause    time.Duration                             // a client that reads nothing for so long is cut
	viewer       func(*http.Request) (watch.Viewer, error) // who asks
	origins      []origin.Origin                           // of pages that may read answers; none for all
	logger       *slog.Logger
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = &pacedWriter{w, h.readPause, time.Now().Add(events.MaxWait + readTime)}
	h.allowPages(w, r)
	topic, found, err := topicOf(r)
	route, ofDestinations := destinationOf(r)
	switch {
	case r.Method == http.MethodOptions: // on any path, or a page could not read the error
		allowed := methods
		if ofDestinations {
			allowed = route.methods()
		} else if isContract(r) {
			allowed = contractMethods
		}
		h.options(w, allowed)
	case isContract(r):
		h.contract(w, r)
	case ofDestinations:
		h.destination(w, r, route)
	case !found:
		h.problem(w, r, events.Problem{Code: events.CodeNotFound, Detail: "the routes are /topics/{topic} and " + destinationsPath + ", see " + events.OpenAPIPath})
	case !slices.Contains(methods, r.Method):
		h.notAllowed(w, r, methods)
	case err != nil:
		h.refuse(w, r, err)
	default:
		h.serve(w, r, topic)
	}
}

// notAllowed refuses a method, and names those that there are.
func (h handler) notAllowed(w http.ResponseWriter, r *http.Request, allowed []string) {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	h.problem(w, r, events.Problem{Code: events.CodeMethodNotAllowed, Detail: "allowed methods are " + strings.Join(allowed, ", ")})
}

// methods are those of a topic.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions}

func (h handler) serve(w http.ResponseWriter, r *http.Request, topic events.Topic) {
	viewer, err := h.viewerOf(r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	switch r.Method {
	case http.MethodPost:
		h.publish(w, r, viewer, topic)
	case http.MethodDelete:
		h.remove(w, r, viewer, topic)
	default:
		h.read(w, r, viewer, topic)
	}
}

// viewerOf gives who asks.
func (h handler) viewerOf(r *http.Request) (watch.Viewer, error) {
	viewer, err := h.viewer(r)
	if refused := (*identity.RefusedError)(nil); errors.As(err, &refused) {
		err = refused.Why
	}
	return viewer, err
}

// read answers a GET in the way that it asks for.
func (h handler) read(w http.ResponseWriter, r *http.Request, viewer watch.Viewer, topic events.Topic) {
	a, err := parseAsk(topic, r.URL.Query())
	a.wait = max(a.wait, preferredWait(r))
	stream, json := accepted(r)
	switch {
	case err != nil:
		h.refuse(w, r, err)
	case stream == 0 && json == 0:
		h.problem(w, r, events.Problem{Code: events.CodeNotAcceptable, Detail: "available types are application/json and " + streamType})
	case stream > 0 && stream >= json:
		h.stream(w, r, viewer, a)
	case len(a.topics) > 1 || a.snapshot || r.URL.Query().Has("last_event_id"):
		h.refuse(w, r, badRequest("several topics, snapshot and last_event_id need a stream: send Accept: %s", streamType))
	case a.now && a.Topic.IsPattern():
		h.standBelow(w, r, viewer, a)
	case a.now || len(a.after) > 0:
		h.changes(w, r, viewer, a)
	case a.Topic.IsPattern():
		h.itemsBelow(w, r, viewer, a)
	default:
		h.items(w, r, viewer, a)
	}
}

// accepted gives how much the client prefers Server-Sent Events, and how much JSON; 0 means not at
// all. A stream must be requested by its exact type.
//
// Source: RFC 9110, section 12.5.1
func accepted(r *http.Request) (stream, json float64) {
	ranges := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(ranges) == "" {
		return 0, 1
	}
	closest := -1 // the index in jsonRanges of the most specific range so far
	for text := range strings.SplitSeq(ranges, ",") {
		kind, parameters, err := mime.ParseMediaType(text)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, err := strconv.ParseFloat(parameters["q"], 64); err == nil {
			weight = q
		}
		if kind == streamType {
			stream = weight
		}
		if i := slices.Index(jsonRanges, kind); i > closest {
			closest, json = i, weight
		}
	}
	return stream, json
}

// jsonRanges are the media ranges that include JSON, the most specific one last.
var jsonRanges = []string{"*/*", "application/*", "application/json"}

// items answers with a page of a topic's items. A client that has it already is told so, after
// one read of the topic's head.
func (h handler) items(w http.ResponseWriter, r *http.Request, viewer watch.Viewer, a ask) {
	q := watch.PageQuery{Query: a.Query, Next: a.next, Limit: a.limit, Known: tags(r)}
	page, err := h.topics.Snapshot(r.Context(), viewer, q)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	header := w.Header()
	header.Set("ETag", etag(page.Version))
	header.Set("Cache-Control", "private, no-cache")
	if page.Unchanged || wantsNone(r) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if page.Next != "" {
		header.Set("Link", nextLink(r, page.Next))
	}
	h.answer(w, r, http.StatusOK, "application/json", bodyOf(a.Topic, page))
}

// wantsNone reports whether the client wants no answer if there is any representation.
//
// Source: RFC 9110, section 13.1.2
func wantsNone(r *http.Request) bool { return strings.TrimSpace(r.Header.Get("If-None-Match")) == "*" }

// itemsBelow answers with the first page of the items of each topic of a pattern.
func (h handler) itemsBelow(w http.ResponseWriter, r *http.Request, viewer watch.Viewer, a ask) {
	below, err := h.topics.SnapshotBelow(r.Context(), viewer, a.Query, a.next)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if below.Next != "" && !wantsNone(r) {
		w.Header().Set("Link", nextLink(r, below.Next))
	}
	body := events.ItemsBelow{Topic: a.Topic, View: below.ViewID, Topics: []events.TopicItems{}, Next: below.Next}
	for _, page := range below.Topics {
		body.Topics = append(body.Topics, bodyOf(page.Topic, page.Page))
	}
	h.answerUntagged(w, r, body)
}

// standBelow answers with where the topics of a pattern stand.
func (h handler) standBelow(w http.ResponseWriter, r *http.Request, viewer watch.Viewer, a ask) {
	view, stand, err := h.topics.StandBelow(r.Context(), viewer, a.Query)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	body := events.StandBelow{Topic: a.Topic, View: view, Cursors: map[events.Topic]string{}, More: stand.More}
	maps.Copy(body.Cursors, stand.Cursors)
	h.answerUntagged(w, r, body)
}

// answerUntagged answers without an ETag, and no cache may keep the answer.
func (h handler) answerUntagged(w http.ResponseWriter, r *http.Request, body any) {
	w.Header().Set("Cache-Control", "no-store")
	if wantsNone(r) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.answer(w, r, http.StatusOK, "application/json", body)
}

// bodyOf makes the body for a page of a topic's items.
func bodyOf(topic events.Topic, page watch.Page) events.TopicItems {
	return events.TopicItems{Topic: topic, Cursor: page.Cursor.String(), View: page.ViewID, Items: orNone(page.Items), Costly: page.Costly, Next: page.Next}
}

// nextLink leads to the next page, with all else that was asked for.
//
// Source: RFC 8288
func nextLink(r *http.Request, next string) string {
	query := r.URL.Query()
	query.Set("next", next)
	return "<?" + query.Encode() + `>; rel="next"`
}

// etag writes a page's version as a weak validator: the bytes may differ.
//
// Source: RFC 9110, section 8.8.3
func etag(version string) string { return `W/"` + version + `"` }

// tags reads the versions that the client says it has.
func tags(r *http.Request) (versions []string) {
	for tag := range strings.SplitSeq(strings.Join(r.Header.Values("If-None-Match"), ","), ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if version := strings.Trim(tag, `"`); len(version)+2 == len(tag) {
			versions = append(versions, version)
		}
	}
	return versions
}

// changes answers with what comes after a cursor.
func (h handler) changes(w http.ResponseWriter, r *http.Request, viewer watch.Viewer, a ask) {
	var missed watch.Missed
	err := h.stand(r.Context(), viewer, &a)
	switch {
	case err == nil && a.wait > 0 && r.Method == http.MethodGet:
		h.poll(w, r, viewer, a)
		return
	case err == nil:
		missed, err = h.topics.Changes(r.Context(), viewer, a.Query, a.after[0], a.viewID())
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.tell(w, r, missed)
}

// stand replaces now by the topic's current cursor. It costs one read.
func (h handler) stand(ctx context.Context, viewer watch.Viewer, a *ask) error {
	if !a.now {
		return nil
	}
	follow, err := h.topics.Begin(viewer, a.Query, false)
	if err != nil {
		return err
	}
	follows := []watch.Follow{follow}
	err = h.topics.Stand(ctx, viewer, follows)
	a.after = []events.Cursor{follows[0].After}
	return err
}

// tell answers with what is new of a topic, or that it cannot be told.
func (h handler) tell(w http.ResponseWriter, r *http.Request, missed watch.Missed) {
	if missed.Reset != "" {
		h.problem(w, r, events.Problem{Code: events.CodeReset, Reason: missed.Reset, Topic: string(missed.Topic),
			Detail: "the changes after this cursor cannot be told, read the items anew"})
		return
	}
	h.answerUntagged(w, r, events.TopicChanges{
		Topic: missed.Topic, Cursor: missed.Cursor.String(), View: missed.ViewID, Changes: orNone(missed.Changes), More: missed.More,
	})
}

// orNone writes a list that is empty as [] rather than null.
func orNone[E any](list []E) []E {
	if list == nil {
		return []E{}
	}
	return list
}
