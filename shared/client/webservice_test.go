package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/watch"
)

// front is the address of a service for clients: the gateway, the HTTP routes on the same tables,
// and a proxy before them.
type front struct {
	*service
	gateway *apigateway.Gateway

	mu         sync.Mutex
	proxy      func(http.ResponseWriter, *http.Request) bool // true if it has answered
	streamTime time.Duration
	requests   []*http.Request           // over HTTP
	places     map[string][]watch.Follow // by the ids of events of patterns' streams
	held       int                       // streams and polls
	mostHeld   int
	mostHolds  int         // streams that the service holds; 0 for any number
	refused    int         // streams that there was no room for
	holds      []time.Time // when each of them ends, even if its client has left
}

func newFront(s *service) *front {
	return &front{service: s, gateway: s.gateway, streamTime: time.Minute, places: map[string][]watch.Follow{}}
}

// httpURL is where the routes of HTTP begin.
func (s *service) httpURL() string { return "http://" + s.address + "/live" }

// before puts something before the service; nil takes it away.
func (f *front) before(proxy func(http.ResponseWriter, *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.proxy = proxy
}

// asked gives the requests over HTTP for which of is true.
func (f *front) asked(of func(*http.Request) bool) (all []*http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if of(r) {
			all = append(all, r)
		}
	}
	return all
}

func isStream(r *http.Request) bool { return r.Header.Get("Accept") == "text/event-stream" }
func isSocket(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ofTopics := strings.CutPrefix(r.URL.Path, "/live/topics")
	f.mu.Lock()
	proxy := f.proxy
	if strings.Contains(r.URL.Path, "@connections") { // a call of the service itself
		proxy = nil
	}
	if ofTopics {
		f.requests = append(f.requests, r)
	}
	f.mu.Unlock()
	switch {
	case proxy != nil && proxy(w, r):
	case ofTopics:
		f.topics(w, r, events.Topic(strings.TrimPrefix(path, "/")))
	default:
		f.gateway.ServeHTTP(w, r)
	}
}

// problem answers with what is wrong.
func problem(w http.ResponseWriter, p events.Problem) {
	p.Status = p.Code.Status()
	if p.Code.Remedy() == events.RetryLater && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", events.ProblemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

func refuse(w http.ResponseWriter, err error) {
	wire, _ := watch.WireError(err)
	problem(w, events.Problem{Code: wire.Code, Detail: wire.Message})
}

func (f *front) topics(w http.ResponseWriter, r *http.Request, about events.Topic) {
	subject, access, err := f.Authenticate(r.Context(), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	f.service.mu.Lock()
	status := f.refuse
	f.service.mu.Unlock()
	feed := watch.Feed{Topics: watch.Topics{Store: f.service, Sealer: seal.Fixed(make([]byte, seal.MinSecretBytes))}, Stands: f, Revocations: f}
	v := watch.Viewer{Key: watch.Key{Subject: subject}, Access: access}
	query := r.URL.Query()
	q := watch.Query{Topic: about, Options: watch.Options{Delta: query.Get("delta") == "true", Latest: query.Get("latest") == "true"}}
	if filter := query.Get("filter"); filter != "" {
		q.Filter = json.RawMessage(filter)
	}
	if fields := query.Get("fields"); fields != "" {
		q.Fields = strings.Split(fields, ",")
	}
	switch {
	case status != 0:
		w.WriteHeader(status)
	case err != nil:
		refuse(w, err)
	case about == "":
		problem(w, events.Problem{Code: events.CodeNotFound})
	case r.Method == http.MethodPost || r.Method == http.MethodDelete:
		f.publishes(w, r, feed, v, about)
	case isStream(r):
		f.stream(w, r, feed, v, q)
	case about.IsPattern() && query.Has("after"):
		view, stand, err := feed.StandBelow(r.Context(), v, q)
		if err != nil {
			refuse(w, err)
			return
		}
		say(w, events.StandBelow{Topic: about, View: view, Cursors: stand.Cursors, More: stand.More})
	case about.IsPattern():
		f.itemsBelow(w, r, feed, v, q)
	case query.Has("after"):
		f.changes(w, r, feed, v, q)
	default:
		page, err := feed.Snapshot(r.Context(), v, watch.PageQuery{Query: q, Next: query.Get("next"), Known: []string{r.Header.Get("If-None-Match")}})
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("ETag", page.Version)
		if page.Unchanged {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		say(w, events.TopicItems{Topic: about, Cursor: page.Cursor.String(), View: page.ViewID, Items: page.Items, Costly: page.Costly, Next: page.Next})
	}
}

func (f *front) itemsBelow(w http.ResponseWriter, r *http.Request, feed watch.Feed, v watch.Viewer, q watch.Query) {
	below, err := feed.SnapshotBelow(r.Context(), v, q, "")
	if err != nil {
		refuse(w, err)
		return
	}
	body := events.ItemsBelow{Topic: q.Topic, View: below.ViewID, Next: below.Next}
	for _, page := range below.Topics {
		body.Topics = append(body.Topics, events.TopicItems{Topic: page.Topic, Cursor: page.Cursor.String(), Items: page.Items, Next: page.Next})
	}
	say(w, body)
}

// place stores the place of a client in a pattern, and gives it a name.
func (f *front) place(follows []watch.Follow) string {
	if !follows[0].Topic.IsPattern() {
		return "place"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id := fmt.Sprint("place", len(f.places))
	f.places[id] = follows
	return id
}

func say(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func (f *front) publishes(w http.ResponseWriter, r *http.Request, feed watch.Feed, v watch.Viewer, about events.Topic) {
	p := watch.Publishing{Topic: about, Op: events.OpRemove, Item: &events.Item{ID: r.URL.Query().Get("id")}, Key: r.Header.Get("Idempotency-Key")}
	if r.Method == http.MethodPost {
		var body events.PublishedItem
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			problem(w, events.Problem{Code: events.CodeBadJSON})
			return
		}
		p.Op, p.Item, p.ExpiresAt = "", &body.Item, body.ExpiresAt
	}
	published, err := feed.Publish(r.Context(), v, p)
	switch {
	case err != nil:
		refuse(w, err)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		say(w, events.PublishResult{ID: published.Item.ID, Mark: published.Mark})
	}
}

// follows gives the topics of a request, with the client's places.
func follows(feed watch.Feed, v watch.Viewer, q watch.Query, query url.Values) (all []watch.Follow, err error) {
	for i, name := range append([]string{string(q.Topic)}, query["topic"]...) {
		q.Topic = events.Topic(name)
		follow, err := feed.Begin(v, q, false)
		if err != nil {
			return nil, err
		}
		if views := query["view"]; len(views) > 0 {
			follow.ViewID = views[i]
		}
		if query.Get("after") != "now" {
			if follow.After, err = events.ParseCursor(query["after"][i]); err != nil {
				return nil, err
			}
		}
		all = append(all, follow)
	}
	if query.Get("after") == "now" {
		err = feed.Stand(context.Background(), v, all)
	}
	return all, err
}

// followsBelow gives a pattern, with the client's places in its topics.
func (f *front) followsBelow(feed watch.Feed, v watch.Viewer, q watch.Query, id string) ([]watch.Follow, error) {
	follow, err := feed.Begin(v, q, false)
	all := []watch.Follow{follow}
	f.mu.Lock()
	place, kept := f.places[id]
	f.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case kept:
		return place, nil
	case id != "":
		return nil, &events.Error{Code: events.CodeBadCursor, Message: "no such place"}
	}
	return all, feed.Stand(context.Background(), v, all)
}

func (f *front) hold() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held++
	f.mostHeld = max(f.mostHeld, f.held)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.held--
	}
}

// lease takes one of the streams that the service holds. As on AWS, a stream whose client has left
// is held until its time ends.
func (f *front) lease() (release func(), room bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.holds = slices.DeleteFunc(f.holds, func(until time.Time) bool { return !time.Now().Before(until) })
	if f.mostHolds > 0 && len(f.holds) >= f.mostHolds {
		f.refused++
		return nil, false
	}
	until := time.Now().Add(f.streamTime)
	f.holds = append(f.holds, until)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if i := slices.Index(f.holds, until); i >= 0 {
			f.holds = slices.Delete(f.holds, i, i+1)
		}
	}, true
}

func (f *front) changes(w http.ResponseWriter, r *http.Request, feed watch.Feed, v watch.Viewer, q watch.Query) {
	all, err := follows(feed, v, q, r.URL.Query())
	if err != nil {
		refuse(w, err)
		return
	}
	missed, err := feed.Changes(r.Context(), v, all[0].Query, all[0].After, r.URL.Query().Get("view"))
	if wait, _ := strconv.Atoi(r.URL.Query().Get("wait")); err == nil && wait > 0 && len(missed.Changes) == 0 && missed.Reset == "" {
		defer f.hold()()
		ctx, cancel := context.WithTimeout(r.Context(), time.Duration(wait)*time.Second)
		defer cancel()
		news, nextErr := feed.Follow(v, all...).Next(ctx)
		if nextErr == nil && len(news) == 0 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if err = nextErr; err == nil {
			missed = news[0].Missed
		}
	}
	switch {
	case err != nil:
		refuse(w, err)
	case missed.Reset != "":
		problem(w, events.Problem{Code: events.CodeReset, Reason: missed.Reset})
	default:
		say(w, events.TopicChanges{Topic: q.Topic, Cursor: missed.Cursor.String(), View: missed.ViewID, Changes: missed.Changes, More: missed.More})
	}
}

func (f *front) stream(w http.ResponseWriter, r *http.Request, feed watch.Feed, v watch.Viewer, q watch.Query) {
	release, room := f.lease()
	if !room {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "retry: 8000\n\n: too many\n\n")
		return
	}
	defer f.hold()()
	var all []watch.Follow
	var err error
	if q.Topic.IsPattern() {
		all, err = f.followsBelow(feed, v, q, r.Header.Get("Last-Event-ID"))
	} else {
		all, err = follows(feed, v, q, r.URL.Query())
	}
	follower := feed.Follow(v, all...)
	var news []watch.News
	if err == nil {
		news, err = follower.Now(r.Context())
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	f.mu.Lock()
	ctx, cancel := context.WithTimeout(r.Context(), f.streamTime)
	f.mu.Unlock()
	defer cancel()
	write := func(format string, args ...any) {
		_, _ = fmt.Fprintf(w, format, args...)
		_ = http.NewResponseController(w).Flush()
	}
	write("retry: 1000\n\n")
	begun := &events.Subscribed{Topic: q.Topic, Below: events.Below{Cursors: map[events.Topic]string{}}}
	for topic, place := range follower.Follows()[0].Below {
		begun.Cursors[topic] = place.After.String()
	}
	if view := follower.Follows()[0].ViewID; view != events.WholeView {
		begun.View = view
	}
	frame, _ := events.Encode(begun)
	write("event: subscribed\nid: %s\ndata: %s\n\n", f.place(follower.Follows()), frame)
	for err == nil {
		for _, missed := range news {
			follower.Advance(missed)
			if missed.Reset != "" {
				body, _ := events.Encode(&events.Reset{Topic: missed.Topic, Reason: missed.Reset})
				write("event: reset\ndata: %s\n\n", body)
			}
			frames, _ := events.PackChanges(missed.Changes)
			for i, frame := range frames {
				id := ""
				if i == len(frames)-1 {
					id = "id: " + f.place(follower.Follows()) + "\n"
				}
				write("event: changes\n%sdata: %s\n\n", id, frame)
			}
		}
		if ctx.Err() != nil {
			if r.Context().Err() == nil { // else nobody notices
				release()
			}
			return
		}
		beat, stop := context.WithTimeout(ctx, 15*time.Second)
		news, err = follower.Next(beat)
		stop()
		if write(": \n\n"); err == nil {
			err = follower.Check(ctx)
		}
	}
	wire, _ := watch.WireError(err)
	body, _ := events.Encode(wire)
	write("event: error\ndata: %s\n\n", body)
}

// Glance reads where topics stand.
func (f *front) Glance(ctx context.Context, topics []events.Topic) (map[events.Topic]events.Cursor, error) {
	stands := map[events.Topic]events.Cursor{}
	for _, topic := range topics {
		if head, _ := f.Head(ctx, topic); head.Epoch != "" {
			stands[topic] = head.Cursor
		}
	}
	return stands, nil
}

// GlanceBelow reads which topics a pattern has.
func (f *front) GlanceBelow(ctx context.Context, pattern events.Topic, limit int) ([]events.Topic, bool, error) {
	return f.Below(ctx, pattern, "", limit)
}

func (f *front) Revocations(context.Context, string, string) ([]watch.Revocation, error) {
	f.service.mu.Lock()
	defer f.service.mu.Unlock()
	return f.revoked, nil
}

// status answers all that it is of with a status.
func status(code int, of func(*http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !of(r) {
			return false
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "no")
		return true
	}
}
