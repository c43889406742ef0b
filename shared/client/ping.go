package client

import (
	"time"

	"github.com/watchroute/watchroute/events"
)

// ping asks where the topics stand: all of them when it is time, those that are
// known to miss something when they have waited long enough.
func (e *engine) ping(now time.Time) {
	all := !now.Before(e.pingAt)
	cursors := map[string]string{}
	for _, f := range e.families {
		if all && f.joined {
			cursors[string(f.pattern)] = events.Cursor{}.String() // to hear of topics that are new
		}
	}
	for _, w := range e.watches {
		if heal := e.heal(w, now); all && w.following() || heal {
			lowest(cursors, w)
		}
	}
	if all {
		e.pingAt = now.Add(e.interval())
	}
	for len(cursors) > events.MaxCursors {
		e.sendPing(some(cursors, events.MaxCursors), now)
	}
	if all || len(cursors) > 0 {
		e.sendPing(cursors, now)
	}
}

func (e *engine) sendPing(cursors map[string]string, now time.Time) {
	e.send(&request{frame: events.Request{Action: events.ActionPing, Cursors: cursors}}, now)
}

// some takes n entries out of a map.
func some(of map[string]string, n int) map[string]string {
	taken := map[string]string{}
	for name, value := range of {
		if len(taken) == n {
			break
		}
		taken[name] = value
		delete(of, name)
	}
	return taken
}

// heal reports whether it is time to ask for what a watch misses.
func (e *engine) heal(w *watch, now time.Time) bool {
	switch {
	case !w.following() || !w.order.behind():
		w.healAt, w.heals = time.Time{}, 0
		return false
	case w.healAt.IsZero():
		w.healAt = now.Add(e.o.HoleTime)
		return false
	case now.Before(w.healAt):
		return false
	}
	w.healAt = now.Add(e.o.HoleTime + e.backoff(w.heals))
	w.heals++
	e.client.stats.count(func(s *Stats) { s.Holes++ })
	return true
}

// lowest keeps the cursor of the watch of a topic that stands furthest back.
func lowest(cursors map[string]string, w *watch) {
	topic := string(w.topic)
	before, err := events.ParseCursor(cursors[topic])
	if err != nil || w.order.cursor.Seq < before.Seq {
		cursors[topic] = w.order.cursor.String()
	}
}

// pong takes in where the topics stand. One that is left out is not subscribed any
// more.
func (e *engine) pong(f *events.Pong) {
	r := e.answered(f.ID)
	if r == nil {
		return
	}
	e.pingFailures = 0
	for _, w := range e.watches {
		if r.frame.Cursors[string(w.topic)] == "" || !w.joined {
			continue
		}
		head, err := events.ParseCursor(f.Cursors[w.topic])
		if err != nil {
			w.lost()
			continue
		}
		w.order.learn(head)
	}
	for _, family := range e.families {
		family.learn(e, r, f)
	}
}

// lost has a watch subscribe again that is not subscribed any more.
func (w *watch) lost() {
	w.joined = false
	if w.family != nil {
		w.family.joined = false
	}
}
