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
	processes  map[*process]struct{} // all that have not exited
	idle       []*process            // the last one was used last
	queue      []*invocation         // the first one waits longest
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
	p.queue = append(p.queue, inv)
	p.dispatchLocked()
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
	if p.countLocked(starting, idle, running, finishing) < p.service.options.MaxProcesses {
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
	for len(p.idle) > 0 {
		p.endLocked(p.idle[0])
	}
	p.dispatchLocked()
}

// close refuses further work and gives the processes that are to be ended.
func (p *pool) close() []*process {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, inv := range p.queue {
		inv.end(outcome{err: ErrClosed})
	}
	p.queue = nil
	var all []*process
	for proc := range p.processes {
		if inv := proc.current; inv != nil && proc.state == running && !inv.abandoned {
			inv.end(outcome{err: ErrClosed})
		}
		proc.current = nil
		p.enterLocked(proc, ended)
		all = append(all, proc)
	}
	p.idle = nil
	return all
}

// dispatchLocked hands waiting invocations to idle processes and starts as many
// new ones as are missing.
func (p *pool) dispatchLocked() {
	for len(p.queue) > 0 && len(p.idle) > 0 {
		proc := p.idle[len(p.idle)-1]
		if !proc.link.alive() { // killed, and its exit not seen yet
			p.endLocked(proc)
			continue
		}
		p.idle = p.idle[:len(p.idle)-1]
		p.assignLocked(proc)
	}
	for !p.closed && len(p.queue) > p.countLocked(starting, finishing) &&
		p.countLocked(starting, idle, running, finishing) < p.service.options.MaxProcesses {
		p.startLocked()
	}
}

// countLocked counts the processes of the current code that are in one of the
// states.
func (p *pool) countLocked(states ...state) int {
	n := 0
	for proc := range p.processes {
		if proc.generation == p.generation && slices.Contains(states, proc.state) {
			n++
		}
	}
	return n
}

// activeLocked counts the invocations that wait or run, on old code too.
func (p *pool) activeLocked() int {
	n := len(p.queue)
	for proc := range p.processes {
		if proc.state == running {
			n++
		}
	}
	return n
}

func (p *pool) startLocked() {
	proc := &process{
		pool: p, generation: p.generation, function: p.function, accessKey: p.service.newAccessKey(), began: time.Now(),
		work: make(chan *invocation, 1), stop: make(chan struct{}), exited: make(chan struct{}),
	}
	p.processes[proc] = struct{}{}
	p.usage.ColdStarts++
	p.enterLocked(proc, starting)
	p.limitLocked(proc, initLimit)
	go proc.run()
}

// assignLocked gives the oldest waiting invocation to a process.
func (p *pool) assignLocked(proc *process) {
	inv := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	inv.began = time.Now()
	p.enterLocked(proc, running)
	p.limitLocked(proc, proc.function.Timeout)
	proc.current = inv
	proc.work <- inv
}

// requeueLocked puts an invocation that its process never fetched before all
// others, unless nobody waits for it.
func (p *pool) requeueLocked(proc *process) {
	if !proc.current.abandoned {
		p.queue = slices.Insert(p.queue, 0, proc.current)
	}
	proc.current = nil
}

// completeLocked ends what a process runs, unless that was abandoned.
func (p *pool) completeLocked(proc *process, out outcome) {
	if proc.current.abandoned {
		return
	}
	p.usage.count(time.Since(proc.current.began), out)
	proc.current.end(out)
}
