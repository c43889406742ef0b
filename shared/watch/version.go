package watch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/seal"
)

// versionKind tells versions of pages from other texts that are sealed.
const versionKind = "version of a page"

// version is a page at one cursor of the topic's numbering. What it shows stays the same until
// the topic has another change, or the first of the items shown expires: that is not a change
// before DynamoDB deletes the item, which may be days later.
type version struct {
	page
	next string        // that was asked for
	head events.Cursor // of the topic, when the page was read
}

// about names what a version is valid for.
func (v version) about(subject string) []string {
	return []string{versionKind, subject, string(v.topic), v.view.String(), v.head.String(), v.next, fmt.Sprint(v.limit)}
}

// version writes it as epoch:seq~sealed, where only the service can read until when it holds;
// the zero time is for ever.
func (w *work) version(ctx context.Context, v version, until time.Time) (string, error) {
	var seconds int64
	if !until.IsZero() {
		seconds = until.Unix()
	}
	sealed, err := w.topics.Sealer.Seal(ctx, binary.BigEndian.AppendUint64(nil, uint64(seconds)), v.about(w.who.Subject)...)
	if err != nil {
		return "", fmt.Errorf("seal a version of %s: %w: %w", v.topic, ErrUnavailable, err)
	}
	return v.head.String() + "~" + sealed, nil
}

// known gives the version that a client has, if it is this one and still holds; empty if it
// has none. A text that is no version is none.
func (w *work) known(ctx context.Context, v version, texts []string) (string, error) {
	for _, text := range texts {
		sealed, ok := strings.CutPrefix(text, v.head.String()+"~")
		if !ok {
			continue
		}
		opened, err := w.topics.Sealer.Open(ctx, sealed, v.about(w.who.Subject)...)
		if errors.Is(err, seal.ErrForged) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("open a version of %s: %w: %w", v.topic, ErrUnavailable, err)
		}
		if until := int64(binary.BigEndian.Uint64(opened)); until == 0 || time.Now().Unix() < until {
			return text, nil
		}
	}
	return "", nil
}
