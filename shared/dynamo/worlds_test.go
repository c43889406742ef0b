package dynamo_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestNothingHiddenIsSeen has two worlds go through the same. Items change in both as often,
// at the same times, and with rows of the same sizes, and a client sees the same of them. All
// that it does not see is different: ids and data of hidden items, masked members, which of
// two such items has changed, names of topics. Whatever the client does, it observes the same
// in both: frames, their sizes and order, what is posted and what is answered, and the units
// that it is charged.
//
// Ids of rows are in the same order in both. A page of a snapshot ends after so many rows or
// bytes of the table, so how many hidden rows lie between two shown ones can be seen. That is
// hidden volume, and cannot be kept from whoever reads in pages.
func TestNothingHiddenIsSeen(t *testing.T) {
	fewerChecks(t)
	round, seen := 0, tally{}
	worlds := twins[*world]{newWorld(t, began), newWorld(t, began)}
	rapid.Check(t, func(t *rapid.T) {
		round++
		s := newScene(t, worlds, fmt.Sprintf("r%06d", round), seen)
		s.subscribe()
		for range rapid.IntRange(1, 5).Draw(t, "acts") {
			s.act()
			for range rapid.IntRange(0, 3).Draw(t, "requests") {
				s.request()
			}
		}
		s.sameLogs()
	})
	t.Log(seen)
	if missing := seen.missing(); len(missing) > 0 && round >= fewChecks && !t.Failed() {
		t.Errorf("there was no %s", missing)
	}
}

const fewChecks = 40

// fewerChecks has a property tried less often than others, unless it is told how often: each
// check takes some hundred calls of DynamoDB.
func fewerChecks(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	if checks.Value.String() != checks.DefValue {
		return
	}
	if err := checks.Value.Set(fmt.Sprint(fewChecks)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = checks.Value.Set(checks.DefValue) })
}

// tally counts in how many frames something was, so that a test of nothing is no success.
type tally map[string]int

// common is in some frames of a few checks, rare in some of a few hundred.
var (
	common = []string{`"added"`, `"removed"`, `"skipped"`, `"snapshot"`, `"reset"`}
	rare   = []string{`"modified"`, `"to"`, `"recovered"`, `"cursors"`, `"next"`, `"from"`, `"forbidden"`, `"patch"`, `"expired"`, `"costly":true`, `"costly":1`, `"large"`, `"more":true`, "drawn"}
)

func (seen tally) note(frame string) {
	for _, what := range slices.Concat(common, rare) {
		if strings.Contains(frame, what) {
			seen[what]++
		}
	}
}

func (seen tally) missing() []string {
	return slices.DeleteFunc(slices.Clone(common), func(what string) bool { return seen[what] > 0 })
}

// same demands that the client has observed the same in both worlds.
func (s *scene) same(after string) {
	a, b := s.worlds[0].observed(), s.worlds[1].observed()
	for _, note := range a {
		s.seen.note(note)
	}
	if slices.Equal(a, b) {
		return
	}
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	one, other := difference(slices.Concat(a, []string{"nothing"})[i], slices.Concat(b, []string{"nothing"})[i])
	s.Fatalf("%s, the client observes\n%s\nand where other things are hidden\n%s", after, one, other)
}

// difference gives what two texts have from shortly before they differ.
func difference(a, b string) (one, other string) {
	from := 0
	for from < min(len(a), len(b)) && a[from] == b[from] {
		from++
	}
	from = max(0, from-200)
	return fmt.Sprintf("%.30s…%.700s", a, a[from:]), fmt.Sprintf("%.30s…%.700s", b, b[from:])
}

// sameLogs demands that nothing hidden is logged: then the logs are the same.
func (s *scene) sameLogs() {
	a, b := s.worlds[0].log.String(), s.worlds[1].log.String()
	if a != b {
		one, other := difference(a, b)
		s.Fatalf("logged is\n%s\nand where other things are hidden\n%s", one, other)
	}
}
