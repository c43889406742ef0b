package lambda

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
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
	entered := l.entered
	if err := p.submit(newInvocation()); err != nil {
		t.Fatal(err)
	}
	p.expire(l, entered) // the idle limit fires while the process gets its work
	if l.state != running {
		t.Errorf("state is %d", l.state)
	}
}

// sharedProcess is a process of a pool of its own, with two lanes, that has not asked for work.
func sharedProcess() (*pool, *process) {
	s := &Service{options: Options{MaxProcesses: 1, IdleProcess: MaxTimeout}, log: &log{}}
	p := &pool{service: s, function: Function{Timeout: MaxTimeout, PerProcess: 2}, processes: map[*process]struct{}{}}
	proc := newProcess(p)
	p.processes[proc] = struct{}{}
	return p, proc
}

// A connection that a process asks again over has brought it what was sent before: a reset of
// it later says nothing of that.
func TestWhatCameOverAConnectionThatIsUsedAgainWasFetched(t *testing.T) {
	p, proc := sharedProcess()
	via := &link{ended: make(chan struct{})}
	first := p.ready(proc, via)
	for range 2 {
		if err := p.submit(newInvocation()); err != nil {
			t.Fatal(err)
		}
	}
	second := p.ready(proc, via)
	if first == second || first.state != running || second.state != running {
		t.Fatalf("the lanes are in states %d and %d, want both to run", first.state, second.state)
	}
	via.reset = true
	close(via.ended)
	if unread := proc.unfetched(); !slices.Equal(unread, []*lane{second}) {
		t.Errorf("%d lanes are said not to have fetched their work, want the second alone", len(unread))
	}
}

// A process that asks with one loop, though it may with two, has one invocation at a time.
func TestAProcessMayAskWithFewerLanesThanItHas(t *testing.T) {
	p, proc := sharedProcess()
	via := &link{ended: make(chan struct{})}
	first := p.ready(proc, via)
	for range 3 {
		inv := newInvocation()
		if err := p.submit(inv); err != nil {
			t.Fatal(err)
		}
		<-first.work
		if !p.answer(proc, inv, outcome{}) {
			t.Fatal("the answer is not taken")
		}
		if again := p.ready(proc, via); again != first || first.state != idle || proc.busy != 0 {
			t.Fatalf("another lane asks, and the first is in state %d", first.state)
		}
	}
}

// An invocation waits for a busy process as long as one becomes free now and then, but not for
// ever, and not at all where waiting saves nothing.
func TestReuseWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := idlePool(1)
		defer func() { p.close() }()
		p.service.options.ReuseWait = time.Second
		for range 2 { // one runs, one waits
			if err := p.submit(newInvocation()); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(want time.Duration, when string) {
			t.Helper()
			if got := p.reuseWaitLocked(); got != want {
				t.Errorf("%s it waits %v more, want %v", when, got, want)
			}
		}
		expect(time.Second, "at first")
		time.Sleep(900 * time.Millisecond)
		expect(100*time.Millisecond, "while the process is stuck")
		p.freedAt = time.Now()
		expect(time.Second, "when a process has become free")
		time.Sleep(3900 * time.Millisecond)
		p.freedAt = time.Now()
		expect(200*time.Millisecond, "when processes become free, but too few")
		p.startedAt = time.Now()
		expect(time.Second, "when another has been started")
		other := newProcess(p)
		p.processes[other] = struct{}{}
		other.started = true
		expect(2*time.Second, "of two processes")
		delete(p.processes, other)
		p.fed = true
		expect(0, "of a stream")
		p.fed, p.function.PerProcess = false, 2
		expect(0, "of a function whose processes are shared")
		p.function.PerProcess = 1
		for proc := range p.processes {
			p.endLocked(proc)
		}
		expect(0, "without any process")
	})
}
