package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// ask is what the URL of a GET asks for.
type ask struct {
	watch.Query
	next  string         // the page of a snapshot to go on with
	limit int            // of items on a page; 0 for as many as the service gives
	after *events.Cursor // nil asks for the items
	view  string         // that was seen up to after
}

// parameters are all that a GET takes.
var parameters = []string{"next", "limit", "after", "view", "filter", "fields", "delta"}

// parseAsk reads what a GET of a topic asks for.
func parseAsk(topic events.Topic, query url.Values) (a ask, err error) {
	for name, values := range query {
		if !slices.Contains(parameters, name) {
			return a, badRequest("parameter %s is not known, known are %s", clip(name), strings.Join(parameters, ", "))
		}
		if len(values) > 1 {
			return a, badRequest("parameter %s is given %d times", name, len(values))
		}
	}
	a.Topic, a.next, a.view = topic, query.Get("next"), query.Get("view")
	if a.Options, err = parseOptions(query); err != nil {
		return a, err
	}
	if text := query.Get("limit"); text != "" {
		if a.limit, err = strconv.Atoi(text); err != nil || a.limit < 1 {
			return a, badRequest("limit must be a number of at least 1")
		}
	}
	if query.Has("after") {
		after, err := events.ParseCursor(query.Get("after"))
		if err != nil {
			return a, &events.Error{Code: events.CodeBadCursor, Message: "after: " + err.Error()}
		}
		a.after = &after
	}
	return a, nil
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
	switch query.Get("delta") {
	case "":
	case "true":
		o.Delta = true
	case "false":
	default:
		return o, badRequest("delta must be true or false")
	}
	return o, nil
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

// topicOf reads the topic of a URL's path, which is escaped.
func topicOf(r *http.Request) (events.Topic, bool, error) {
	escaped, ok := strings.CutPrefix(r.URL.EscapedPath(), "/topics/")
	if !ok {
		return "", false, nil
	}
	name, err := url.PathUnescape(escaped)
	if err != nil {
		return "", true, badRequest("path is not escaped as URLs are")
	}
	topic, err := events.ParseTopic(name)
	if err != nil {
		return "", true, &events.Error{Code: events.CodeBadTopic, Message: err.Error()}
	}
	return topic, true, nil
}
