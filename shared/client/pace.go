package client

import "time"

// longestPause bounds how long the service may make a client wait.
const longestPause = 5 * time.Minute

// unpaced is how many requests a second are as good as no bound.
const unpaced = 100

// pace slows a client down after the service has asked for a request later. It holds for
// all requests, else each of a hundred watches would ask again after a pause of its own.
// First the client pauses, for longer after each refusal in a row. Then it sends one request
// a second, and one a second more for each that is answered.
type pace struct {
	open     time.Time // when the next request may be sent
	rate     int       // requests a second; 0 if they are not bounded
	refusals int       // in a row
	slowed   time.Time // when the last pause began
	sent     time.Time // when the last request was sent
}

func (p *pace) allows(now time.Time) bool { return !now.Before(p.open) }

// spend notes that a request is sent.
func (p *pace) spend(now time.Time) {
	p.sent = now
	if p.rate > 0 {
		p.open = now.Add(time.Second / time.Duration(p.rate))
	}
}

// slow pauses because a request was refused. sent is when that request was sent. If several
// requests were under way together, only the first refusal counts.
func (p *pace) slow(sent, now time.Time, backoff func(attempt int) time.Duration) {
	if p.rate > 0 && !sent.After(p.slowed) {
		return
	}
	p.rate, p.slowed, p.open = 1, now, now.Add(backoff(p.refusals))
	p.refusals++
}

// ease speeds up because a request was answered. sent is when that request was sent. Answers
// to requests from before the pause do not count.
func (p *pace) ease(sent time.Time) {
	if p.rate == 0 || !sent.After(p.slowed) {
		return
	}
	p.refusals = 0
	if p.rate++; p.rate >= unpaced {
		*p = pace{}
	}
}

// wait sends nothing before a time that the service has named.
func (p *pace) wait(until time.Time) {
	if p.rate > 0 && until.After(p.open) {
		p.open = until
	}
}
