package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/events/exactjson"
	"github.com/watchroute/watchroute/shared/watch"
)

// Bounds of what is published by one request.
const (
	maxBatch     = 25
	maxBodyBytes = maxBatch * events.MaxFrameBytes
)

// publish puts an item, or up to maxBatch of them, each of which is answered for itself.
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
	if len(r.URL.Query()) > 0 { // such as an id that would not count
		h.refuse(w, r, badRequest("a POST takes no parameters, its body has the item"))
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

// checkConditions refuses to write under a condition that is not looked at. Items have no ETag.
//
// Source: RFC 9110, section 13.1
func checkConditions(r *http.Request, onlyNew bool) error {
	switch {
	case r.Header.Get("If-Match") != "":
		return badRequest("If-Match is not supported, as items have no ETag")
	case r.Header.Get("If-None-Match") != "" && !onlyNew:
		return badRequest("If-None-Match is for a POST, and must be *")
	}
	return nil
}

// readItems reads the body of a POST: one item, or several as {"items":[…]}.
func readItems(w http.ResponseWriter, r *http.Request) (body events.PublishRequest, err error) {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		w.Header().Set("Accept", "application/json")
		return body, &events.Error{Code: events.CodeUnsupportedType, Message: "Content-Type must be application/json"}
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		w.Header().Set("Accept-Encoding", "identity")
		return body, &events.Error{Code: events.CodeUnsupportedType, Message: "the body must not be compressed"}
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return body, &events.Error{Code: events.CodeTooLarge, Message: fmt.Sprintf("body has more than %d bytes", large.Limit)}
	}
	if err != nil {
		return body, badRequest("body cannot be read")
	}
	var object map[string]json.RawMessage
	if err := exactjson.Unmarshal(text, &object); err != nil || object == nil {
		return body, &events.Error{Code: events.CodeBadJSON, Message: "body is not a JSON object"}
	}
	if err := events.CheckText(text); err != nil {
		return body, &events.Error{Code: events.CodeBadItem, Message: "body " + err.Error()}
	}
	if err := exactjson.Unmarshal(text, &body); err != nil {
		return body, badRequest("body is not an item, or a list of items")
	}
	if body.Items != nil && (object["id"] != nil || object["data"] != nil) {
		return body, badRequest("body has an item and a list of items")
	}
	if n := len(body.Items); n > maxBatch || body.Items != nil && n == 0 {
		return body, badRequest("items are %d, from 1 to %d are allowed", n, maxBatch)
	}
	return body, nil
}
