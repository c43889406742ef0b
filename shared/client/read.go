package client

import (
	"context"
	"errors"
	"iter"

	"github.com/watchroute/watchroute/events"
)

// Read reads the items of a topic once, over HTTP, without watching it. url is the output HttpUrl.
// The items come page by page, as a watch with [WatchOptions].Snapshot gives them. The last page
// has the cursor from which a later watch continues with [WatchOptions].After. Read uses the fields
// of Options about requests and tokens, and of WatchOptions only Filter and Fields.
//
// Read tries nothing again, except with a new token after one has expired. The error comes last. It
// is an [*events.Error] if the service refuses, and a [*StatusError] if the answer is not the
// service's.
func Read(ctx context.Context, url string, topic events.Topic, o Options, w WatchOptions) iter.Seq2[Event, error] {
	return ReadUnless(ctx, url, topic, "", o, w)
}

// ReadUnless reads as [Read] does, unless the items have not changed since an earlier read gave a
// page with this ETag. Then the only error is [ErrUnchanged], and the service does a single read.
// An ETag is valid for the same topic, Filter, Fields and view of the token. It ignores items on
// later pages that have expired since, until their removal is published. An empty ETag reads all.
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
		known = "" // it is the ETag of the first page
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
			return errors.New("the next page is the same page again")
		}
		r.Next = page.Next
	}
}
