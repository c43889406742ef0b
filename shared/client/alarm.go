package client

import "time"

// alarm is the timer of a loop that waits for one time after the other.
type alarm struct{ *time.Timer }

func newAlarm() alarm { return alarm{time.NewTimer(time.Hour)} }

// passed stands for each time that has come.
var passed = func() <-chan time.Time {
	c := make(chan time.Time)
	close(c)
	return c
}()

// at gives what can be received at a time. The timer itself is never set to a time that has come:
// it would run in the goroutine that receives, and two goroutines of one synctest bubble that do so
// crash the race detector of Go 1.26. See https://go.dev/issue/78156.
func (a alarm) at(due time.Time) <-chan time.Time {
	wait := time.Until(due)
	if wait <= 0 {
		return passed
	}
	a.Reset(wait)
	return a.C
}
