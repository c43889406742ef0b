package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// answerTime bounds an answer, in addition to the time for which it may be held.
const answerTime = 10 * time.Second

// authorized gives a token, the same for the whole leg.
func (l *leg) authorized() (string, error) {
	var err error
	if l.token == "" {
		l.token, l.expires, err = l.wallet.fresh()
	}
	return l.token, err
}

// lapsed reports whether a refusal of the token may be right. The service holds nothing in a
// token's last second.
func (l *leg) lapsed() bool { return time.Now().Add(2 * time.Second).After(l.expires) }

// ask sends a GET. The error is trouble, or a broken promise.
func (l *leg) ask(ctx context.Context, topic events.Topic, query url.Values, header http.Header) (*http.Response, error) {
	token, err := l.authorized()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.rest+"/topics/"+string(topic)+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	request.Header = header
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := l.http.Do(request)
	if err != nil {
		l.count("answers", "none")
		return nil, err
	}
	if response.StatusCode < 400 {
		l.count("answers", strconv.Itoa(response.StatusCode))
		return response, nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	return nil, l.refused(response, body)
}

// refused judges a refusal. A passing refusal is trouble. A lasting one breaks a promise, because
// the requests are valid and the token allows them. A reset is lasting too, because nothing here is
// old enough to be forgotten. So is an internal error, because a refusal by DynamoDB must be
// reported as unavailable.
func (l *leg) refused(r *http.Response, body []byte) error {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var p events.Problem
	if err := json.Unmarshal(body, &p); err != nil || media != events.ProblemType || p.Status != r.StatusCode || p.Code.Status() != r.StatusCode {
		return broke("answered %d with %q instead of a problem: %.200s", r.StatusCode, media, body)
	}
	l.count("answers", fmt.Sprintf("%d %s", p.Status, p.Code))
	if r.StatusCode == http.StatusUnauthorized && l.lapsed() {
		return fmt.Errorf("%s", p.Code)
	}
	if r.Request.Header.Get("Accept") == streamType && r.Header.Get("X-Amzn-ErrorType") == "" {
		return broke("the function refuses a stream for a passing reason, and so ends an EventSource for good: %s", body)
	}
	seconds, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if p.Code == events.CodeInternal || p.Code.Remedy() != events.RetryLater || err != nil || seconds < 1 {
		return broke("refused %s, to be tried again after %q", body, r.Header.Get("Retry-After"))
	}
	after := time.Duration(seconds) * time.Second
	if p.Code == events.CodeTooManyHolds { // other requests need not wait
		l.noHoldsFor(after)
		after = 0
	}
	return trouble{fmt.Errorf("%s", p.Code), after}
}

// noHoldsFor keeps requests from being held for a while.
func (l *leg) noHoldsFor(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holds = time.Now().Add(d)
}

// decode reads a body. An incomplete body is trouble, and one that is not JSON is a broken promise.
func decode(r *http.Response, into any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return broke("body %.200s: %w", body, err)
	}
	return nil
}

// read asks for changes until there are no more.
func (l *leg) read(ctx context.Context, topics []*checker) error {
	for _, k := range topics {
		if _, begun := l.stands(k); !begun && l.random.IntN(2) == 0 {
			if err := l.now(ctx, k); err != nil {
				return err
			}
		}
		for more := true; more; {
			var err error
			if more, err = l.changes(ctx, k, 0); err != nil {
				return err
			}
		}
	}
	pause(ctx, l.random, 300*time.Millisecond)
	return nil
}

// poll lets the service wait for a change a few times.
func (l *leg) poll(ctx context.Context, topics []*checker) error {
	k := topics[l.random.IntN(len(topics))]
	for range 1 + l.random.IntN(3) {
		if _, err := l.changes(ctx, k, 1+l.random.IntN(3)); err != nil {
			return err
		}
	}
	return nil
}

// changes asks for the changes after a cursor, and lets the service wait for up to some seconds.
func (l *leg) changes(ctx context.Context, k *checker, wait int) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime+time.Duration(wait)*time.Second)
	defer cancel()
	after := l.from(k)
	query, header := url.Values{"after": {after.String()}}, http.Header{}
	l.narrowed(query)
	if view := l.viewIDSent(); view != "" && l.random.IntN(4) == 0 {
		query.Set("view", view)
	}
	applied := ""
	if wait > 0 {
		applied = fmt.Sprintf("wait=%d", wait)
		if l.random.IntN(2) == 0 {
			header.Set("Prefer", applied)
		} else {
			query.Set("wait", strconv.Itoa(wait))
		}
	}
	response, err := l.ask(ctx, k.topic, query, header)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	switch stands := response.Header.Get("Watchroute-Cursor"); {
	case response.Header.Get("Preference-Applied") != applied:
		return false, broke("%s: the wait %q was applied in place of %q", k.topic, response.Header.Get("Preference-Applied"), applied)
	case response.StatusCode == http.StatusNoContent && wait > 0 && stands == after.String():
		return false, l.begins(k, after)
	case response.StatusCode != http.StatusOK:
		return false, broke("%s: answered %d at %q, asked for changes after %s within %d s", k.topic, response.StatusCode, stands, after, wait)
	}
	var body events.TopicChanges
	if err := decode(response, &body); err != nil {
		return false, err
	}
	if err := l.viewed(k, body.View); err != nil {
		return false, err
	}
	return body.More, l.applyAll(k, after, body, wait > 0)
}

// now asks where a topic stands, and begins there.
func (l *leg) now(ctx context.Context, k *checker) error {
	query := url.Values{"after": {"now"}}
	l.narrowed(query)
	response, err := l.ask(ctx, k.topic, query, http.Header{})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var body events.TopicChanges
	if err := decode(response, &body); err != nil {
		return err
	}
	after, err := events.ParseCursor(body.Cursor)
	if err != nil {
		return broken{err}
	}
	if len(body.Changes) > 0 { // they have come meanwhile
		after = events.Cursor{Epoch: after.Epoch, Seq: body.Changes[0].Seq - 1}
	}
	if err := l.viewed(k, body.View); err != nil {
		return err
	}
	return l.applyAll(k, after, body, false)
}

// applyAll notes the changes of a body, if all of it is right.
func (l *leg) applyAll(k *checker, after events.Cursor, body events.TopicChanges, waited bool) error {
	told := line{after}
	for _, c := range body.Changes {
		if err := told.next(k.topic, c); err != nil {
			return err
		}
	}
	if body.Topic != k.topic || body.Cursor != told.at.String() || waited && len(body.Changes) == 0 {
		return broke("%s: the body of %s has the cursor %s and %d changes after %s", k.topic, body.Topic, body.Cursor, len(body.Changes), after)
	}
	if err := l.begins(k, after); err != nil {
		return err
	}
	for _, c := range body.Changes {
		if err := l.apply(k, c); err != nil {
			return err
		}
	}
	return nil
}

// known is what a client has of a topic's items, for as long as their ETag is the same.
type known struct {
	tag   string
	items events.TopicItems
}

// pages reads the items, page by page.
func (l *leg) pages(ctx context.Context, topics []*checker) error {
	k := topics[0]
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	query := url.Values{}
	l.narrowed(query)
	if l.random.IntN(2) == 0 {
		query.Set("limit", strconv.Itoa(20+l.random.IntN(60)))
	}
	var pages []client.Page
	var last events.TopicItems
	for first := true; first || last.Next != ""; first = false {
		page, err := l.page(ctx, k, query)
		switch {
		case err != nil:
			return err
		case page.Topic != k.topic || !first && page.Cursor != last.Cursor:
			return broke("%s: a page of %s is of %s, the one before of %s", k.topic, page.Topic, page.Cursor, last.Cursor)
		case !ordered(last.Items, page.Items):
			return broke("%s: the items of a page are not after those of the one before", k.topic)
		}
		if err := l.viewed(k, page.View); err != nil {
			return err
		}
		query.Set("next", page.Next)
		last = page
		pages = append(pages, client.Page{First: first, Last: page.Next == "", Items: page.Items, Costly: page.Costly})
	}
	at, err := events.ParseCursor(last.Cursor)
	if err != nil {
		return broken{err}
	}
	return l.start(k, pages, at)
}

// ordered reports whether the items of a page are in the order of their ids, and after those
// before.
func ordered(before, page []events.Item) bool {
	if len(before) > 0 {
		page = append(before[len(before)-1:len(before):len(before)], page...)
	}
	return slices.IsSortedFunc(page, func(a, b events.Item) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
}

// page reads one page.
func (l *leg) page(ctx context.Context, k *checker, query url.Values) (page events.TopicItems, err error) {
	whole, header := !query.Has("limit") && !query.Has("next"), http.Header{}
	l.mu.Lock()
	has := l.known[k.topic]
	l.mu.Unlock()
	if whole && has.tag != "" {
		header.Set("If-None-Match", has.tag)
	}
	response, err := l.ask(ctx, k.topic, query, header)
	if err != nil {
		return page, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotModified && header.Get("If-None-Match") != "":
		return has.items, nil
	case response.StatusCode != http.StatusOK:
		return page, broke("%s: the items are answered with %d", k.topic, response.StatusCode)
	}
	if err := decode(response, &page); err != nil {
		return page, err
	}
	if whole && page.Next == "" {
		l.mu.Lock()
		l.known[k.topic] = known{response.Header.Get("ETag"), page}
		l.mu.Unlock()
	}
	return page, nil
}
