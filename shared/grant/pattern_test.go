package grant_test

import (
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"pgregory.net/rapid"
)

// TestWatchedPatternsAreThoseOfGrants: what a client may watch names the same topics as
// the same text in a grant.
func TestWatchedPatternsAreThoseOfGrants(t *testing.T) {
	names := rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab"}), 1, 4), func(segments []string) string { return strings.Join(segments, "/") })
	rapid.Check(t, func(t *rapid.T) {
		watched, err := events.ParsePattern(names.Draw(t, "base") + rapid.SampledFrom([]string{"", "/*", "/**"}).Draw(t, "wildcard"))
		if err != nil {
			t.Fatal(err)
		}
		granted, err := grant.ParsePattern(string(watched))
		if err != nil {
			t.Fatalf("%s is no pattern of a grant: %v", watched, err)
		}
		topic := events.Topic(names.Draw(t, "topic"))
		if got, want := watched.Matches(topic), granted.Matches(topic); got != want {
			t.Errorf("%s names %s: %v, in a grant %v", watched, topic, got, want)
		}
	})
}
