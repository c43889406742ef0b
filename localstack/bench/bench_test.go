package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/pattern"
)

// TestFiltersAreNearlyTooLong: no form could have another condition. Each viewer's filter is
// another one.
func TestFiltersAreNearlyTooLong(t *testing.T) {
	m := &attacker{}
	for _, form := range forms() {
		m.accepted = append(m.accepted, form.most)
	}
	seen := map[string]bool{}
	for viewer := range viewers {
		for _, f := range []string{string(m.filter(viewer)), string(m.matchingFilter(viewer))} {
			if len(f) > grant.MaxFilterBytes || len(f) < grant.MaxFilterBytes-24 {
				t.Errorf("filter of %d bytes: %s", len(f), f)
			}
			sent, err := json.Marshal(events.Request{Filter: json.RawMessage(f)})
			if err != nil || !strings.Contains(string(sent), f) {
				t.Errorf("filter is sent otherwise: %s, %v", sent, err)
			}
			if seen[f] {
				t.Errorf("filter is there twice: %s", f)
			}
			seen[f] = true
		}
	}
}

// TestFiltersSearchTheWholeList: none finds anything among zeros, and only a matching one
// the 1.
func TestFiltersSearchTheWholeList(t *testing.T) {
	m := &attacker{accepted: []int{3, 3}}
	for filter, finds := range map[string]bool{string(m.filter(0)): false, string(m.filter(1)): false, string(m.matchingFilter(0)): true} {
		p, err := pattern.Parse(filter)
		if err != nil {
			t.Fatal(err)
		}
		if p.Match([]byte(`{"l":[0,0]}`)) || p.Match([]byte(`{"l":[0,1]}`)) != finds {
			t.Errorf("%s finds something else", filter)
		}
	}
}

func TestCoveringPatternsCoverEachDeepTopic(t *testing.T) {
	patterns := coveringPatterns()
	if len(patterns) != 7 {
		t.Errorf("%d patterns: %v", len(patterns), patterns)
	}
	for _, p := range patterns {
		pattern, err := events.ParsePattern(p)
		if err != nil || !pattern.Matches(deep+"499") {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestOutcomeKnowsWhatIsAnAnswer(t *testing.T) {
	for frame, want := range map[string]string{
		`{"type":"pong"}`: "pong",
		`{"type":"error","code":"unavailable","message":"m"}`:                         "unavailable",
		`{"message":"Too Many Requests","connectionId":"c","requestId":"r"}`:          "Too Many Requests",
		`{"type":"snapshot","topic":"t","epoch":"e","seq":1,"items":[],"more":false}`: "snapshot",
		`{"type":"snapshot","topic":"t","epoch":"e","seq":1,"items":[],"more":true}`:  "",
		`{"type":"changes","changes":[]}`:                                             "",
		`{"type":"reset","topic":"t","reason":"limit"}`:                               "",
	} {
		if got, is := answerOf([]byte(frame)); is != (want != "") || is && got != want {
			t.Errorf("%s is answer %q, %t", frame, got, is)
		}
	}
}

// TestGoal: a p99 is within the goal if it is within one of its two bounds.
func TestGoal(t *testing.T) {
	for _, c := range []struct {
		quiet, attacked time.Duration
		want            string
	}{
		{5 * time.Millisecond, 25 * time.Millisecond, "within"},
		{5 * time.Millisecond, 26 * time.Millisecond, "OVER"},
		{50 * time.Millisecond, 150 * time.Millisecond, "within"},
		{50 * time.Millisecond, 151 * time.Millisecond, "OVER"},
	} {
		if got := compared(latencies{c.attacked}, latencies{c.quiet}); !strings.Contains(got, c.want+" the goal") {
			t.Errorf("%v in quiet and %v under attack: %s", c.quiet, c.attacked, got)
		}
	}
}

func TestPartIsChosenByItsNameOrTheNameAbove(t *testing.T) {
	for name, want := range map[string]int{"": len(parts()), "flood": 1, "hostile": len(attacks()), "hostile/pings": 1, "host": 0, "http": 4} {
		if got := choose(name); len(got) != want {
			t.Errorf("%q chooses %d parts, want %d", name, len(got), want)
		}
	}
}

// TestRoomyTemplateHasNoLimit: the current template has each limit of HTTP requests that the bench
// knows, and the changed one does not limit a measurement. A limit of another name is an error.
func TestRoomyTemplateHasNoLimit(t *testing.T) {
	template, err := os.ReadFile("../../" + stack.TemplateFile)
	if err != nil {
		t.Fatal(err)
	}
	text, err := roomy(template)
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []string{`"MAX_HOLDS":"1000"`, `"MAX_SUBJECT_HOLDS":"1000"`, `"MethodSettings":[]`, `"STREAM_TIME":"4m"`} {
		if strings.Count(string(text), limit) != 1 {
			t.Errorf("%s is not there once", limit)
		}
	}
	if _, err := roomy(bytes.ReplaceAll(template, []byte("MAX_HOLDS"), []byte("MOST_HOLDS"))); err == nil {
		t.Error("a limit of another name is left")
	}
}

// TestStreamTellsItsChanges: other events of a stream are not counted.
func TestStreamTellsItsChanges(t *testing.T) {
	a, m := &audience{arrived: make(chan struct{}, 1)}, &member{}
	a.follow(m, bufio.NewScanner(strings.NewReader(": \n\nevent: changes\nid: e:2\n"+
		`data: {"type":"changes","topic":"t","changes":[{"op":"added","id":"1","seq":1,"data":{"at":"5"}},{"op":"added","id":"2","seq":2,"data":{"at":"6"}}]}`+"\n\nretry: 1000\n\n")))
	if a.delivered() != 2 || !m.got.all(2) || len(a.takeLatencies()) != 2 {
		t.Errorf("%d changes are delivered", a.delivered())
	}
}

// TestAnOnlookerTellsRepeatsFromGaps: a change that comes again harms nobody, one that comes before
// an earlier one does.
func TestAnOnlookerTellsRepeatsFromGaps(t *testing.T) {
	o := &onlooker{seq: 7}
	for _, frame := range []string{
		`{"type":"changes","changes":[{"seq":7,"data":{"at":"1"}}]}`, // from before it watched
		`{"type":"changes","changes":[{"seq":8,"data":{"at":"1"}},{"seq":9,"data":{"at":"1"}}]}`,
		`{"type":"changes","changes":[{"seq":9,"data":{"at":"1"}},{"seq":10,"data":{"at":"1"}}]}`,
	} {
		o.receive([]byte(frame), time.Now())
	}
	if o.last() != 10 || o.delivered != 3 || o.repeats != 2 || o.gap != "" {
		t.Errorf("%d changes up to %d, %d repeats, gap %q", o.delivered, o.last(), o.repeats, o.gap)
	}
	o.receive([]byte(`{"type":"changes","changes":[{"seq":12,"data":{"at":"1"}}]}`), time.Now())
	if o.gap != "got 12 after 10" {
		t.Errorf("gap %q", o.gap)
	}
	c := crowd{size: 1, watchers: []*onlooker{o}}
	if err := c.verdict(); err == nil || !strings.Contains(err.Error(), "watcher 0 got 12 after 10") {
		t.Errorf("verdict %v", err)
	}
}
