// Package fault is the only place that knows how the local stack is broken on
// purpose: which [Kind] of fault there are, and when each happens.
//
// A [Plan] gives each kind a rate, and [Faults] decides by it, occasion by occasion.
// The emulated services know nothing of it: they have hooks in their options, which
// are methods here and which package stack puts in their place.
//
// What is repeatable are the decisions. Each kind draws from a sequence of its own,
// made of the seed and the kind: the n-th decision of a kind is the same for the same
// seed and rate, whatever becomes of the other kinds. A higher rate hits all that a
// lower one hits, and more. How long or how much, where a fault has a measure, comes
// from a second sequence of the kind. What is not repeatable is which occasion is the
// n-th: processes, sockets and the clock interleave as they like.
package fault

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Faults decides what is broken when. Safe for concurrent use; nil breaks nothing.
type Faults struct {
	seed  uint64
	only  atomic.Pointer[[]Kind] // what still happens; nil for all
	kinds map[Kind]*sequence     // all there are
	some  atomic.Int32           // how many kinds have a rate above 0

	outage atomic.Pointer[outage] // nil if DynamoDB is up
	cuts   cuts
	late   late
	stale  stale
	seen   seen
}

// sequence is what one kind draws from.
type sequence struct {
	bits atomic.Uint64 // of its rate

	mu        sync.Mutex
	decisions *rand.Rand
	measures  *rand.Rand
	count     int64
}

func (s *sequence) rate() float64 { return math.Float64frombits(s.bits.Load()) }

// New decides by the plan, repeatably by the seed.
func New(p Plan, seed uint64) *Faults {
	f := &Faults{seed: seed, kinds: map[Kind]*sequence{}}
	for _, k := range kinds {
		f.kinds[k.kind] = &sequence{decisions: source(seed, k.kind, "decisions"), measures: source(seed, k.kind, "measures")}
	}
	f.Set(p)
	return f
}

// Set changes the rates of the kinds in the plan while the stack runs. Each kind goes on in its sequence
// of decisions, and one with the rate 0 makes none. What was hit before may still go on for a while, see
// [Faults.Off].
func (f *Faults) Set(p Plan) {
	for kind, rate := range p {
		s := f.kinds[kind]
		was := math.Float64frombits(s.bits.Swap(math.Float64bits(rate)))
		switch {
		case was == 0 && rate > 0:
			f.some.Add(1)
		case was > 0 && rate == 0:
			f.some.Add(-1)
		}
	}
}

// Rates gives the present rates of the kinds that may happen.
func (f *Faults) Rates() Plan {
	p := Plan{}
	if f == nil {
		return p
	}
	for kind, s := range f.kinds {
		if rate := s.rate(); rate > 0 {
			p[kind] = rate
		}
	}
	return p
}

// Calm reports whether nothing is broken at present, so that requests can take the short way.
func (f *Faults) Calm() bool { return f == nil || f.some.Load() == 0 && f.outage.Load() == nil }

func source(seed uint64, kind Kind, of string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(string(kind) + " " + of)) // a hash cannot fail
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// Hit decides whether the fault happens on this occasion, and counts it if so. Ask only
// if it can happen, or tell [Faults.Miss] if it turns out that it could not.
func (f *Faults) Hit(kind Kind) bool {
	s := f.sequence(kind)
	if s == nil || !f.on(kind) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.decisions.Float64() >= s.rate() {
		return false
	}
	s.count++
	return true
}

// on tells whether a kind still happens.
func (f *Faults) on(kind Kind) bool {
	only := f.only.Load()
	return only == nil || slices.Contains(*only, kind)
}

// Miss takes back the count of a hit that came to nothing.
func (f *Faults) Miss(kind Kind) {
	if f == nil {
		return
	}
	s := f.kinds[kind] // which may have been switched off since the hit
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count = max(0, s.count-1) // it may have been reset
}

// Duration draws how long a fault lasts, evenly from least up to most. A kind that
// never happens lasts for the least.
func (f *Faults) Duration(kind Kind, least, most time.Duration) time.Duration {
	return least + time.Duration(f.IntN(kind, int(most-least)+1))
}

// IntN draws a number below n, which must be above 0. For a kind that never happens it
// is 0.
func (f *Faults) IntN(kind Kind, n int) int {
	s := f.sequence(kind)
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.measures.IntN(n)
}

// Off ends it: from now on nothing is hit, and DynamoDB refuses nothing. What has been hit
// already may go on otherwise, the longest for the 20 s that a write may be late.
func (f *Faults) Off() { f.Only() }

// Only does the same for all other kinds.
func (f *Faults) Only(kinds ...Kind) {
	if f != nil {
		f.only.Store(&kinds)
	}
}

// Counts tells how often each kind has happened since New or ResetCounts. Kinds that neither may happen
// nor have are left out.
func (f *Faults) Counts() map[Kind]int64 {
	if f == nil {
		return nil
	}
	counts := map[Kind]int64{}
	for kind, s := range f.kinds {
		s.mu.Lock()
		if s.count > 0 || s.rate() > 0 {
			counts[kind] = s.count
		}
		s.mu.Unlock()
	}
	return counts
}

// ResetCounts starts counting anew; the decisions go on where they are.
func (f *Faults) ResetCounts() {
	if f == nil {
		return
	}
	for _, s := range f.kinds {
		s.mu.Lock()
		s.count = 0
		s.mu.Unlock()
	}
	f.seen.reset()
}

// String is the flags of the local stack that repeat the decisions, at the present rates.
func (f *Faults) String() string {
	if f == nil {
		return ""
	}
	return "--faults " + f.Rates().String() + " --seed " + strconv.FormatUint(f.seed, 10)
}

// sequence is nil for a kind that does not happen at present.
func (f *Faults) sequence(kind Kind) *sequence {
	if f == nil || f.kinds[kind].bits.Load() == 0 {
		return nil
	}
	return f.kinds[kind]
}
