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
}

// String writes the bookmark as epoch:seq/after.
func (b Bookmark) String() string { return b.Cursor.String() + "/" + b.After }

// ParseBookmark reads what [Bookmark.String] writes.
func ParseBookmark(s string) (Bookmark, error) {
	at, after, ok := strings.Cut(s, "/")
	cursor, err := ParseCursor(at)
	if !ok || err != nil {
		return Bookmark{}, fmt.Errorf("next %.100q is not of the form epoch:seq/id", s)
	}
	return Bookmark{Cursor: cursor, After: after}, nil
}
