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

// placeKind tells places in a snapshot from other texts that are sealed.
const placeKind = "place in a snapshot"

// aboutPlace names what a place is valid for: one subject, on any of its connections, and one
// topic, view and cursor. The cursor contains the epoch.
func aboutPlace(subject string, topic events.Topic, view grant.View, at events.Cursor) []string {
	return []string{placeKind, subject, string(topic), view.String(), at.String()}
}

// bookmark gives the place after an id, which has at most the given number of bytes. The
// place's length depends on that number, and not on the id.
func (w *work) bookmark(ctx context.Context, p page, id string, most int) (events.Bookmark, error) {
	sealed, err := w.topics.Places.Seal(ctx, padded(id, most), aboutPlace(w.who.Subject, p.topic, p.view, p.cursor)...)
	if err != nil {
		return events.Bookmark{}, fmt.Errorf("seal a place in %s: %w: %w", p.topic, ErrUnavailable, err)
	}
	return events.Bookmark{Cursor: p.cursor, Sealed: sealed}, nil
}

// open finds the item that a page goes on after.
func (w *work) open(ctx context.Context, topic events.Topic, view grant.View, text string) (page, error) {
	place, err := events.ParseBookmark(text)
	if err != nil {
		return page{}, &events.Error{Code: events.CodeBadCursor, Message: err.Error()}
	}
	opened, err := w.topics.Places.Open(ctx, place.Sealed, aboutPlace(w.who.Subject, topic, view, place.Cursor)...)
	if errors.Is(err, seal.ErrForged) {
		return page{}, &events.Error{Code: events.CodeBadCursor, Message: "next was not given for this topic, filter, fields and token"}
	}
	if err != nil {
		return page{}, fmt.Errorf("open a place in %s: %w: %w", topic, ErrUnavailable, err)
	}
	return page{topic: topic, view: view, cursor: place.Cursor, from: text, after: unpadded(opened)}, nil
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
