package client

import (
	"context"
	"errors"
	"iter"

	"github.com/watchroute/watchroute/events"
)

// Read reads the items of a topic once, over HTTP, for who does not want to watch it. url is the
// output HttpUrl. The items come page by page, as a watch with [WatchOptions].Snapshot gives them:
// the last page has the cursor from which a later watch goes on with [WatchOptions].After. Of
// Options, those of requests and tokens count, and of WatchOptions Filter and Fields.
//
// Nothing is tried again, but for a token that has expired. The error, which comes last, is an
// [*events.Error] for what the service refuses, and a [*StatusError] for an answer that is not
// the service's.
func Read(ctx context.Context, url string, topic events.Topic, o Options, w WatchOptions) iter.Seq2[Event, error] {
	return ReadUnless(ctx, url, topic, "", o, w)
}

// ReadUnless does the same, unless the items are as they were when an earlier read gave a page with
// this ETag. Then the only error is [ErrUnchanged], for which the service reads once. An ETag is good
// for the same topic, Filter, Fields and view of the token. Items on later pages that have expired
// since, and whose removal is not yet told, count as unchanged. An empty ETag reads all.
func ReadUnless(ctx context.Context, url string, topic events.Topic, etag string, o Options, w WatchOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := readAll(ctx, url, topic, etag, o.withDefaults(), w, func(e Event) bool { return yield(e, nil) }); err != nil {
			yield(Event{}, err)
		}
	}
}

func readAll(ctx context.Context, url string, topic events.Topic, known string, o Options, w WatchOptions, give func(Event) bool) error {
	if is, err := isHTTP(url, "url"); err != nil || !is {
		return errors.Join(err, errors.New("url must be an http:// or https:// URL"))
	}
	if _, err := events.ParseTopic(string(topic)); err != nil {
		return &events.Error{Code: events.CodeBadTopic, Message: err.Error(), Topic: string(topic)}
	}
	from := newWeb(url, o)
	r := events.Request{Topic: string(topic), Filter: w.Filter, Fields: w.Fields}
	for first := true; ; first = false {
		page, etag, err := from.pageUnless(ctx, r, known, nil)
		known = "" // which is of the first page
		if refused := (*refusal)(nil); errors.As(err, &refused) {
			return refused.Unwrap()
		}
		if err != nil {
			return err
		}
		event := Event{Topic: topic, Page: &Page{First: first, Last: page.Next == "", Items: page.Items, Costly: page.Costly}}
		if first {
			event.Page.ETag = etag
		}
		if event.Page.Last {
			event.Cursor = page.Cursor
		}
		if !give(event) || event.Page.Last {
			return nil
		}
		if page.Next == r.Next {
			return errors.New("the next page is the same again")
		}
		r.Next = page.Next
	}
}
