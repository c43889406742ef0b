package watch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/seal"
)

// bookmarkKind tells bookmarks from other texts that are sealed.
const bookmarkKind = "place in a snapshot"

// aboutBookmark names what a bookmark is valid for: one subject, on any of its connections, and one
// topic, view and cursor. The cursor contains the epoch.
func aboutBookmark(subject string, topic events.Topic, view grant.View, at events.Cursor) []string {
	return []string{bookmarkKind, subject, string(topic), view.String(), at.String()}
}

// bookmark makes the bookmark after an id, which has at most the given number of bytes. The
// bookmark's length depends on that number, and not on the id.
func (w *work) bookmark(ctx context.Context, p page, id string, most int) (events.Bookmark, error) {
	sealed, err := w.topics.Sealer.Seal(ctx, padded(id, most), aboutBookmark(w.who.Subject, p.topic, p.view, p.cursor)...)
	if err != nil {
		return events.Bookmark{}, fmt.Errorf("seal a bookmark in %s: %w: %w", p.topic, ErrUnavailable, err)
	}
	return events.Bookmark{Cursor: p.cursor, Sealed: sealed}, nil
}

// open finds the item that a page goes on after.
func (w *work) open(ctx context.Context, topic events.Topic, view grant.View, text string) (page, error) {
	opened, err := w.unseal(ctx, topic, text, func(at events.Cursor) []string { return aboutBookmark(w.who.Subject, topic, view, at) })
	if err != nil {
		return page{}, err
	}
	return page{topic: topic, view: view, cursor: opened.cursor, from: text, after: unpadded(opened.text)}, nil
}

// opened is a bookmark that was opened.
type opened struct {
	cursor events.Cursor
	text   []byte
}

// unseal opens a bookmark if it is valid for what about says.
func (w *work) unseal(ctx context.Context, topic events.Topic, text string, about func(events.Cursor) []string) (opened, error) {
	bookmark, err := events.ParseBookmark(text)
	if err != nil {
		return opened{}, &events.Error{Code: events.CodeBadCursor, Message: err.Error()}
	}
	plain, err := w.topics.Sealer.Open(ctx, bookmark.Sealed, about(bookmark.Cursor)...)
	if errors.Is(err, seal.ErrForged) {
		return opened{}, &events.Error{Code: events.CodeBadCursor, Message: "next was not given for this topic, filter, fields and token"}
	}
	if err != nil {
		return opened{}, fmt.Errorf("open a bookmark in %s: %w: %w", topic, ErrUnavailable, err)
	}
	return opened{bookmark.Cursor, plain}, nil
}

// bookmarkBelowKind tells bookmarks in the snapshots of a pattern from other texts that are sealed.
const bookmarkBelowKind = "place in the snapshots of a pattern"

// aboutBookmarkBelow names what such a bookmark is valid for, as aboutBookmark does. Each topic
// has a cursor of its own, so the bookmark has none.
func aboutBookmarkBelow(subject string, pattern events.Topic, view grant.View) []string {
	return []string{bookmarkBelowKind, subject, string(pattern), view.String()}
}

// bookmarkBelow makes the bookmark after a topic of a pattern.
func (w *work) bookmarkBelow(ctx context.Context, pattern events.Topic, view grant.View, topic events.Topic) (string, error) {
	sealed, err := w.topics.Sealer.Seal(ctx, padded(string(topic), events.MaxTopicBytes), aboutBookmarkBelow(w.who.Subject, pattern, view)...)
	if err != nil {
		return "", fmt.Errorf("seal a bookmark in %s: %w: %w", pattern, ErrUnavailable, err)
	}
	return events.Bookmark{Sealed: sealed}.String(), nil
}

// openBelow finds the topic after which the snapshots of a pattern go on.
func (w *work) openBelow(ctx context.Context, pattern events.Topic, view grant.View, text string) (events.Topic, error) {
	opened, err := w.unseal(ctx, pattern, text, func(events.Cursor) []string { return aboutBookmarkBelow(w.who.Subject, pattern, view) })
	if err != nil {
		return "", err
	}
	return events.Topic(unpadded(opened.text)), nil
}

// maxRowIDBytes is how long the id of any row can be, also of one that breaks our rules.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const maxRowIDBytes = 1024

func padded(id string, most int) []byte {
	text := binary.BigEndian.AppendUint16(nil, uint16(len(id)))
	text = append(text, id...)
	return append(text, make([]byte, most-len(id))...)
}

// unpadded reads what padded wrote.
func unpadded(text []byte) (id string) { return string(text[2 : 2+binary.BigEndian.Uint16(text)]) }
