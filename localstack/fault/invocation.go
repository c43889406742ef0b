package fault

import "time"

// How long an invocation runs, at most, before it is killed or abandoned.
const longestLife = 20 * time.Millisecond

// Invocation is one that a process has got. Kill and Abandon are false if it has ended.
type Invocation interface {
	Payload() []byte
	Kill() bool    // ends the process
	Abandon() bool // tells who waits that it timed out; the process goes on
	Runs() bool    // the process works on it
}

// Started is the Started of Lambda: Kill, Abandon and KillHold.
func (f *Faults) Started(i Invocation) {
	if f.Calm() {
		return
	}
	f.seen.started(i)
	f.within(Kill, longestLife, i.Kill)
	f.within(Abandon, longestLife, i.Abandon)
	if overHTTP(i.Payload()) {
		f.within(KillHold, longestHold, i.Kill)
	}
}

// within may let a fault happen after a while, at most after longest, unless it turns out that
// it could not.
func (f *Faults) within(kind Kind, longest time.Duration, act func() bool) {
	if !f.Hit(kind) {
		return
	}
	time.AfterFunc(f.Duration(kind, 0, longest), func() {
		if !act() {
			f.Miss(kind)
		}
	})
}
