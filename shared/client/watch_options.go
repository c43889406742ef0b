package client

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/watchroute/watchroute/events"
)

// WatchOptions say where a watch begins. The zero value means from now on.
type WatchOptions struct {
	// After goes on from a cursor, which is of a watch with the same Filter and Fields:
	// the changes after it come first. If they cannot be told any more, the topic's items
	// come instead.
	After *events.Cursor
	// Cursors do the same for a pattern: topics of it that they leave out are new to the
	// consumer, who is given their changes from the first one on.
	Cursors map[events.Topic]events.Cursor
	// Snapshot begins with the topic's items. It is ignored with After, and for topics that
	// Cursors name. The token must let the topic, or all topics of the pattern, be read as the
	// changes are seen; else the watch ends with CodeForbidden.
	Snapshot bool
	// Filter, an EventBridge event pattern on the items' data, shows only the items that
	// match: one that begins to is added, one that ceases to is removed. Its text must be
	// Unicode, see [events.CheckText]. Default: all.
	Filter json.RawMessage
	// Fields shows only these members of the items' data. Default: all.
	Fields []string
	// Delta lets a change that modifies an item carry a Patch instead of Data. It is
	// ignored without After, Cursors and Snapshot, as there is no state to patch then.
	//
	// A patch is on the item's state after its last change or in the last snapshot, as
	// Filter, Fields and token show it. The consumer must keep that, with After from the
	// watch before; as changes come in order, patches add up. A snapshot may be ahead of
	// its cursor, though. Patches that an item already has come again, which is right
	// after the last of them. A patch of an item that is not there, or is Large, is to be
	// passed over: the change that made it so follows, or the item has expired.
	Delta bool
	// Latest gives only the latest state of each item where the watch is behind: where several
	// changes of an item would come at once, or wait for a slow consumer, only the last one comes.
	// The cursor moves past the others. Added and Modified both bring the whole state, and the consumer treats them alike,
	// because it may not hold an item that is Modified. A cursor of such a watch is not for one with
	// Delta: some items may be older than the cursor. Latest and Delta exclude each other.
	Latest bool
	// Presence makes the token's subject a member of the topic, as long as the watch lasts and the client
	// is connected by a WebSocket: over HTTP the watch goes on without it. The token must allow to join.
	// A later token that does not ends the watch. It is not for patterns. See [Members].
	Presence *events.PresenceRequest
}

// sameView reports whether two watches of a topic can share its subscription.
func (o WatchOptions) sameView(other WatchOptions) bool {
	return bytes.Equal(o.Filter, other.Filter) && slices.Equal(o.Fields, other.Fields) && o.Delta == other.Delta && o.Latest == other.Latest
}

// samePresence reports whether two watches of one topic ask for the same presence.
func (o WatchOptions) samePresence(other WatchOptions) bool {
	if o.Presence == nil || other.Presence == nil {
		return o.Presence == other.Presence
	}
	return *o.Presence == *other.Presence
}

// checkCursors refuses cursors that the service cannot have given.
func (o WatchOptions) checkCursors() error {
	cursors := slices.Collect(maps.Values(o.Cursors))
	if o.After != nil {
		cursors = append(cursors, *o.After)
	}
	for _, c := range cursors {
		if _, err := events.ParseCursor(c.String()); err != nil {
			return err
		}
	}
	for topic := range o.Cursors {
		if _, err := events.ParsePattern(string(topic)); err != nil {
			return err
		}
	}
	return nil
}

// about adds to a request what a watch with these options is to see.
func (o WatchOptions) about(r events.Request) *events.Request {
	r.Filter, r.Fields, r.Delta, r.Latest = o.Filter, o.Fields, o.Delta, o.Latest
	if r.Action == events.ActionSubscribe {
		r.Presence = o.Presence
	}
	return &r
}
