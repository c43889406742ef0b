package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// placeOf is the id of a stream's events: the cursors of its topics in the order in which the URL
// has them, and a hash of the list and of what is seen of each, as epoch:seq,epoch:seq~hash. Of a
// single topic that is seen whole it is the cursor alone.
func placeOf(follows []watch.Follow) string {
	cursors := make([]string, len(follows))
	for i, follow := range follows {
		cursors[i] = follow.After.String()
	}
	if len(follows) == 1 && follows[0].View == events.WholeView {
		return cursors[0]
	}
	return strings.Join(cursors, ",") + "~" + listHash(follows)
}

func listHash(follows []watch.Follow) string {
	hash := sha256.New()
	for _, follow := range follows {
		_, _ = fmt.Fprintf(hash, "%s %s\n", follow.Topic, follow.View) // which cannot fail
	}
	return hex.EncodeToString(hash.Sum(nil)[:4])
}

// otherViews is what a client has seen that has seen the topics otherwise than it would now.
const otherViews = "other"

// resume puts the cursors of an id into the topics of the URL. The id must be of as many topics.
// If it is of others, or what is seen of one is not what it was, all of them start over.
func resume(follows []watch.Follow, id string) error {
	cursors, hash, hashed := strings.Cut(id, "~")
	parts := strings.Split(cursors, ",")
	if len(parts) != len(follows) || !hashed && len(follows) > 1 {
		return &events.Error{Code: events.CodeBadCursor, Message: "Last-Event-ID is not of this list of topics"}
	}
	for i, part := range parts {
		cursor, err := events.ParseCursor(part)
		if err != nil {
			return &events.Error{Code: events.CodeBadCursor, Message: "Last-Event-ID: " + err.Error()}
		}
		follows[i].After = cursor
	}
	same := hash == listHash(follows)
	if !hashed {
		same = follows[0].View == events.WholeView
	}
	for i := range follows {
		if !same {
			follows[i].View = otherViews
		}
	}
	return nil
}
