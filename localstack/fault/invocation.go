package fault

import "time"

// longestLife is how long Kill lets an invocation run, at most.
const longestLife = 20 * time.Millisecond

// Started is Lambda's Started: Kill.
func (f *Faults) Started(kill func() bool) {
	if !f.Hit(Kill) {
		return
	}
	time.AfterFunc(f.Duration(Kill, 0, longestLife), func() {
		if !kill() {
			f.Miss(Kill)
		}
	})
}
