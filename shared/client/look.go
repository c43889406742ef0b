package client

import (
	"cmp"
	"math/rand/v2"
	"time"

	"github.com/watchroute/watchroute/events"
)

// openLooks looks at patterns that no stream brings, and reads the topics of all patterns whose
// cursors are behind. It gives the time of the next look or read.
func (x *exchange) openLooks(now time.Time) (next time.Time) {
	next = now.Add(time.Hour)
	var waiting []*follow
	for _, p := range x.patterns {
		for _, f := range p.topics {
			if (f.lost || f.behind()) && !f.polling {
				waiting = append(waiting, f)
			}
		}
		if p.looking || p.brought() {
			continue
		}
		if at := later(p.lookAt, x.polls.next.notBefore); now.Before(at) {
			next = sooner(next, at)
			continue
		}
		x.look(p)
	}
	for _, f := range inOrder(waiting, func(f *follow) time.Time { return f.pollAt }) {
		if x.polls.reads >= pollsAtOnce {
			return next // the end of a read begins the next
		}
		if at := later(f.pollAt, x.polls.next.notBefore); now.Before(at) {
			next = sooner(next, at)
			continue
		}
		x.readMember(f)
	}
	return next
}

// look asks for the current cursors of a pattern's topics.
func (x *exchange) look(p *pattern) {
	p.looking = true
	x.task(func() func() {
		at, err := x.standBelow(x.life, p.asked)
		return func() {
			p.looking = false
			if x.patterns[p.name] == p {
				x.looked(p, at, err)
			}
		}
	})
}

// looked takes the result of a look, and decides when the next is due. The pause grows if nothing
// was new, and with the number of topics.
func (x *exchange) looked(p *pattern, at stand, err error) {
	now := time.Now()
	switch {
	case lapses(err), err == nil && cmp.Or(at.viewID, events.WholeView) != p.seen:
		x.lapseBelow(p)
		return
	case err != nil:
		x.pollFailed(err)
		return
	}
	x.pollAnswered()
	p.stands(at)
	p.vain++
	pause := min(lookPause<<min(p.vain, 8), longestLookPause) * time.Duration(1+len(p.topics)/topicsOfLook)
	p.lookAt = now.Add(pause/2 + rand.N(pause))
}

// readMember reads what a topic of a pattern has after its cursor. If those changes are not
// available, it reads the topic's current cursor.
func (x *exchange) readMember(f *follow) {
	f.polling = true
	x.polls.reads++
	ask := f.request()
	if f.lost {
		ask.After, ask.View = "now", ""
	}
	x.task(func() func() {
		brought, err := x.changes(x.life, ask, 0, nil)
		return func() {
			f.polling = false
			x.polls.reads--
			if x.current(f) {
				x.readOf(f, brought, err)
			}
		}
	})
}

// readOf takes what was read of a topic of a pattern. If its changes are not available, the topic
// is followed from its current cursor. The engine then asks for what it misses, and learns of the
// gap.
func (x *exchange) readOf(f *follow, brought news, err error) {
	now := time.Now()
	switch {
	case lapses(err), err == nil && (brought.reset == events.ResetView || f.lost && cmp.Or(brought.viewID, events.WholeView) != f.seen):
		x.lapseBelow(f.of)
		return
	case err != nil:
		x.pollFailed(err)
		return
	}
	x.pollAnswered()
	switch {
	case brought.reset != "":
		f.lost = true
		f.vain++
		f.pollAt = now.Add(rand.N(min(lookPause<<min(f.vain, 8), longestLookPause)))
	case f.lost:
		f.lost, f.cursor, f.head = false, brought.cursor, brought.cursor
		x.give(incoming{lapsed: f.topic})
	default:
		before := f.cursor
		x.bring(f, brought.changes)
		if !brought.more {
			f.head = f.cursor
		}
		if f.vain = 0; f.cursor != before { // more changes often follow soon
			f.of.vain, f.of.lookAt = 0, sooner(f.of.lookAt, now.Add(lookPause))
		} else if brought.more {
			f.pollAt = now.Add(lookPause)
		}
	}
}
