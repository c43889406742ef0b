package lambda

import (
	"fmt"
	"slices"
	"time"
)

// state is where a process is in its life; the package comment draws it.
type state int

const (
	starting  state = iota // has not asked for work yet
	idle                   // waits for work
	running                // has work
	finishing              // has answered and not asked again
	ended                  // is gone, or told to go
)

// enterLocked moves a process to a state and drops the limit of the former one.
func (p *pool) enterLocked(proc *process, s state) {
	proc.state = s
	proc.turn++
	if proc.timer != nil {
		proc.timer.Stop()
	}
}

// limitLocked bounds the time in the present state. The timer may fire while the
// process moves on, so it carries the turn that it was set for.
func (p *pool) limitLocked(proc *process, d time.Duration) {
	turn := proc.turn
	proc.timer = time.AfterFunc(d, func() { p.expire(proc, turn) })
}

// endLocked kills a process; what it leaves is tidied up when it has exited.
func (p *pool) endLocked(proc *process) {
	p.enterLocked(proc, ended)
	p.idle = slices.DeleteFunc(p.idle, func(other *process) bool { return other == proc })
	proc.kill()
}

// ready takes a process's wish for work. It is false if the process may not ask
// now: it has work that it has not answered, or waits already.
func (p *pool) ready(proc *process, l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch proc.state {
	case starting:
		p.usage.initialized(time.Since(proc.began))
	case finishing:
		proc.current = nil
	case idle, running:
		return false
	case ended: // is being killed; let it wait for that
		return true
	}
	l.sent.Store(false)
	proc.link = l
	switch {
	case p.closed || proc.generation != p.generation:
		p.endLocked(proc)
	case len(p.queue) > 0:
		p.assignLocked(proc)
	default:
		p.enterLocked(proc, idle)
		p.limitLocked(proc, p.service.options.IdleProcess)
		p.idle = append(p.idle, proc)
	}
	return true
}

// lost ends a process whose request for work broke off; what was meant for it
// goes to another.
func (p *pool) lost(proc *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if proc.state == ended {
		return
	}
	if proc.state == running {
		p.requeueLocked(proc)
	}
	p.endLocked(proc)
	p.dispatchLocked()
}

// answer takes a process's answer to what it runs. It is false if the process
// was not to answer any more.
func (p *pool) answer(proc *process, inv *invocation, out outcome) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if proc.state != running || proc.current != inv {
		return false
	}
	p.completeLocked(proc, out)
	proc.state = finishing // under the same time limit: the work ends with next
	return true
}

// abandonLocked gives the caller of what a process runs the answer of one that timed
// out.
func (p *pool) abandonLocked(proc *process) {
	p.timeOutLocked(proc)
	proc.current.abandoned = true
}

// timeOutLocked completes what a process runs as one that timed out.
func (p *pool) timeOutLocked(proc *process) {
	text := timedOut(p.service.options.Now(), proc.current.id, proc.function.Timeout)
	p.service.log.line(proc.function.Name, text)
	if !proc.current.abandoned {
		p.usage.Timeouts++
	}
	p.completeLocked(proc, outcome{payload: failure("Sandbox.Timedout", text), failed: true})
}

// expire ends a process that has used up the time of its state.
func (p *pool) expire(proc *process, turn int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if proc.turn != turn {
		return
	}
	switch proc.state {
	case starting: // exit decides who pays for it
		proc.failed = failure("Sandbox.Timedout", timedOut(p.service.options.Now(), "", initLimit))
		proc.kill()
		return
	case running:
		p.timeOutLocked(proc)
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
	was := proc.state
	p.endLocked(proc)
	switch was {
	case starting:
		p.initFailedLocked(proc, e)
	case running:
		if e.unfetched {
			p.requeueLocked(proc)
			break
		}
		p.service.log.line(proc.function.Name, e.message(proc.current.id))
		p.completeLocked(proc, outcome{payload: e.failure(proc.current.id), failed: true})
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
