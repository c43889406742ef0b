package main

import (
	"fmt"
	"strings"

	"github.com/watchroute/watchroute/localstack/fault"
)

// proves is an error if an overlap never happened that the faults were to bring about.
func proves(overlaps map[fault.Overlap]int64) error {
	for overlap, n := range overlaps {
		if n == 0 {
			return fmt.Errorf("there was never %s, so this proves too little", overlap)
		}
	}
	return nil
}

// provesHTTP is an error if wanderers never met a fault of HTTP that was to be, or never took one
// of the ways there are.
func (r *run) provesHTTP() error {
	if missing := r.unmet(); len(missing) > 0 {
		return fmt.Errorf("there was never %s, so this proves too little", strings.Join(missing, ", "))
	}
	return nil
}

// unmet names the faults of HTTP and the ways that there have not been yet, if anybody wanders.
func (r *run) unmet() (missing []string) {
	if !r.wander {
		return nil
	}
	counts, journey := r.faults.Counts(), journey{}
	for _, kind := range fault.HTTP() {
		if n, on := counts[kind]; on && n == 0 {
			missing = append(missing, string(kind))
		}
	}
	for _, w := range r.watchers {
		w.mu.Lock()
		journey.add(w.journey)
		w.mu.Unlock()
	}
	for _, way := range ways {
		if journey.counts["ways"][way.name] == 0 {
			missing = append(missing, "the way "+way.name)
		}
	}
	return missing
}
