package main

import (
	"fmt"
	"strings"

	"github.com/watchroute/watchroute/localstack/fault"
)

// proves gives an error if an overlap that the faults should cause never happened.
func proves(overlaps map[fault.Overlap]int64) error {
	for overlap, n := range overlaps {
		if n == 0 {
			return fmt.Errorf("%s never happened, so this run proves too little", overlap)
		}
	}
	return nil
}

// provesHTTP gives an error if wanderers never met one of the planned faults of HTTP, or never took
// one of the ways, or if receivers never gave one of their answers.
func (r *run) provesHTTP() error {
	if missing := r.unmet(); len(missing) > 0 {
		return fmt.Errorf("%s never happened, so this run proves too little", strings.Join(missing, ", "))
	}
	return nil
}

// unmet names the faults of HTTP and the ways that have not happened yet, if there are wanderers. If
// there are receivers, it names the answers and what else has not happened to them.
func (r *run) unmet() (missing []string) {
	if r.webhooks {
		return r.office.unmet()
	}
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
