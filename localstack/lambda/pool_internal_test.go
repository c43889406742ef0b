package lambda

import (
	"slices"
	"testing"
)

// idlePool makes a pool of n processes that wait for work, the last one used
// last. They are no real processes.
func idlePool(n int) *pool {
	s := &Service{options: Options{MaxProcesses: n}, log: &log{}}
	p := &pool{service: s, function: Function{Timeout: MaxTimeout}, processes: map[*process]struct{}{}}
	for range n {
		proc := newProcess(p)
		proc.started = true
		p.processes[proc] = struct{}{}
		for _, l := range proc.lanes {
			l.state, l.link = idle, &link{ended: make(chan struct{})}
			p.idle = append(p.idle, l)
		}
	}
	return p
}

func newInvocation() *invocation { return &invocation{done: make(chan outcome, 1)} }

func TestMostRecentlyUsedProcessGoesFirst(t *testing.T) {
	p := idlePool(3)
	order := slices.Clone(p.idle)
	slices.Reverse(order)
	for i, l := range order {
		inv := newInvocation()
		if err := p.submit(inv); err != nil {
			t.Fatal(err)
		}
		if len(l.work) != 1 || l.current != inv {
			t.Errorf("invocation %d did not go to the process used last", i)
		}
	}
}

func TestProcessKnownToBeGoneGetsNoWork(t *testing.T) {
	p := idlePool(2)
	gone, other := p.idle[1], p.idle[0]
	close(gone.link.ended)
	if err := p.submit(newInvocation()); err != nil {
		t.Fatal(err)
	}
	if len(gone.work) != 0 || gone.state != ended || len(other.work) != 1 {
		t.Error("the invocation did not go to the process that is there")
	}
}

func TestUnfetchedInvocationGoesBeforeOthers(t *testing.T) {
	p := idlePool(1)
	l, first, second := p.idle[0], newInvocation(), newInvocation()
	for _, inv := range []*invocation{first, second} {
		if err := p.submit(inv); err != nil {
			t.Fatal(err)
		}
	}
	p.service.options.MaxProcesses = 0 // nothing starts in its place
	p.exit(l.proc, exit{unfetched: []*lane{l}})
	if !slices.Equal(p.queue, []*invocation{first, second}) {
		t.Errorf("%d invocations wait, the first is the one that was not fetched: %v", len(p.queue), p.queue[0] == first)
	}
}

func TestLateTimerIsIgnored(t *testing.T) {
	p := idlePool(1)
	l := p.idle[0]
	turn := l.turn
	if err := p.submit(newInvocation()); err != nil {
		t.Fatal(err)
	}
	p.expire(l, turn) // the idle limit fires while the process gets its work
	if l.state != running {
		t.Errorf("state is %d", l.state)
	}
}
