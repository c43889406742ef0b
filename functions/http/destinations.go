package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/events/exactjson"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/watch"
)

// destinations answers requests for destinations:
//
//	POST   /destinations               registers one
//	GET, HEAD /destinations            those of the client's subject
//	GET, HEAD /destinations/{id}       one of them, with how far it has come in its topics
//	PATCH  /destinations/{id}          changes its settings, and renews it
//	DELETE /destinations/{id}          removes it
//	POST   /destinations/{id}/pause    delivers nothing until it is enabled
//	POST   /destinations/{id}/enable   goes on where it has stopped, at once
//	POST   /destinations/{id}/replay   delivers again what comes after a cursor or a time
//	POST   /destinations/{id}/test     sends it a message now that is no change
//	GET, HEAD /destinations/{id}/secret  what its messages are signed with
//	POST   /destinations/{id}/secret   gives it another secret
//
// A destination of another subject does not exist.
type destinations struct {
	delivery.Registrar
	// secret gives a destination's secret, and the version of the service's from which it is derived.
	secret    func(context.Context, delivery.Destination) (secret, version string, err error)
	anonymous bool // whether clients without a token may have some
	charge    func(ctx context.Context, who watch.Key, do func(context.Context) error) error
}

// destinationsPath is where the routes begin.
const destinationsPath = "/destinations"

// destinationRoute is a request for destinations.
type destinationRoute struct {
	id, action string
}

// destinationOf reads the route from a URL's escaped path; ok is false for another path. Ids and
// actions need no escapes, so nothing is unescaped.
func destinationOf(r *http.Request) (route destinationRoute, ok bool) {
	parts := strings.Split(r.URL.EscapedPath(), "/")
	if len(parts) < 2 || len(parts) > 4 || "/"+parts[1] != destinationsPath || slices.Contains(parts[1:], "") {
		return route, false
	}
	if len(parts) > 2 {
		route.id = parts[2]
	}
	if len(parts) > 3 {
		route.action = parts[3]
	}
	return route, true
}

// methods are those of the route.
func (route destinationRoute) methods() []string {
	switch {
	case route.id == "" || route.action == "secret":
		return []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions}
	case route.action != "":
		return []string{http.MethodPost, http.MethodOptions}
	}
	return []string{http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodDelete, http.MethodOptions}
}

// destination answers a request for destinations.
func (h handler) destination(w http.ResponseWriter, r *http.Request, route destinationRoute) {
	viewer, err := h.viewerOf(r)
	if err == nil && viewer.Subject == watch.Anonymous && !h.destinations.anonymous {
		err = &events.Error{Code: events.CodeForbidden, Message: "destinations need a token"}
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if allowed := route.methods(); !slices.Contains(allowed, r.Method) {
		h.notAllowed(w, r, allowed)
		return
	}
	status, body := http.StatusOK, any(nil)
	err = h.destinations.charge(r.Context(), viewer.Key, func(ctx context.Context) (err error) {
		status, body, err = h.destinations.serve(ctx, w, r, viewer, route)
		return err
	})
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case err != nil:
		h.refuse(w, r, err)
	case body == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		h.answer(w, r, status, "application/json", body)
	}
}

// serve carries a request out.
func (d destinations) serve(ctx context.Context, w http.ResponseWriter, r *http.Request, v watch.Viewer, route destinationRoute) (status int, body any, err error) {
	switch {
	case route.id == "" && r.Method == http.MethodPost:
		created, err := d.create(ctx, w, r, v)
		if err == nil {
			w.Header().Set("Location", strings.TrimPrefix(destinationsPath, "/")+"/"+created.ID)
		}
		return http.StatusCreated, created, err
	case route.id == "":
		body, err = d.list(ctx, v)
		return http.StatusOK, body, err
	}
	one, err := d.Get(ctx, v, route.id)
	if err != nil {
		return 0, nil, err
	}
	switch route.action {
	case "":
		switch r.Method {
		case http.MethodDelete:
			return 0, nil, d.Remove(ctx, one)
		case http.MethodPatch:
			body, err = d.change(ctx, w, r, v, one)
			return http.StatusOK, body, err
		}
		body, err = d.show(ctx, one, r.URL.Query())
	case "pause":
		return 0, nil, d.Pause(ctx, one)
	case "enable":
		return 0, nil, d.Enable(ctx, one)
	case "replay":
		return 0, nil, d.replay(ctx, w, r, one)
	case "test":
		test, err := d.Test(ctx, one)
		w.Header().Set("Location", "../"+one.ID) // where its result is shown
		return http.StatusAccepted, shownTest(test), err
	case "secret":
		if r.Method == http.MethodPost {
			if one, err = d.Rotate(ctx, one); err != nil {
				return 0, nil, err
			}
		}
		body, err = d.withSecret(ctx, one)
	default:
		err = &events.Error{Code: events.CodeNotFound, Message: "the actions of a destination are pause, enable, replay, test and secret"}
	}
	return http.StatusOK, body, err
}

// create registers a destination.
func (d destinations) create(ctx context.Context, w http.ResponseWriter, r *http.Request, v watch.Viewer) (events.Destination, error) {
	var wanted events.DestinationRequest
	if _, err := readBody(w, r, &wanted, "topic", "url", "filter", "fields", "format", "batch"); err != nil {
		return events.Destination{}, err
	}
	topic, err := events.ParsePattern(wanted.Topic)
	if err != nil {
		return events.Destination{}, &events.Error{Code: events.CodeBadTopic, Message: err.Error()}
	}
	registered := delivery.Destination{URL: wanted.URL, Format: delivery.Format(wanted.Format), Batch: wanted.Batch}
	registered.Query = watch.Query{Topic: topic, Options: watch.Options{Filter: orNothing(wanted.Filter), Fields: wanted.Fields}}
	registered, err = d.Create(ctx, v, registered)
	if err != nil {
		return events.Destination{}, err
	}
	shown, err := d.withSecret(ctx, registered)
	if err != nil { // its owner does not learn of it, and registers another
		return events.Destination{}, errors.Join(err, d.Undo(ctx, registered.ID))
	}
	return shown, nil
}

// change gives a destination the settings that the body has, and renews it. An empty object only
// renews.
//
// Source: RFC 7396
func (d destinations) change(ctx context.Context, w http.ResponseWriter, r *http.Request, v watch.Viewer, of delivery.Destination) (events.Destination, error) {
	var wanted events.DestinationRequest // read alone: over the settings of now, it would change them in of, too
	given, err := readBody(w, r, &wanted, "url", "filter", "fields", "format", "batch")
	if err != nil {
		return events.Destination{}, err
	}
	changed := of
	if _, ok := given["filter"]; ok {
		changed.Filter = orNothing(wanted.Filter)
	}
	if _, ok := given["fields"]; ok {
		changed.Fields = wanted.Fields
	}
	maps.DeleteFunc(given, isNull)
	if _, ok := given["url"]; ok {
		changed.URL = wanted.URL
	}
	if _, ok := given["format"]; ok {
		changed.Format = delivery.Format(wanted.Format)
	}
	if _, ok := given["batch"]; ok {
		changed.Batch = wanted.Batch
	}
	changed, err = d.Change(ctx, v, of, changed)
	return shownDestination(changed), err
}

// withSecret shows a destination with what its messages are signed with.
func (d destinations) withSecret(ctx context.Context, of delivery.Destination) (events.Destination, error) {
	shown := shownDestination(of)
	secret, version, err := d.secret(ctx, of)
	if err == nil && version != of.Shown { // before its owner has it, so that it signs from then on
		err = d.Registry.NoteShown(ctx, of.ID, version)
	}
	shown.Secret = secret
	return shown, err
}

func (d destinations) list(ctx context.Context, v watch.Viewer) (events.Destinations, error) {
	all, err := d.List(ctx, v)
	shown := events.Destinations{Destinations: []events.Destination{}}
	for _, one := range all {
		shown.Destinations = append(shown.Destinations, shownDestination(one))
	}
	return shown, err
}

// show shows a destination with its standings, after a topic or from the first.
func (d destinations) show(ctx context.Context, of delivery.Destination, query url.Values) (events.Destination, error) {
	shown := shownDestination(of)
	after := query.Get("after")
	if _, err := events.ParsePattern(after); err != nil && query.Has("after") { // an empty one would give the first page again
		return shown, badRequest("after is no topic that next can be: %s", err)
	}
	standings, more, err := d.Standings(ctx, of, events.Topic(after))
	if err != nil {
		return shown, err
	}
	behind, err := d.Behind(ctx, standings)
	for _, s := range standings {
		if s.Topic.IsPattern() && s.Failures == 0 {
			continue // it stands for no topic, and has been challenged
		}
		disabled := ""
		if s.GivenUp {
			disabled = string(delivery.Failing)
		}
		shown.Standings = append(shown.Standings, events.DestinationStanding{
			Disabled: disabled,
			Topic:    s.Topic, Cursor: s.After.String(), Items: s.Items, Behind: behind[s.Topic], Failures: s.Failures, Since: events.Time(s.Since), RetryAt: events.Time(s.RetryAt),
			LastAt: events.Time(s.Last.At), LastStatus: s.Last.Status, LastError: s.Last.Error,
		})
	}
	if more {
		shown.Next = string(standings[len(standings)-1].Topic)
	}
	return shown, err
}

func shownDestination(d delivery.Destination) events.Destination {
	shown := events.Destination{
		ID: d.ID, Topic: d.Query.Topic, URL: d.URL, Filter: d.Filter, Fields: d.Fields, Format: string(d.Format), Batch: d.Batch,
		Created: events.Time(d.Created), Expires: events.Time(d.Expires), Disabled: string(d.Disabled), Unverified: !d.Verified,
		Failing: len(d.Failing) >= delivery.MostFailing, Rotated: events.Time(d.Rotated),
	}
	if d.Test.ID != "" {
		test := shownTest(d.Test)
		shown.Test = &test
	}
	return shown
}

func shownTest(t delivery.Test) events.DestinationTest {
	return events.DestinationTest{
		ID: t.ID, Asked: events.Time(t.Asked), At: events.Time(t.Result.At), Status: t.Result.Status, Error: t.Result.Error,
		Milliseconds: t.Took.Milliseconds(),
	}
}

// replay delivers again what comes after a cursor, or has changed since a time.
func (d destinations) replay(ctx context.Context, w http.ResponseWriter, r *http.Request, of delivery.Destination) error {
	var wanted events.ReplayRequest
	if _, err := readBody(w, r, &wanted, "topic", "after", "from"); err != nil {
		return err
	}
	if wanted.Topic == "" && of.Query.Topic.IsPattern() {
		return &events.Error{Code: events.CodeBadTopic, Message: "topic is needed: the destination watches a pattern, and is replayed topic by topic"}
	}
	topic, err := events.ParseTopic(cmp.Or(wanted.Topic, string(of.Query.Topic)))
	if err != nil {
		return &events.Error{Code: events.CodeBadTopic, Message: err.Error()}
	}
	if wanted.From != "" {
		from, err := time.Parse(time.RFC3339, wanted.From)
		switch {
		case err != nil:
			return badRequest("from is not a time such as 2026-11-26T10:00:00Z (RFC 3339)")
		case wanted.After != "":
			return badRequest("after and from exclude each other")
		}
		return d.ReplayFrom(ctx, of, topic, from)
	}
	after, err := events.ParseCursor(wanted.After)
	if err != nil {
		return &events.Error{Code: events.CodeBadCursor, Message: "after: " + err.Error()}
	}
	return d.Replay(ctx, of, topic, after)
}

// maxSettingsBytes bounds the body of a request for destinations.
const maxSettingsBytes = 16 << 10

// readBody reads a JSON object with no other members than those, and gives the members that it has.
func readBody(w http.ResponseWriter, r *http.Request, into any, names ...string) (given map[string]json.RawMessage, err error) {
	text, err := readJSON(w, r, maxSettingsBytes)
	if err != nil {
		return nil, err
	}
	if given, err = members("the body", text, names...); err != nil {
		return nil, err
	}
	if err := exactjson.Unmarshal(text, into); err != nil {
		return nil, badRequest("body has a member of another type than it must have")
	}
	return given, nil
}

// orNothing gives a filter, or none if it is null.
func orNothing(filter json.RawMessage) json.RawMessage {
	if isNull("", filter) {
		return nil
	}
	return filter
}
