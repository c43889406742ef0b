package lambda

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// pool holds the processes of one function and the invocations that wait for
// them. Methods ending in Locked need its mutex.
type pool struct {
	service *Service

	mu         sync.Mutex
	function   Function
	generation int // of the code; processes of an older one get no more work
	closed     bool
	fed        bool                  // by an event source mapping
	preferred  bool                  // because a stream feeds it
	processes  map[*process]struct{} // all that have not exited
	idle       []*lane               // the last one was used last
	queue      []*invocation         // the first one waits longest
	runs       int                   // lanes that are running
	startedAt  time.Time             // when the last process was started
	freedAt    time.Time             // when a process last asked for work
	again      *time.Timer           // dispatches again once an invocation has waited long enough
	usage      FunctionUsage
}

func (p *pool) name() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.function.Name
}

func (p *pool) pids() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var pids []int
	for proc := range p.processes {
		if proc.pid > 0 {
			pids = append(pids, proc.pid)
		}
	}
	return pids
}

// submit lets an invocation wait for a process, unless as many run and wait as may run.
func (p *pool) submit(inv *invocation) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if reserved := p.function.Reserved; reserved != nil && p.activeLocked() >= *reserved {
		p.usage.Throttles++
		return fmt.Errorf("%w: %d executions of %s are reserved, and all of them run", ErrThrottled, *reserved, p.function.Name)
	}
	inv.submitted = time.Now()
	p.queue = append(p.queue, inv)
	p.usage.Peak = max(p.usage.Peak, p.activeLocked())
	p.dispatchLocked()
	if len(p.queue) > p.comingLocked()+p.firstLocked() && p.aliveLocked() >= p.service.options.MaxProcesses {
		p.usage.Waits++
	}
	return nil
}

// withdraw takes back an invocation that no process has got; one that runs
// continues. It gives the reason why the caller has no answer.
func (p *pool) withdraw(inv *invocation, cause error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.queue, inv)
	if i < 0 {
		return cause
	}
	p.queue = slices.Delete(p.queue, i, i+1)
	if p.aliveLocked() < p.service.options.MaxProcesses {
		return cause
	}
	p.usage.Throttles++
	return fmt.Errorf("%w: %w", ErrThrottled, cause)
}

// update switches to new code.
func (p *pool) update(binary string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.function.Binary = binary
	p.generation++
	p.idle = nil
	for proc := range p.processes {
		if proc.started && !proc.ended {
			p.retireLocked(proc)
		}
	}
	p.dispatchLocked()
}

// close refuses further work and gives the processes that are to be ended.
func (p *pool) close() []*process {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.again != nil {
		p.again.Stop()
	}
	for _, inv := range p.queue {
		inv.end(outcome{err: ErrClosed})
	}
	p.queue = nil
	var all []*process
	for proc := range p.processes {
		proc.ended = true
		for _, l := range proc.lanes {
			if l.state == running && !l.current.abandoned {
				l.current.end(outcome{err: ErrClosed})
			}
			l.current = nil
			p.enterLocked(l, ended)
		}
		all = append(all, proc)
	}
	p.idle = nil
	return all
}

// dispatchLocked gives waiting invocations to idle processes, and starts as many new ones as are
// missing, as soon as allowed. Only if no more may start do processes get several invocations at
// once; on AWS each has an environment of its own.
func (p *pool) dispatchLocked() {
	p.handOutLocked(true, 0)
	for !p.closed && len(p.queue) > p.comingLocked() && p.aliveLocked() < p.service.options.MaxProcesses {
		if wait := p.reuseWaitLocked(); wait > 0 {
			p.dispatchInLocked(wait)
			break
		}
		p.startLocked()
	}
	if p.aliveLocked() >= p.service.options.MaxProcesses {
		p.handOutLocked(false, p.comingLocked())
	}
}

// reuseWaits bounds the wait for a busy process as a multiple of [Options].ReuseWait, in case too
// few processes become free all the time.
const reuseWaits = 5

// reuseWaitLocked gives how long the oldest waiting invocation still has to wait before a process
// starts for it, see [Options].ReuseWait.
func (p *pool) reuseWaitLocked() time.Duration {
	wait := p.service.options.ReuseWait * time.Duration(p.aliveLocked())
	if wait == 0 || p.fed || p.function.PerProcess > 1 {
		return 0
	}
	submitted := p.queue[p.comingLocked()].submitted
	stuck := latest(submitted, p.freedAt, p.startedAt).Add(wait)
	late := latest(submitted.Add(reuseWaits*wait), p.startedAt.Add(wait))
	return min(time.Until(stuck), time.Until(late))
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// dispatchInLocked dispatches again after a time, unless that is planned already.
func (p *pool) dispatchInLocked(wait time.Duration) {
	if p.again != nil {
		return
	}
	p.again = time.AfterFunc(wait, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.again = nil
		p.dispatchLocked()
	})
}

// handOutLocked gives waiting invocations to idle lanes, as long as there are both, and leaves
// some waiting. alone leaves the lanes of busy processes out.
func (p *pool) handOutLocked(alone bool, leave int) {
	for i := len(p.idle) - 1; i >= 0 && len(p.queue) > leave; i = min(i, len(p.idle)) - 1 {
		l := p.idle[i]
		switch {
		case !l.link.alive(): // killed, and its exit not seen yet
			p.endLocked(l.proc)
		case !alone || l.proc.busy == 0:
			p.idle = slices.Delete(p.idle, i, i+1)
			p.assignLocked(l)
		}
	}
}

// aliveLocked counts the processes of the current code.
func (p *pool) aliveLocked() int {
	n := 0
	for proc := range p.processes {
		if proc.generation == p.generation && !proc.ended {
			n++
		}
	}
	return n
}

// comingLocked counts the requests for work that are to be expected soon: of processes of the
// current code that start, and of lanes that have answered.
func (p *pool) comingLocked() int {
	n := 0
	for proc := range p.processes {
		if proc.generation != p.generation || proc.ended {
			continue
		}
		if !proc.started {
			n++
		}
		for _, l := range proc.lanes {
			if l.state == finishing {
				n++
			}
		}
	}
	return n
}

// firstLocked counts the lanes that have not asked for work yet, of processes that have begun to
// ask. A process asks with all its lanes when it starts, but one after the other.
func (p *pool) firstLocked() int {
	n := 0
	for proc := range p.processes {
		if !proc.started || proc.generation != p.generation || proc.ended {
			continue
		}
		for _, l := range proc.lanes {
			if l.state == starting {
				n++
			}
		}
	}
	return n
}

// activeLocked counts the invocations that wait or run, on old code too.
func (p *pool) activeLocked() int { return len(p.queue) + p.runs }

func (p *pool) startLocked() {
	proc := newProcess(p)
	p.processes[proc] = struct{}{}
	p.usage.ColdStarts++
	p.startedAt = proc.began
	p.limitLocked(proc.lanes[0], initLimit)
	go proc.run()
}

// assignLocked gives the oldest waiting invocation to a lane.
func (p *pool) assignLocked(l *lane) {
	inv := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	inv.began = time.Now()
	p.enterLocked(l, running)
	p.limitLocked(l, l.proc.function.Timeout)
	l.current = inv
	l.work <- inv
}

// requeueLocked puts an invocation that its process never fetched before all
// others, unless nobody waits for it.
func (p *pool) requeueLocked(l *lane) {
	if !l.current.abandoned {
		p.queue = slices.Insert(p.queue, 0, l.current)
	}
	l.current = nil
	p.enterLocked(l, ended)
}

// completeLocked ends what a lane runs, unless that was abandoned.
func (p *pool) completeLocked(l *lane, out outcome) {
	if l.current.abandoned {
		return
	}
	p.usage.count(time.Since(l.current.began), out)
	l.current.end(out)
}
