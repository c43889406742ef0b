package fault

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// all is the part of a plan that stands for every kind.
const all = "all"

// Plan gives kinds their rates, probabilities per occasion from 0 to 1. A kind that
// is not in it never happens.
type Plan map[Kind]float64

// All is every kind at its default rate, which is:
//
//	kill 0.01, abandon 0.01, duplicate 0.05, delay 0.05, bisect 0.05, partial 0.05, reslice 0.1,
//	reappear 0.05, redeliver 0.05,
//	post-429 0.05, post-500 0.02, post-410 0.001, post-timeout 0.0005,
//	lose-frame 0.001, drop-socket 0.0005, no-disconnect 0.2, overtake 0.05,
//	split-shard 0.1, forget 0.1, pause-dynamodb 0.05, slow-dynamodb 0.01, cut-off 0.0005, late-write 0.01, stale-read 0.1,
//	http-429 0.02, http-500 0.01, http-502 0.01, http-504 0.01, tear-stream 0.005, idle-cut 0.005, kill-hold 0.05
func All() Plan {
	p := Plan{}
	for _, k := range kinds {
		p[k.kind] = k.rate
	}
	return p
}

// Parse reads a plan such as "kill=0.01,post-429=0.05". A kind without a rate has its
// default, "all" stands for every kind at its default, and later parts win: "all,kill=0"
// is all but one. Text that is empty gives a plan that is empty. The error of an unknown
// kind lists those there are.
func Parse(text string) (Plan, error) {
	p := Plan{}
	if strings.TrimSpace(text) == "" {
		return p, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		more, err := parsePart(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		maps.Copy(p, more)
	}
	return p, nil
}

// Check refuses a plan with a kind that does not exist, or a rate that is no probability.
func (p Plan) Check() error {
	usual := All()
	for kind, rate := range p {
		if _, known := usual[kind]; !known {
			return fmt.Errorf("unknown fault %.40q: the faults are %s", string(kind), names())
		}
		if !(rate >= 0 && rate <= 1) { // which NaN is not
			return fmt.Errorf("rate %v of fault %s is no probability from 0 to 1", rate, kind)
		}
	}
	return nil
}

// parsePart reads what stands between two commas.
func parsePart(part string) (Plan, error) {
	if part == all {
		return All(), nil
	}
	name, text, given := strings.Cut(part, "=")
	kind := Kind(strings.TrimSpace(name))
	rate, known := All()[kind]
	if !known {
		return nil, fmt.Errorf("unknown fault %q: the faults are %s; %s stands for each at its default rate", name, names(), all)
	}
	if !given {
		return Plan{kind: rate}, nil
	}
	rate, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(rate >= 0 && rate <= 1) { // which NaN is not
		return nil, fmt.Errorf("rate %q of fault %s is no probability from 0 to 1: the faults are %s", text, kind, names())
	}
	return Plan{kind: rate}, nil
}

func names() string {
	var list []string
	for _, k := range kinds {
		list = append(list, string(k.kind))
	}
	return strings.Join(list, ", ")
}

// String is the plan as Parse reads it, without the kinds that never happen.
func (p Plan) String() string {
	var parts []string
	for _, k := range kinds {
		if rate := p[k.kind]; rate > 0 {
			parts = append(parts, string(k.kind)+"="+strconv.FormatFloat(rate, 'g', -1, 64))
		}
	}
	return strings.Join(parts, ",")
}
