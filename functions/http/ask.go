package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// ask is what the URL of a GET asks for.
type ask struct {
	watch.Query
	next    string          // the page of a snapshot to continue with
	limit   int             // the most items on a page; 0 for as many as the service gives
	after   []events.Cursor // one for each topic, in their order; none asks for the items
	viewIDs []string        // the views seen up to after; none asks for no check
	now     bool            // after is the topic's current cursor

	wait     time.Duration  // for a change after the cursor
	topics   []events.Topic // of a stream: the topic in the path and others, patterns among them
	snapshot bool           // a stream begins with the items
}

// afterNow is the value of after for a client that has nothing of the topic, and wants new changes
// only.
const afterNow = "now"

// parameters are all parameters of a GET. Only those of listed may be repeated. An empty one is
// refused, because next= would give the first page again, and filter= would filter nothing.
var parameters = []string{"next", "limit", "after", "view", "wait", "filter", "fields", "delta", "latest", "topic", "snapshot", "last_event_id"}

var listed = []string{"topic", "after", "view"}

// parseAsk reads what a GET of a topic asks for.
func parseAsk(topic events.Topic, query url.Values) (a ask, err error) {
	for name, values := range query {
		if !slices.Contains(parameters, name) {
			return a, badRequest("parameter %s is not known, known are %s", clip(name), strings.Join(parameters, ", "))
		}
		switch single := !slices.Contains(listed, name); {
		case single && len(values) > 1:
			return a, badRequest("parameter %s is given %d times", name, len(values))
		case single && values[0] == "" && name != "last_event_id": // a client gets its value only with its first event
			return a, badRequest("parameter %s is empty: leave it out", name)
		}
	}
	a.Topic, a.next = topic, query.Get("next")
	if a.Options, err = parseOptions(query); err != nil {
		return a, err
	}
	if text := query.Get("limit"); text != "" {
		if a.limit, err = strconv.Atoi(text); err != nil || a.limit < 1 {
			return a, badRequest("limit must be a number of at least 1")
		}
	}
	if a.wait, err = parseWait(query); err != nil {
		return a, err
	}
	if a.snapshot, err = parseFlag(query, "snapshot"); err != nil {
		return a, err
	}
	if a.topics, err = parseTopics(topic, query["topic"]); err != nil {
		return a, err
	}
	if err = a.parseAfter(query); err != nil {
		return a, err
	}
	switch changes := a.now || len(a.after) > 0; {
	case changes && (a.next != "" || a.limit > 0):
		return a, badRequest("next and limit are of items, after is of changes")
	case !changes && query.Has("wait"):
		return a, badRequest("wait is for changes after a cursor, which is missing")
	}
	return a, a.checkPatterns(query)
}

// checkPatterns refuses parameters that a pattern does not have: a cursor, and a number of items.
func (a *ask) checkPatterns(query url.Values) error {
	switch {
	case !slices.ContainsFunc(a.topics, events.Topic.IsPattern):
		return nil
	case len(a.after) > 0:
		return badRequest("a pattern takes only after=now, no cursor: a stream continues from last_event_id")
	case query.Has("wait"):
		return badRequest("wait is for one topic: follow a pattern by a stream")
	case a.limit > 0:
		return badRequest("limit is for one topic, not for a pattern")
	}
	return nil
}

// parseAfter reads the client's cursor of each topic, and the views that it has seen up to there.
func (a *ask) parseAfter(query url.Values) error {
	if slices.Equal(query["after"], []string{afterNow}) {
		a.now, a.snapshot = true, false // a client that gives its cursor does not begin with the items
		return nil
	}
	for _, text := range query["after"] {
		after, err := events.ParseCursor(text)
		if err != nil {
			return &events.Error{Code: events.CodeBadCursor, Message: "after: " + err.Error()}
		}
		a.after = append(a.after, after)
	}
	if n := len(a.after); n > 0 && n != len(a.topics) {
		return badRequest("after is given %d times for %d topics: give it once for each, in their order, or not at all", n, len(a.topics))
	}
	a.viewIDs = query["view"]
	if n := len(a.viewIDs); n > 0 && len(a.after) > 0 && n != len(a.after) {
		return badRequest("view is given %d times and after %d times: give one view for each cursor, in their order", n, len(a.after))
	}
	return nil
}

// follow describes how a topic is followed from the client's cursor.
func (a *ask) follow(i int, begun watch.Follow) watch.Follow {
	begun.After = a.after[i]
	if len(a.viewIDs) > 0 && a.viewIDs[i] != "" {
		begun.ViewID = a.viewIDs[i]
	}
	return begun
}

// viewID is the id of the view that the client of a single topic has seen.
func (a *ask) viewID() string { return strings.Join(a.viewIDs, "") }

// parseTopics reads which topics a stream is of, each once.
func parseTopics(first events.Topic, others []string) ([]events.Topic, error) {
	topics := []events.Topic{first}
	for _, name := range others {
		topic, err := events.ParsePattern(name)
		if err != nil {
			return nil, &events.Error{Code: events.CodeBadTopic, Message: err.Error(), Topic: clip(name)}
		}
		if !slices.Contains(topics, topic) {
			topics = append(topics, topic)
		}
	}
	if len(topics) > events.MaxStreamTopics {
		return nil, badRequest("%d topics are asked for, at most %d are allowed", len(topics), events.MaxStreamTopics)
	}
	return topics, nil
}

// parseWait reads how long to wait: whole seconds. More than events.MaxWait is that.
func parseWait(query url.Values) (time.Duration, error) {
	if !query.Has("wait") {
		return 0, nil
	}
	seconds, err := strconv.Atoi(query.Get("wait"))
	if err != nil || seconds < 0 {
		return 0, badRequest("wait must be a number of seconds")
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, events.MaxWait), nil
}

// preferredWait is the wait of the header Prefer, if there is one that can be read. Others are
// ignored, as preferences are.
//
// Source: RFC 7240, section 4.3
func preferredWait(r *http.Request) time.Duration {
	for preference := range strings.SplitSeq(strings.Join(r.Header.Values("Prefer"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(preference), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		value, _, _ = strings.Cut(value, ";")
		wait, err := parseWait(url.Values{"wait": {strings.Trim(strings.TrimSpace(value), `"`)}})
		if err == nil {
			return wait
		}
	}
	return 0
}

func parseFlag(query url.Values, name string) (bool, error) {
	switch query.Get(name) {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	}
	return false, badRequest("%s must be true or false", name)
}

func parseOptions(query url.Values) (o watch.Options, err error) {
	if filter := query.Get("filter"); filter != "" {
		if !json.Valid([]byte(filter)) {
			return o, badRequest("filter is not JSON")
		}
		o.Filter = []byte(filter)
	}
	if query.Has("fields") {
		o.Fields = strings.Split(query.Get("fields"), ",")
	}
	if o.Delta, err = parseFlag(query, "delta"); err != nil {
		return o, err
	}
	o.Latest, err = parseFlag(query, "latest")
	return o, err
}

func badRequest(format string, args ...any) error {
	return &events.Error{Code: events.CodeBadRequest, Message: fmt.Sprintf(format, args...)}
}

// clip bounds what is repeated of a client's own words.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// topicOf reads the topic from a URL's escaped path. Methods that read may name a pattern.
func topicOf(r *http.Request) (events.Topic, bool, error) {
	escaped, ok := strings.CutPrefix(r.URL.EscapedPath(), "/topics/")
	if !ok {
		return "", false, nil
	}
	name, err := url.PathUnescape(escaped)
	if err != nil {
		return "", true, badRequest("path is not escaped as URLs are")
	}
	parse := events.ParsePattern
	if r.Method == http.MethodPost || r.Method == http.MethodDelete {
		parse = events.ParseTopic
	}
	topic, err := parse(name)
	if err != nil {
		return "", true, &events.Error{Code: events.CodeBadTopic, Message: err.Error()}
	}
	return topic, true, nil
}
