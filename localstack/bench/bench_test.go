package main

import (
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// TestFiltersAreNearlyTooLong: the attack is the worst that the limit of bytes allows.
func TestFiltersAreNearlyTooLong(t *testing.T) {
	seen := map[string]bool{}
	for n := range viewers {
		for _, f := range []string{string(filter(n, mostAlternatives)), string(matchingFilter(n, mostAlternatives))} {
			if len(f) > grant.MaxFilterBytes || len(f) < grant.MaxFilterBytes-16 {
				t.Errorf("filter %d has %d bytes", n, len(f))
			}
			if seen[f] || strings.Count(f, "{") != mostAlternatives+1 {
				t.Errorf("filter %d is there twice, or is not of %d alternatives: %s", n, mostAlternatives, f)
			}
			seen[f] = true
		}
	}
}

// TestFiltersSearchTheWholeList: only the matching ones find something, and that last.
func TestFiltersSearchTheWholeList(t *testing.T) {
	for list, matches := range map[string]bool{`{"l":[0,0]}`: false, `{"l":[0,1]}`: true} {
		for _, f := range [][]byte{filter(0, 3), matchingFilter(0, 3)} {
			view, err := grant.View{}.Narrow(f, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := matches && strings.Contains(string(f), `[1]`)
			if _, visible := view.Item([]byte(list)); visible != want {
				t.Errorf("%s shows %s: %t", f, list, visible)
			}
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
	for name, want := range map[string]int{"": len(parts()), "flood": 1, "hostile": len(attacks()), "hostile/pings": 1, "host": 0} {
		if got := choose(name); len(got) != want {
			t.Errorf("%q chooses %d parts, want %d", name, len(got), want)
		}
	}
}
