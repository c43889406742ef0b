package lambda

import "time"

// Usage is what the functions have used, by name.
type Usage struct {
	Functions map[string]FunctionUsage `json:"functions"`
}

// FunctionUsage counts what one function has used since the last reset. Times
// are in milliseconds.
type FunctionUsage struct {
	Invocations int `json:"invocations"` // that ended, well or not
	Errors      int `json:"errors"`      // of those: the function failed; timeouts included
	Timeouts    int `json:"timeouts"`
	Throttles   int `json:"throttles"` // never ran, as all processes were busy
	ColdStarts  int `json:"coldStarts"`
	// Waits counts invocations that found all processes busy when no more might start. On AWS there
	// is no such wait: an invocation runs or is throttled.
	Waits int `json:"waits"`
	// Peak is the largest number that waited or ran at once; on AWS, the executions of the
	// function.
	Peak int `json:"peak"`
	// InitMS is the time from the wish for a process to its first request for
	// work, DurationMS that from work to answer, each in all.
	InitMS     float64 `json:"initMs"`
	DurationMS float64 `json:"durationMs"`
	// BilledMS is both, each time rounded up to a whole millisecond.
	BilledMS int64 `json:"billedMs"`
	// MemoryMB is how much the function has.
	MemoryMB int `json:"memoryMb"`
}

// Usage gives what was used since New or ResetUsage.
func (s *Service) Usage() Usage {
	u := Usage{Functions: map[string]FunctionUsage{}}
	for _, p := range s.all() {
		p.mu.Lock()
		of := p.usage
		of.MemoryMB = p.function.MemoryMB
		u.Functions[p.function.Name] = of
		p.mu.Unlock()
	}
	return u
}

// ResetUsage starts counting anew.
func (s *Service) ResetUsage() {
	for _, p := range s.all() {
		p.mu.Lock()
		p.usage = FunctionUsage{Peak: p.activeLocked()}
		p.mu.Unlock()
	}
}

// count adds an invocation that took d.
func (u *FunctionUsage) count(d time.Duration, out outcome) {
	u.Invocations++
	if out.failed {
		u.Errors++
	}
	u.DurationMS += milliseconds(d)
	u.BilledMS += billed(d)
}

// initialized adds the start of a process, which is billed since August 2025.
func (u *FunctionUsage) initialized(d time.Duration) {
	u.InitMS += milliseconds(d)
	u.BilledMS += billed(d)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func billed(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
