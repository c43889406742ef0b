package main

import (
	"fmt"
	"maps"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// checker holds one watch of one topic to the promise: every change once, in order,
// none left out, or a page that says to start over and then a state that equals the
// table. It is used for cheap views only, so nothing may be too costly to be shown to it.
//
// A watch of the latest may skip a change of an item only if a later one of the item comes. So each
// item's versions rise, and at the end the watch has the last version of each.
type checker struct {
	topic  events.Topic
	latest bool // the watch asks for the latest

	cursor  events.Cursor
	begun   bool             // cursor means something
	there   map[string]int64 // the items as the watch shows them, by version
	seen    map[string]int64 // the latest version seen of each item
	loose   map[string]bool  // items whose next change may be any: a page was ahead of its cursor, or left a removed item out
	whole   bool             // the watch has seen the topic from its first change on
	changes int64            // seen so far
	skipped int64            // by a watch of the latest
	events  int64            // of all kinds
	resets  int
	inPages bool // a snapshot is under way
	any     bool // after a snapshot: items that are not in seen are loose too
}

func newChecker(topic events.Topic) *checker {
	return &checker{topic: topic, there: map[string]int64{}, seen: map[string]int64{}, loose: map[string]bool{}}
}

// see takes in an event. The error is a broken promise.
func (k *checker) see(e client.Event) error {
	k.events++
	switch {
	case e.Costly:
		return fmt.Errorf("%s: a change up to %s is too costly, for a view that is cheap", k.topic, e.Cursor)
	case e.Page != nil && e.Page.Costly > 0:
		return fmt.Errorf("%s: %d items are too costly, for a view that is cheap", k.topic, e.Page.Costly)
	case e.Page != nil:
		return k.page(e)
	case e.Change != nil:
		return k.change(e)
	}
	before := k.cursor
	if before == (events.Cursor{}) {
		before.Epoch = e.Cursor.Epoch // there has been a first change since
	}
	if skips := k.latest && k.begun && !k.inPages && e.Cursor.Epoch == before.Epoch && e.Cursor.Seq > before.Seq; skips {
		k.skipped += e.Cursor.Seq - before.Seq
		k.cursor = e.Cursor
		return nil
	}
	if k.begun && e.Cursor != before {
		return fmt.Errorf("%s: the watch begins at %s, was to go on from %s", k.topic, e.Cursor, k.cursor)
	}
	if !k.begun {
		k.whole = e.Cursor.Seq == 0
	}
	k.cursor, k.begun = e.Cursor, true
	return nil
}

func (k *checker) page(e client.Event) error {
	if e.Page.First {
		if k.begun || k.inPages {
			k.resets++
		}
		clear(k.there)
		clear(k.seen)
		clear(k.loose)
		k.whole, k.any, k.inPages = false, true, true
	}
	if !k.inPages {
		return fmt.Errorf("%s: a page that is not first follows a change", k.topic)
	}
	for _, item := range e.Page.Items {
		version, err := versionOf(item.Data)
		if err != nil {
			return fmt.Errorf("%s: item %s: %w", k.topic, item.ID, err)
		}
		k.there[item.ID], k.seen[item.ID], k.loose[item.ID] = version, version, true
	}
	if e.Page.Last {
		k.cursor, k.begun, k.inPages = e.Cursor, true, false
	}
	return nil
}

func (k *checker) change(e client.Event) error {
	c := e.Change
	next := events.Cursor{Epoch: k.cursor.Epoch, Seq: k.cursor.Seq + 1}
	if k.cursor == (events.Cursor{}) {
		next.Epoch = c.Epoch
	}
	switch {
	case k.inPages:
		return fmt.Errorf("%s: change %s comes amid the pages of a snapshot", k.topic, c.Cursor())
	case c.Topic != k.topic || e.Cursor != c.Cursor():
		return fmt.Errorf("%s: change %s of %s comes with cursor %s", k.topic, c.Cursor(), c.Topic, e.Cursor)
	case c.Cursor() != next:
		return fmt.Errorf("%s: change %s comes where %s was due", k.topic, c.Cursor(), next)
	}
	k.cursor = next
	k.changes++
	return k.apply(c)
}

// apply follows an item from version to version.
func (k *checker) apply(c *events.Change) error {
	version, err := versionOf(c.Data)
	if err != nil {
		return fmt.Errorf("%s: change %s: %w", k.topic, c.Cursor(), err)
	}
	if c.Op == events.Removed {
		version++ // the removal follows the version whose data it carries
	}
	before, known := k.seen[c.ID]
	due := before + 1
	if free := k.loose[c.ID] || k.any && !known; !free && version != due && !(k.latest && version > due) {
		return fmt.Errorf("%s: change %s is version %d of item %s, version %d was due", k.topic, c.Cursor(), version, c.ID, due)
	}
	delete(k.loose, c.ID)
	_, was := k.there[c.ID]
	if exact := !k.any && !k.latest; exact && (c.Op == events.Added) == was {
		return fmt.Errorf("%s: change %s is %s, and the item was there: %t", k.topic, c.Cursor(), c.Op, was)
	}
	k.seen[c.ID] = version
	if c.Op == events.Removed {
		delete(k.there, c.ID)
	} else {
		k.there[c.ID] = version
	}
	return nil
}

// complete reports whether the watch has come to the end of what was written.
func (k *checker) complete(l *ledger) bool {
	return k.begun && !k.inPages && k.cursor.Seq >= l.total(k.topic)
}

// settle compares the watch with all that was written. The error is a broken promise.
func (k *checker) settle(l *ledger) error {
	there, latest := l.versions(k.topic)
	total := l.total(k.topic)
	switch {
	case k.cursor.Seq != total:
		return fmt.Errorf("%s: stands at %s after %d changes", k.topic, k.cursor, total)
	case !maps.Equal(k.there, there):
		return fmt.Errorf("%s: shows another state than the table: %s", k.topic, difference(k.there, there))
	case k.whole && k.changes+k.skipped != total:
		return fmt.Errorf("%s: saw %d changes of %d, and %d were skipped", k.topic, k.changes, total, k.skipped)
	case k.whole && !maps.Equal(k.seen, latest):
		return fmt.Errorf("%s: has not seen the latest version of each item: %s", k.topic, difference(k.seen, latest))
	}
	return nil
}

// difference names an item that is not the same in both.
func difference(got, want map[string]int64) string {
	for id, version := range want {
		if got[id] != version {
			return fmt.Sprintf("item %s is at version %d, want %d", id, got[id], version)
		}
	}
	for id, version := range got {
		if want[id] != version {
			return fmt.Sprintf("item %s is at version %d, want none", id, version)
		}
	}
	return "none"
}
