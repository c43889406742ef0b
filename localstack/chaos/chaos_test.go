package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/shared/build"
	"github.com/watchroute/watchroute/shared/client"
)

// chaosSeed draws a run of each shape. Whoever wants more runs gives another.
var chaosSeed = flag.Uint64("seed", 7, "the seed of TestChaos")

// TestChaos is one small run of each shape, with every fault. They run side by side, because each
// waits most of the time.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a stack")
	}
	plan, err := fault.Parse(harsh + ",abandon=0.1,late-write=0.5")
	if err != nil {
		t.Fatal(err)
	}
	s := settings{root: "../..", build: t.TempDir(), plan: plan, watchers: 30, hostileMessages: 4, changes: 800, topics: 7, writers: 8, interval: 50 * time.Millisecond, patience: 2 * time.Minute}
	if err := build.Functions(t.Context(), s.root, s.build, build.Host(), nil); err != nil {
		t.Fatal(err)
	}
	t.Run("honest", func(t *testing.T) { s.keepsItsPromise(t, *chaosSeed) })
	crowd, wandering, hostile, webhooks := s, s, s, s
	crowd.crowd, wandering.wander, hostile.hostile, webhooks.webhooks = true, true, true, true
	t.Run("crowd", func(t *testing.T) { crowd.keepsItsPromise(t, *chaosSeed) })
	t.Run("hostile", func(t *testing.T) {
		did := hostile.keepsItsPromise(t, *chaosSeed+1).mischief
		if did.connections < 3 || did.answers["subscribed"] == 0 || did.answers["published"] == 0 {
			t.Errorf("hostile watchers did too little to prove anything: %s", did)
		}
	})
	t.Run("wandering", func(t *testing.T) {
		r := wandering.keepsItsPromise(t, *chaosSeed+2)
		for _, kind := range fault.HTTP() {
			if r.faults[kind] == 0 {
				t.Errorf("wanderers never met %s", kind)
			}
		}
		for _, way := range ways {
			if r.journey.counts["ways"][way.name] == 0 {
				t.Errorf("nobody went the way %s", way.name)
			}
		}
		t.Logf("wanderers %s", r.journey)
	})
	webhooks.watchers, webhooks.changes, webhooks.topics, webhooks.interval = int(manners), 240, 4, 200*time.Millisecond
	if webhooks.plan, err = fault.Parse(harsh + hookFaults); err != nil { // what waits for others would only wait
		t.Fatal(err)
	}
	t.Run("webhooks", func(t *testing.T) { webhooks.delivers(t, *chaosSeed+3) })
}

// delivers runs a seed with webhooks.
func (s settings) delivers(t *testing.T, seed uint64) {
	t.Parallel()
	r, err := chaos(t.Context(), s, seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, broken := range append(r.broken, r.kept.Leave()) {
		if broken != nil {
			t.Error(broken)
		}
	}
	t.Logf("%.1f s, %d changes, %s, overlaps %v, with faults %v", r.took.Seconds(), r.deliveries, r.post, r.overlaps, r.faults)
}

// keepsItsPromise runs a seed.
func (s settings) keepsItsPromise(t *testing.T, seed uint64) result {
	t.Parallel()
	r, err := chaos(t.Context(), s, seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, broken := range append(r.broken, r.kept.Leave()) {
		if broken != nil {
			t.Error(broken)
		}
	}
	if r.skipped == 0 {
		t.Error("no watch of the latest has skipped anything")
	}
	if r.deliveries < 4_000 || len(r.faults) < 10 {
		t.Error("too little was delivered or broken to prove anything")
	}
	t.Logf("%.1f s, %d deliveries, %s, with faults %v", r.took.Seconds(), r.deliveries, r.tally, r.faults)
	return r
}

// TestRunThatNobodyWatchesProvesNothing: nothing is written then, so nothing can be missed.
func TestRunThatNobodyWatchesProvesNothing(t *testing.T) {
	const nowhere = "ws://127.0.0.1:1/live"
	w := &watcher{url: nowhere, wallet: &wallet{random: rand.New(rand.NewPCG(1, 1))}, checkers: []*checker{newChecker("t")}}
	r := &run{settings: settings{patience: time.Millisecond}, ledger: newLedger([]events.Topic{"t"}), watchers: []*watcher{w}}
	if err := r.watched(t.Context(), func() error { return nil }, nil); !errors.Is(err, errPatience) {
		t.Errorf("run ends with %v", err)
	}
}

// TestRunWithoutAnOverlapProvesTooLittle: that the faults were on is not enough.
func TestRunWithoutAnOverlapProvesTooLittle(t *testing.T) {
	overlaps := map[fault.Overlap]int64{fault.SameItem: 2, fault.LateWriter: 0}
	if err := proves(overlaps); err == nil || !strings.Contains(err.Error(), string(fault.LateWriter)) {
		t.Errorf("without an old process that woke up the run ends with %v", err)
	}
	overlaps[fault.LateWriter] = 1
	if err := proves(overlaps); err != nil {
		t.Error(err)
	}
}

// TestRunWithoutAFaultOfHTTPOrAWayProvesTooLittle: with wanderers, each must have happened.
func TestRunWithoutAFaultOfHTTPOrAWayProvesTooLittle(t *testing.T) {
	w := &watcher{}
	r := &run{settings: settings{wander: true}, faults: fault.New(fault.Plan{fault.HTTP502: 1}, 7), watchers: []*watcher{w}}
	if err := r.provesHTTP(); err == nil || !strings.Contains(err.Error(), "http-502, the way GET after") {
		t.Errorf("a run without a 502 and without any way ends with %v", err)
	}
	r.faults.Failing()
	for _, way := range ways {
		if err := r.provesHTTP(); err == nil || !strings.Contains(err.Error(), way.name) || strings.Contains(err.Error(), "http-") {
			t.Errorf("a run without the way %s ends with %v", way.name, err)
		}
		w.journey.count("ways", way.name, 1)
	}
	if err := r.provesHTTP(); err != nil {
		t.Error(err)
	}
	if r.wander = false; r.provesHTTP() != nil {
		t.Error("a run in which nobody wanders is to meet faults of HTTP")
	}
}

// TestMakeRunsEachMutant: none is left out of `make mutants`.
func TestMakeRunsEachMutant(t *testing.T) {
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nMUTANTS ")
	line, _, _ := strings.Cut(rest, "\n")
	_, listed, _ := strings.Cut(line, "?= ")
	for _, m := range mutants {
		if !slices.Contains(strings.Fields(listed), m.name) {
			t.Errorf("make mutants runs %q, without %s", listed, m.name)
		}
	}
}

// TestEditsFit: the mutants and the soak name text that is still in the source.
func TestEditsFit(t *testing.T) {
	all := map[string][]edit{"soak": soakEdits, "haste": hasteEdits}
	for _, m := range mutants {
		all[m.name] = m.edits
	}
	for name, edits := range all {
		setting, err := overlay("../..", t.TempDir(), edits)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if list, err := os.ReadFile(strings.TrimPrefix(setting, "GOFLAGS=-overlay=")); err != nil || !strings.Contains(string(list), edits[0].file) {
			t.Errorf("%s: overlay %s, %v", name, list, err)
		}
	}
	if _, err := overlay("../..", t.TempDir(), []edit{{"functions/fanout/main.go", "not there", ""}}); err == nil {
		t.Error("an edit of what is not there is made")
	}
	for name, there := range map[string]bool{"LOG_RETENTION": true, streamSetting: true, "SHARD_SIZE": true, "NOT_THERE": false} {
		if _, err := withSettings("../..", t.TempDir(), map[string]string{name: "3s"}); (err == nil) != there {
			t.Errorf("setting %s: %v", name, err)
		}
	}
}

// TestHastyTemplateHasItsTimes: the template has the times that a run with webhooks shortens.
func TestHastyTemplateHasItsTimes(t *testing.T) {
	if _, err := hastyTemplate("../..", t.TempDir()); err != nil {
		t.Error(err)
	}
}

func TestWithoutMutant(t *testing.T) {
	for _, args := range [][]string{{"--mutant", "x", "--seeds", "3"}, {"--seeds", "3", "-mutant=x"}} {
		if got := fmt.Sprint(withoutMutant(args)); got != "[--seeds 3]" {
			t.Errorf("%v without its mutant is %v", args, got)
		}
	}
}

// The events of the checker's test.

func begins(seq int64) client.Event {
	return client.Event{Cursor: events.Cursor{Epoch: "e", Seq: seq}}
}

func change(seq int64, op events.Op, id string, v int64) client.Event {
	c := events.Change{Topic: "t", Epoch: "e", Seq: seq, Op: op, ID: id, Data: fmt.Appendf(nil, `{"v":%d}`, v)}
	return client.Event{Cursor: c.Cursor(), Change: &c}
}

// items makes a page that ends a snapshot at seq; each item is at its version.
func items(seq int64, versions map[string]int64) client.Event {
	page := &client.Page{First: true, Last: true}
	for id, v := range versions {
		page.Items = append(page.Items, events.Item{ID: id, Data: fmt.Appendf(nil, `{"v":%d}`, v)})
	}
	return client.Event{Cursor: events.Cursor{Epoch: "e", Seq: seq}, Page: page}
}

// TestChecker shows the checker watches that keep the promise and watches that do not.
// What was written is: a, b, a again, b removed.
func TestChecker(t *testing.T) {
	written := newLedger([]events.Topic{"t"})
	written.enter("t", "a", true)
	written.enter("t", "b", true)
	written.enter("t", "a", true)
	written.enter("t", "b", false)
	one, two := change(1, events.Added, "a", 1), change(2, events.Added, "b", 1)
	three, four := change(3, events.Modified, "a", 2), change(4, events.Removed, "b", 1)
	for name, c := range map[string]struct {
		seen   []client.Event
		broken string
	}{
		"all of it":                   {[]client.Event{begins(0), one, two, three, four}, ""},
		"the rest of it":              {[]client.Event{begins(0), one, two, begins(2), three, four}, ""},
		"a snapshot and the rest":     {[]client.Event{items(2, map[string]int64{"a": 1, "b": 1}), three, four}, ""},
		"a snapshot that is ahead":    {[]client.Event{items(1, map[string]int64{"a": 2}), two, three, four}, ""},
		"start over":                  {[]client.Event{begins(0), one, items(3, map[string]int64{"a": 2, "b": 1}), four}, ""},
		"lost":                        {[]client.Event{begins(0), one, three, four}, "comes where e:2 was due"},
		"the last one lost":           {[]client.Event{begins(0), one, two, three}, "stands at e:3 after 4 changes"},
		"repeated":                    {[]client.Event{begins(0), one, one}, "comes where e:2 was due"},
		"out of order":                {[]client.Event{begins(0), two, one}, "comes where e:1 was due"},
		"numbered twice":              {[]client.Event{begins(0), one, change(2, events.Modified, "a", 1)}, "is version 1 of item a, version 2 was due"},
		"another item's number":       {[]client.Event{begins(0), one, two, change(3, events.Modified, "b", 2), change(4, events.Removed, "b", 2)}, "another state than the table"},
		"wrong op":                    {[]client.Event{begins(0), one, two, change(3, events.Added, "a", 2)}, "the item was there: true"},
		"resumed elsewhere":           {[]client.Event{begins(0), one, begins(2)}, "was to go on from e:1"},
		"a snapshot with an old item": {[]client.Event{items(4, map[string]int64{"a": 1})}, "another state than the table"},
		"a snapshot without an item":  {[]client.Event{items(4, nil)}, "another state than the table"},
		"a snapshot with a dead item": {[]client.Event{items(4, map[string]int64{"a": 2, "b": 1})}, "another state than the table"},
		"a costly change":             {[]client.Event{begins(0), one, {Cursor: two.Cursor, Costly: true}}, "a change up to e:2 is too costly"},
		"a page without costly items": {[]client.Event{{Cursor: two.Cursor, Page: &client.Page{First: true, Last: true, Costly: 2}}}, "2 items are too costly"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newChecker("t")
			var err error
			for _, e := range c.seen {
				if err = k.see(e); err != nil {
					break
				}
			}
			if err == nil {
				err = k.settle(written)
			}
			if c.broken == "" && err != nil || c.broken != "" && (err == nil || !strings.Contains(err.Error(), c.broken)) {
				t.Errorf("verdict %v, want %q", err, c.broken)
			}
		})
	}
}
