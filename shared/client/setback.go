package client

import "time"

// setbacks counts how often a watch, or the watch of a pattern, had to begin again although it
// was subscribed, with no long time between. Each time the pause before that is longer, else a
// service that is in disorder would be asked again and again without one.
type setbacks struct {
	n    int
	last time.Time
}

// next is when to begin again: at once the first time.
func (s *setbacks) next(now time.Time, e *engine) time.Time {
	if now.Sub(s.last) > 2*e.o.MaxBackoff { // no pause is that long
		s.n = 0
	}
	at := now
	if s.n > 0 {
		at = now.Add(e.backoff(s.n))
	}
	s.n, s.last = s.n+1, now
	return at
}

// setBack has a watch begin again that is not subscribed any more, or must start over.
func (e *engine) setBack(w *watch, now time.Time) {
	w.attempt.notBefore = w.setbacks.next(now, e)
}

// lost has a watch subscribe again that is not subscribed any more.
func (e *engine) lost(w *watch, now time.Time) {
	w.joined = false
	if w.pattern == nil {
		e.setBack(w, now)
		return
	}
	e.lostPattern(w.pattern, now)
}

// lostPattern does the same for the watch of a pattern.
func (e *engine) lostPattern(f *patternWatch, now time.Time) {
	if f.joined {
		f.joined = false
		f.attempt.notBefore = f.setbacks.next(now, e)
	}
}
