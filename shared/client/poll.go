package client

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/watchroute/watchroute/events"
)

const (
	// pollsAtOnce bounds the polls of an exchange.
	pollsAtOnce = 4
	// pollTime is how long the service holds a poll, if no other topic waits for its turn.
	pollTime = 25 * time.Second
	// coverPause is the time after which the client polls a topic whose stream is late.
	coverPause = 2 * time.Second
	// lookPause and longestLookPause bound the pause between two polls of a topic that the service
	// does not hold.
	lookPause        = time.Second
	longestLookPause = 10 * time.Second
)

// polls are the requests of an exchange for changes of topics that no stream brings.
type polls struct {
	count int     // under way
	reads int     // reads under way of topics of patterns
	next  attempt // next request of any kind
	hold  attempt // next request that is held
}

// openPolls polls topics that no stream brings, and gives the time when more are due. The service
// holds polls only if they alone bring topics. Then each topic gets its turn within pollTime.
func (x *exchange) openPolls(now time.Time) (next time.Time) {
	next = now.Add(time.Hour)
	var waiting []*follow
	alone := 0
	for _, f := range x.follows {
		if !f.brought() {
			alone++
			if !f.polling {
				waiting = append(waiting, f)
			}
		}
	}
	wait := time.Duration(0)
	if x.transport() == LongPoll && !now.Before(x.polls.hold.notBefore) {
		rounds := (alone + pollsAtOnce - 1) / pollsAtOnce
		wait = max((pollTime / time.Duration(max(rounds, 1))).Truncate(time.Second), time.Second)
	}
	for _, f := range inOrder(waiting, func(f *follow) time.Time { return f.pollAt }) {
		if x.polls.count >= pollsAtOnce {
			return next // the end of a poll begins the next
		}
		if at := later(f.pollAt, x.polls.next.notBefore); now.Before(at) {
			next = sooner(next, at)
			continue
		}
		x.poll(f, wait)
	}
	return next
}

// poll reads what a topic has after its cursor, and waits if there is nothing.
func (x *exchange) poll(f *follow, wait time.Duration) {
	f.polling = true
	x.polls.count++
	began, ask := time.Now(), f.request()
	x.task(func() func() {
		brought, err := x.changes(x.life, ask, wait, nil)
		return func() {
			f.polling = false
			x.polls.count--
			if x.follows[f.topic] == f {
				x.polled(f, brought, err, wait > 0, wait > 0 && time.Since(began) >= wait/2)
			}
		}
	})
}

// polled takes the result of a poll, and decides when the next is due. holds says whether the poll
// asked to be held, and held whether the service did hold it.
func (x *exchange) polled(f *follow, brought news, err error, holds, held bool) {
	now := time.Now()
	switch {
	case err == nil && brought.reset != "", lapses(err):
		x.lapse(f)
	case err == nil:
		x.pollAnswered()
		if holds {
			x.polls.hold = attempt{}
		}
		before := f.cursor
		x.bring(f, brought.changes)
		x.nextPoll(f, now, held, f.cursor != before)
	case tooManyHolds(err):
		x.failed(err)
		x.polls.hold.retry(now, x.pausing(err))
		f.pollAt = now // does not wait
	default:
		x.pollFailed(err)
	}
}

// pollAnswered notes that a request of the polls was answered.
func (x *exchange) pollAnswered() {
	x.answered()
	x.polls.next = attempt{}
}

// pollFailed notes that a request of the polls failed: no other one is made until a pause is over.
func (x *exchange) pollFailed(err error) {
	x.failed(err)
	x.polls.next.retry(time.Now(), x.pausing(err))
}

// nextPoll decides when a topic is polled again. It is polled at once if the service holds the
// poll, and a little later if changes come one after the other. The pause grows each time if
// answers come at once and empty.
func (x *exchange) nextPoll(f *follow, now time.Time, held, moved bool) {
	pause := min(lookPause<<min(f.vain, 8), longestLookPause)
	switch {
	case held || moved:
		f.vain, f.pollAt = 0, now
		if moved && x.streaming(now) {
			f.pollAt = now.Add(lookPause)
		} else if moved {
			f.pollAt = now.Add(gatherTime)
		}
	default:
		f.vain++
		f.pollAt = now.Add(pause/2 + rand.N(pause))
	}
}

func tooManyHolds(err error) bool {
	refused := (*refusal)(nil)
	return errors.As(err, &refused) && refused.code != nil && refused.code.Code == events.CodeTooManyHolds
}
