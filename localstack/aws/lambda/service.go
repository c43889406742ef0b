package lambda

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
)

// Options configure a service.
type Options struct {
	Region  string // default "us-east-1"
	Account string // default "000000000000"
	// MaxProcesses bounds the processes of one function; default 10. After
	// Update, those that still finish old code do not count.
	MaxProcesses int
	// IdleProcess is how long a process stays without work; default 5 min.
	IdleProcess time.Duration
	// ReuseWait, multiplied by the number of a function's processes, is how long an invocation
	// waits before another process starts for it. The wait counts from the last time a process
	// became free or was started, and is bounded by five times as long. 0 means no wait, as on AWS.
	// The wait saves the memory of processes that a burst would start for a moment. Functions that
	// a mapping feeds do not wait, nor do those with PerProcess above 1, whose invocations last.
	ReuseWait time.Duration
	// RequestNice is the nice value of the processes of functions that no stream feeds, so that
	// they yield to the others; 0 leaves it unchanged. On AWS no environment takes another's
	// processor. A flood of requests, or of messages in a queue, does not delay the changes of
	// streams there.
	RequestNice int
	// Log gets what functions write to stdout and stderr, each line with the
	// function's name before it; nil drops it.
	Log io.Writer
	// Environment is added to every function's; a function's own wins.
	Environment map[string]string
	// RetryBackoff is the pause before a mapping's first retry; see mapping.Options.
	RetryBackoff time.Duration
	// EventRetry is the pause before the first retry of InvokeEvent; default one minute.
	EventRetry time.Duration
	// WrapDelivery, if not nil, stands around the deliveries of every mapping; see
	// mapping.Options.Wrap.
	WrapDelivery func(shardID string, next mapping.Delivery) mapping.Delivery
	// WrapQueue is the Wrap of mappings from queues; see mapping.QueueOptions.Wrap.
	WrapQueue func(context.Context, mapping.QueueDelivery) (mapping.Answer, error)
	// Started, if not nil, is told of each invocation that a process has got, and must
	// not wait.
	Started func(Running)
	Now     func() time.Time // for deadlines and log stream names; default time.Now
}

// Service runs functions. Safe for concurrent use.
type Service struct {
	options Options
	log     *log
	spawner *spawner
	keys    atomic.Int64 // that were given to processes

	life   context.Context // until Close
	end    context.CancelFunc
	events sync.WaitGroup // of InvokeEvent

	mu       sync.Mutex
	closed   bool
	pools    map[string]*pool // by function name
	mappings []poller
}

// New makes a service without functions.
func New(o Options) (*Service, error) {
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.Account = cmp.Or(o.Account, "000000000000")
	o.MaxProcesses = cmp.Or(o.MaxProcesses, 10)
	o.IdleProcess = cmp.Or(o.IdleProcess, 5*time.Minute)
	if o.MaxProcesses < 0 || o.IdleProcess < 0 || o.ReuseWait < 0 {
		return nil, fmt.Errorf("%w: MaxProcesses and IdleProcess must be above 0, ReuseWait at least 0", ErrInvalid)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.EventRetry = cmp.Or(o.EventRetry, time.Minute)
	s := &Service{options: o, log: &log{out: o.Log}, spawner: newSpawner(), pools: map[string]*pool{}}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Create adds a function; no process starts before it is invoked. The error is
// ErrInvalid if there is no executable, ErrConflict if the name is taken.
func (s *Service) Create(f Function) error {
	f, err := f.complete(s.options)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.pools[f.Name] != nil {
		return fmt.Errorf("%w: function %s exists", ErrConflict, f.Name)
	}
	s.pools[f.Name] = &pool{service: s, function: f, processes: map[*process]struct{}{}}
	return nil
}

// Update gives a function new code, even if the path is the old one: later
// invocations go to new processes, running ones finish, idle old ones end.
func (s *Service) Update(name, binary string) error {
	p, err := s.find(name)
	if err != nil {
		return err
	}
	if err := executable(binary); err != nil {
		return err
	}
	p.update(binary)
	return nil
}

// Processes gives the ids of the running processes of a function, by name or
// ARN, or of all functions if the name is empty.
func (s *Service) Processes(name string) []int {
	var pids []int
	for _, p := range s.all() {
		if name == "" || p.name() == functionName(name) {
			pids = append(pids, p.pids()...)
		}
	}
	slices.Sort(pids)
	return pids
}

// Close stops the mappings and ends every process, first with SIGTERM, then with
// SIGKILL. What runs or waits ends with ErrClosed. It returns within 500 ms.
func (s *Service) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	mappings := s.mappings
	s.mu.Unlock()
	s.end()
	for _, m := range mappings {
		m.Close()
	}
	var all []*process
	for _, p := range s.all() {
		all = append(all, p.close()...)
	}
	endAll(all)
	s.events.Wait()
	s.spawner.close()
}

// newAccessKey makes one of the form that temporary credentials have.
func (s *Service) newAccessKey() string {
	return fmt.Sprintf("ASIALOCALSTACK%06d", s.keys.Add(1))
}

// find gives a function's pool by any form of its name.
func (s *Service) find(name string) (*pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pools[functionName(name)]
	if p == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return p, nil
}

func (s *Service) all() []*pool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.pools))
}
