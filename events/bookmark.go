package events

import (
	"fmt"
	"strings"
)

// Bookmark is a place in a topic's snapshot: the cursor that the snapshot is true
// at, and the item after which it goes on.
type Bookmark struct {
	Cursor Cursor
	After  string // an item's id; the empty one comes before all
	// Sealed stands in place of After where the client may not know of the item. Only the
	// service can read it, and only on the same connection.
	Sealed string
}

// String writes the bookmark as epoch:seq/after, or as epoch:seq~sealed.
func (b Bookmark) String() string {
	if b.Sealed != "" {
		return b.Cursor.String() + "~" + b.Sealed
	}
	return b.Cursor.String() + "/" + b.After
}

// ParseBookmark reads what [Bookmark.String] writes.
func ParseBookmark(s string) (Bookmark, error) {
	end := strings.IndexAny(s, "/~")
	if end < 0 {
		return Bookmark{}, badBookmark(s)
	}
	cursor, err := ParseCursor(s[:end])
	switch {
	case err != nil:
		return Bookmark{}, badBookmark(s)
	case s[end] == '~':
		return Bookmark{Cursor: cursor, Sealed: s[end+1:]}, nil
	}
	return Bookmark{Cursor: cursor, After: s[end+1:]}, nil
}

func badBookmark(s string) error {
	return fmt.Errorf("next %.100q is not of the form epoch:seq/id", s)
}
