package lambda

import (
	"fmt"
	"slices"
	"time"
)

// state is where a lane is in its life; the package comment draws it.
type state int

const (
	starting  state = iota // has not asked for work yet
	idle                   // waits for work
	running                // has work
	finishing              // has answered and not asked again
	ended                  // its process is gone, or told to go
)

// lane is what a process serves one invocation at a time with. A process has one, or as many
// as the function may have invocations in one process. Its requests for work are alike: which
// lane asks is not known, and does not matter.
type lane struct {
	proc *process
	work chan *invocation // holds what the waiting request for work is to deliver

	// Guarded by the pool's mutex.
	state   state
	entered int         // how many states were entered
	timer   *time.Timer // bounds the current state
	current *invocation // what it runs, until it asks again
	link    *link       // what it asked for work over; nil once it is known to have it
}

// works tells whether a state has an invocation.
func (s state) works() bool { return s == running || s == finishing }

// enterLocked moves a lane to a state and drops the limit of the former one.
func (p *pool) enterLocked(l *lane, s state) {
	if l.state.works() {
		l.proc.busy--
	}
	if s.works() {
		l.proc.busy++
	}
	if l.state == running {
		p.runs--
	}
	if s == running {
		p.runs++
	}
	l.state = s
	l.entered++
	if l.timer != nil {
		l.timer.Stop()
	}
}

// limitLocked bounds the time in the current state. The timer may fire while the
// lane moves on, so it carries the count that it was set at.
func (p *pool) limitLocked(l *lane, d time.Duration) {
	entered := l.entered
	l.timer = time.AfterFunc(d, func() { p.expire(l, entered) })
}

// endLocked kills a process; what it runs or leaves is tidied up when it has exited.
func (p *pool) endLocked(proc *process) {
	proc.ended = true
	for _, l := range proc.lanes {
		if l.state != running {
			p.enterLocked(l, ended)
		}
	}
	p.idle = slices.DeleteFunc(p.idle, func(l *lane) bool { return l.proc == proc })
	proc.kill()
}

// retireLocked ends a process that is to get no more work, unless it has some.
func (p *pool) retireLocked(proc *process) {
	if proc.busy == 0 {
		p.endLocked(proc)
	}
}

// ready takes a process's wish for work, and gives the lane to wait on. It is nil if the
// process may not ask now: each of its lanes has work that it has not answered, or waits
// already.
func (p *pool) ready(proc *process, via *link) *lane {
	p.mu.Lock()
	defer p.mu.Unlock()
	if proc.ended { // is being killed; let it wait for that
		return &lane{proc: proc, state: ended}
	}
	l := proc.asking()
	if l == nil {
		return nil
	}
	if !proc.started {
		proc.started = true
		p.usage.initialized(time.Since(proc.began))
	}
	for _, other := range proc.lanes {
		if other.link == via { // who asks again over a connection has read what came
			other.link = nil
		}
	}
	via.sent.Store(false)
	l.current, l.link, proc.used = nil, via, time.Now()
	p.freedAt = proc.used
	p.enterLocked(l, idle)
	if p.closed || proc.generation != p.generation {
		p.retireLocked(proc)
		return l
	}
	p.limitLocked(l, p.service.options.IdleProcess)
	p.idle = append(p.idle, l)
	p.dispatchLocked()
	return l
}

// asking is the lane whose turn it is to ask for work: one that has answered, or else one that
// has never asked. A process that asks with fewer lanes than it has is left with the latter.
func (proc *process) asking() *lane {
	for _, s := range []state{finishing, starting} {
		for _, l := range proc.lanes {
			if l.state == s {
				return l
			}
		}
	}
	return nil
}

// lost ends a process whose request for work broke off; what was meant for it
// goes to another.
func (p *pool) lost(l *lane) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.proc.ended {
		return
	}
	if l.state == running {
		p.requeueLocked(l)
	}
	p.endLocked(l.proc)
	p.dispatchLocked()
}

// running is the lane that runs an invocation; nil if none does.
func (proc *process) running(inv *invocation) *lane {
	for _, l := range proc.lanes {
		if l.state == running && l.current == inv {
			return l
		}
	}
	return nil
}

// answer takes a process's answer to what it runs. It is false if the process
// was not to answer any more.
func (p *pool) answer(proc *process, inv *invocation, out outcome) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := proc.running(inv)
	if l == nil {
		return false
	}
	p.completeLocked(l, out)
	l.state = finishing // under the same time limit: the work ends with next
	p.runs--
	return true
}

// abandonLocked gives the caller of what a lane runs the answer of one that timed out.
func (p *pool) abandonLocked(l *lane) {
	p.timeOutLocked(l)
	l.current.abandoned = true
}

// timeOutLocked completes what a lane runs as one that timed out.
func (p *pool) timeOutLocked(l *lane) {
	text := timedOut(p.service.options.Now(), l.current.id, l.proc.function.Timeout)
	p.service.log.line(l.proc.function.Name, text)
	if !l.current.abandoned {
		p.usage.Timeouts++
	}
	p.completeLocked(l, outcome{payload: failure("Sandbox.Timedout", text), failed: true})
}

// expire ends a process that has used up the time of a lane's state.
func (p *pool) expire(l *lane, entered int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.entered != entered {
		return
	}
	proc := l.proc
	switch l.state {
	case starting: // exit decides who pays for it
		if !proc.started {
			proc.failed = failure("Sandbox.Timedout", timedOut(p.service.options.Now(), "", initLimit))
			proc.kill()
		}
		return
	case idle:
		if left := p.service.options.IdleProcess - time.Since(proc.used); proc.busy > 0 || left > 0 {
			p.limitLocked(l, max(left, time.Second))
			return
		}
	case running:
		p.timeOutLocked(l)
		p.enterLocked(l, ended)
	}
	p.endLocked(proc)
	p.dispatchLocked()
}

func timedOut(now time.Time, id string, limit time.Duration) string {
	if id != "" {
		id += " "
	}
	return fmt.Sprintf("%s %sTask timed out after %.2f seconds", now.UTC().Format("2006-01-02T15:04:05.000Z"), id, limit.Seconds())
}

// exit tidies up after a process that is gone.
func (p *pool) exit(proc *process, e exit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.processes, proc)
	told := proc.ended
	p.endLocked(proc)
	if !proc.started && !told {
		p.initFailedLocked(proc, e)
	}
	for _, l := range proc.lanes {
		switch {
		case l.state != running:
			continue
		case slices.Contains(e.unfetched, l):
			p.requeueLocked(l)
		default:
			p.service.log.line(proc.function.Name, e.message(l.current.id))
			p.completeLocked(l, outcome{payload: e.failure(l.current.id), failed: true})
		}
		p.enterLocked(l, ended)
	}
	p.dispatchLocked()
}

// initFailedLocked charges the invocation that waits longest with a process that
// died while starting. Lambda starts a second one for it, and gives up then.
func (p *pool) initFailedLocked(proc *process, e exit) {
	if len(p.queue) == 0 || proc.generation != p.generation {
		return
	}
	inv := p.queue[0]
	inv.initFailures++
	if inv.initFailures < 2 {
		return
	}
	p.queue = p.queue[1:]
	body := proc.failed
	if body == nil {
		body = e.failure(inv.id)
	}
	out := outcome{payload: body, failed: true}
	p.usage.count(0, out)
	inv.end(out)
}
