package events

import (
	"errors"
	"strings"
)

// Bookmark is a place in a topic's snapshot: the cursor that the snapshot is true at, and
// the item after which it goes on. Only the service can read which item that is.
type Bookmark struct {
	Cursor Cursor
	Sealed string
}

// String writes the bookmark as epoch:seq~sealed.
func (b Bookmark) String() string { return b.Cursor.String() + "~" + b.Sealed }

// ParseBookmark reads what [Bookmark.String] writes. The error does not repeat the text.
func ParseBookmark(s string) (Bookmark, error) {
	cursor, sealed, ok := strings.Cut(s, "~")
	at, err := ParseCursor(cursor)
	if !ok || err != nil {
		return Bookmark{}, errors.New("next is not of the form epoch:seq~place")
	}
	return Bookmark{Cursor: at, Sealed: sealed}, nil
}
