package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/events/exactjson"
	"github.com/watchroute/watchroute/shared/watch"
)

// maxBodyBytes bounds the body of one request.
const maxBodyBytes = events.MaxPublishItems * events.MaxFrameBytes

// publish puts an item, or up to events.MaxPublishItems of them, each of which is answered for itself.
func (h handler) publish(w http.ResponseWriter, r *http.Request, viewer watch.Viewer, topic events.Topic) {
	body, err := readItems(w, r)
	if err == nil {
		err = checkConditions(r, wantsNone(r))
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	publishing := watch.Publishing{Topic: topic, Key: r.Header.Get("Idempotency-Key"), OnlyNew: wantsNone(r)}
	if len(publishing.Key) > events.MaxRequestIDBytes {
		h.refuse(w, r, badRequest("Idempotency-Key has %d bytes, at most %d are allowed", len(publishing.Key), events.MaxRequestIDBytes))
		return
	}
	if len(r.URL.Query()) > 0 { // such as an id, which would have no effect
		h.refuse(w, r, badRequest("a POST takes no parameters: put the item into the body"))
		return
	}
	if id, twice := repeated(body.Items); twice && publishing.Key != "" {
		h.refuse(w, r, badRequest("the id %s comes twice: with Idempotency-Key each id may come only once", clip(id)))
		return
	}
	if body.Items == nil {
		h.put(w, r, viewer, publishing, body.PublishedItem)
		return
	}
	results := make([]events.PublishResult, len(body.Items))
	for i, item := range body.Items {
		results[i] = h.result(r, viewer, publishing, item)
	}
	w.Header().Set("Cache-Control", "no-store")
	h.answer(w, r, http.StatusOK, "application/json", events.PublishResults{Topic: topic, Results: results})
}

// repeated finds an id that several items have.
func repeated(items []events.PublishedItem) (id string, found bool) {
	seen := map[string]bool{}
	for _, item := range items {
		if item.ID != "" && seen[item.ID] {
			return item.ID, true
		}
		seen[item.ID] = true
	}
	return "", false
}

// put answers for a single item.
func (h handler) put(w http.ResponseWriter, r *http.Request, viewer watch.Viewer, p watch.Publishing, item events.PublishedItem) {
	p.Item, p.ExpiresAt = &item.Item, item.ExpiresAt
	published, err := h.topics.Publish(r.Context(), viewer, p)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	h.answer(w, r, http.StatusOK, "application/json", events.PublishResult{ID: published.Item.ID, Mark: published.Mark})
}

// result is what has become of one of several items.
func (h handler) result(r *http.Request, viewer watch.Viewer, p watch.Publishing, item events.PublishedItem) events.PublishResult {
	p.Item, p.ExpiresAt = &item.Item, item.ExpiresAt
	published, err := h.topics.Publish(r.Context(), viewer, p)
	if err == nil {
		return events.PublishResult{ID: published.Item.ID, Mark: published.Mark}
	}
	problem := h.problemOf(r, err)
	return events.PublishResult{ID: item.ID, Error: &problem}
}

// remove deletes the item that the URL names.
func (h handler) remove(w http.ResponseWriter, r *http.Request, viewer watch.Viewer, topic events.Topic) {
	if err := checkConditions(r, false); err != nil {
		h.refuse(w, r, err)
		return
	}
	query := r.URL.Query()
	if len(query) != 1 || len(query["id"]) != 1 {
		h.refuse(w, r, badRequest("a DELETE names one item, as ?id="))
		return
	}
	p := watch.Publishing{Topic: topic, Op: events.OpRemove, Item: &events.Item{ID: query.Get("id")}}
	if _, err := h.topics.Publish(r.Context(), viewer, p); err != nil {
		h.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// checkConditions refuses conditions that are not supported, rather than write in spite of them.
// Items have no ETag.
//
// Source: RFC 9110, section 13.1
func checkConditions(r *http.Request, onlyNew bool) error {
	switch {
	case r.Header.Get("If-Match") != "":
		return badRequest("If-Match is not supported, because items have no ETag")
	case r.Header.Get("If-None-Match") != "" && !onlyNew:
		return badRequest("If-None-Match needs a POST and the value *")
	}
	return nil
}

// readItems reads the body of a POST: one item, or several as {"items":[…]}.
func readItems(w http.ResponseWriter, r *http.Request) (body events.PublishRequest, err error) {
	text, err := readJSON(w, r, maxBodyBytes)
	if err != nil {
		return body, err
	}
	return parseItems(text)
}

// readJSON reads a body of JSON, which it does not look into.
func readJSON(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		w.Header().Set("Accept", "application/json")
		return nil, &events.Error{Code: events.CodeUnsupportedType, Message: "Content-Type must be application/json"}
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		w.Header().Set("Accept-Encoding", "identity")
		return nil, &events.Error{Code: events.CodeUnsupportedType, Message: "the body must not be compressed"}
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return nil, &events.Error{Code: events.CodeTooLarge, Message: fmt.Sprintf("body has more than %d bytes", large.Limit)}
	}
	if err != nil {
		return nil, badRequest("body cannot be read")
	}
	return text, nil
}

// itemMembers are the members of a published item.
var itemMembers = []string{"id", "data", "expiresAt"}

// parseItems reads the text of a POST's body. It refuses unknown members, because a misspelt data
// would put an item without data.
func parseItems(text []byte) (body events.PublishRequest, err error) {
	object, err := members("the body", text, append([]string{"items"}, itemMembers...)...)
	if err != nil {
		return body, err
	}
	if err := events.CheckText(text); err != nil {
		return body, &events.Error{Code: events.CodeBadItem, Message: "body " + err.Error()}
	}
	if err := exactjson.Unmarshal(text, &body); err != nil {
		return body, badRequest("body is not an item, or a list of items")
	}
	list, several := object["items"]
	maps.DeleteFunc(object, func(name string, value json.RawMessage) bool { return name != "data" && isNull(name, value) })
	switch n := len(body.Items); {
	case !several:
		return body, nil
	case len(object) > 1:
		return body, badRequest("a body with items must have no other member")
	case n < 1 || n > events.MaxPublishItems:
		return body, badRequest("items are %d, from 1 to %d are allowed", n, events.MaxPublishItems)
	}
	var items []json.RawMessage
	_ = exactjson.Unmarshal(list, &items) // it is a list, as body has parsed it
	for _, item := range items {
		if _, err := members("an item", item, itemMembers...); err != nil {
			return body, err
		}
	}
	return body, nil
}

// members reads an object that may have these members. what names it in errors for the client.
func members(what string, text []byte, names ...string) (object map[string]json.RawMessage, err error) {
	if err := exactjson.Unmarshal(text, &object); err != nil || object == nil {
		return nil, &events.Error{Code: events.CodeBadJSON, Message: what + " is not a JSON object"}
	}
	for name := range object {
		if !slices.Contains(names, name) {
			return nil, badRequest("%s is not a member of %s: the members are %s", clip(name), what, strings.Join(names, ", "))
		}
	}
	return object, nil
}

// isNull reports whether a member counts as left out.
func isNull(_ string, value json.RawMessage) bool { return string(value) == "null" }
