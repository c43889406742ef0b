package fault

import "time"

// longestLife is how long Kill lets an invocation run, at most.
const longestLife = 20 * time.Millisecond

// Started is Lambda's Started: Kill.
func (f *Faults) Started(kill func() bool) { f.killWithin(Kill, longestLife, kill) }

// killWithin may end a process after a while, at most after longest.
func (f *Faults) killWithin(kind Kind, longest time.Duration, kill func() bool) {
	if !f.Hit(kind) {
		return
	}
	time.AfterFunc(f.Duration(kind, 0, longest), func() {
		if !kill() {
			f.Miss(kind)
		}
	})
}
