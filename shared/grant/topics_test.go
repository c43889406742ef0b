package grant

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
)

func TestParsePattern(t *testing.T) {
	for _, name := range []string{"stocks", "*", "**", "stocks/*", "*/AAPL", "*/**", "a/*/c/**", "a/b/c/d/e/f/g/**", strings.Repeat("x", 254) + "/*"} {
		if p, err := ParsePattern(name); err != nil || string(p) != name {
			t.Errorf("ParsePattern(%.40q) = %q, %v", name, p, err)
		}
	}
	for name, want := range map[string]string{
		"":                               "topic is empty",
		"a//*":                           "topic has an empty segment",
		"*/":                             "topic has an empty segment",
		"../*":                           `topic has the segment ".."`,
		"**/a":                           "topic has the segment ** before its end",
		"a/**/**":                        "topic has the segment ** before its end",
		"a*":                             `topic has the character '*', allowed are letters, digits and _ - . : @`,
		"a/***":                          `topic has the character '*', allowed are letters, digits and _ - . : @`,
		"a/#":                            `topic has the character '#', allowed are letters, digits and _ - . : @`,
		"users/{sub}":                    `topic has the character '{', allowed are letters, digits and _ - . : @`,
		"a%2f*":                          `topic has the character '%', allowed are letters, digits and _ - . : @`,
		"＊":                              `topic has the character '＊', allowed are letters, digits and _ - . : @`, // full width
		"a/b/c/d/e/f/g/h/**":             "topic has 9 segments, at most 8 are allowed",
		strings.Repeat("x", 254) + "/**": "topic has 257 bytes, at most 256 are allowed",
	} {
		if _, err := ParsePattern(name); err == nil || err.Error() != want {
			t.Errorf("ParsePattern(%.40q) = %v, want %q", name, err, want)
		}
	}
}

func TestPatternMatches(t *testing.T) {
	for _, c := range []struct {
		pattern Pattern
		topic   events.Topic
		want    bool
	}{
		{"stocks/AAPL", "stocks/AAPL", true},
		{"stocks/AAPL", "stocks/aapl", false},
		{"stocks/AAPL", "stocks/AAPL/trades", false},
		{"stocks/*", "stocks/AAPL", true},
		{"stocks/*", "stocks", false},
		{"stocks/*", "stocks/AAPL/trades", false},
		{"stocks/*", "stocksX/AAPL", false},
		{"stocks/**", "stocks", true},
		{"stocks/**", "stocks/AAPL/trades", true},
		{"stocks/**", "stocksX", false},
		{"*/AAPL", "stocks/AAPL", true},
		{"*/*/**", "a", false},
		{"*/*/**", "a/b", true},
		{"**", "a/b/c", true},
		{"**", "@destinations/a", false},
		{"*/a", "@destinations/a", false},
		{"@destinations/*", "@destinations/a", true},
		{"a/**", "a/@b", true},
	} {
		if got := c.pattern.Matches(c.topic); got != c.want {
			t.Errorf("%s matches %s: %v, want %v", c.pattern, c.topic, got, c.want)
		}
	}
}

// names gives all names of 1 to n segments, each from the alphabet.
func names(n int, alphabet ...string) []string {
	all, longest := slices.Clone(alphabet), alphabet
	for range n - 1 {
		var longer []string
		for _, name := range longest {
			for _, segment := range alphabet {
				longer = append(longer, name+"/"+segment)
			}
		}
		all, longest = append(all, longer...), longer
	}
	return all
}

// smallPatterns gives all patterns of up to 3 segments of a, b, @ and wildcards.
func smallPatterns(t testing.TB) (all []Pattern) {
	for _, name := range names(3, "a", "b", "@", "*", "**") {
		if p, err := ParsePattern(name); err == nil {
			all = append(all, p)
		}
	}
	if len(all) != 105 {
		t.Fatalf("there are %d patterns, want 105", len(all))
	}
	return all
}

// smallTopics gives topics enough to tell the small patterns apart: with a segment
// more, and one that no pattern names.
func smallTopics() []string { return names(4, "a", "b", "c", "@") }

// TestPatternsAgainstBruteForce compares every pair of small patterns with what regular
// expressions make of them, topic by topic.
func TestPatternsAgainstBruteForce(t *testing.T) {
	patterns, topics := smallPatterns(t), smallTopics()
	matched := map[Pattern][]string{}
	for _, p := range patterns {
		name := strings.Replace("^"+string(p)+"$", "^**$", "^*/**$", 1)
		expression := strings.NewReplacer("^*", "^[^@]", "/**", "(/.+)?", "*", "[^/]").Replace(name) // segments are of one letter
		re := regexp.MustCompile(expression)
		for _, topic := range topics {
			want := re.MatchString(topic)
			if got := p.Matches(events.Topic(topic)); got != want {
				t.Errorf("%s matches %s: %v, want %v", p, topic, got, want)
			}
			if want {
				matched[p] = append(matched[p], topic)
			}
		}
	}
	for _, p := range patterns {
		for _, q := range patterns {
			inP := func(topic string) bool { return slices.Contains(matched[p], topic) }
			notInP := func(topic string) bool { return !inP(topic) }
			if got, want := p.contains(q), !slices.ContainsFunc(matched[q], notInP); got != want {
				t.Errorf("%s contains %s: %v, want %v", p, q, got, want)
			}
			if got, want := p.overlaps(q), slices.ContainsFunc(matched[q], inP); got != want {
				t.Errorf("%s overlaps %s: %v, want %v", p, q, got, want)
			}
		}
	}
}

func FuzzParsePattern(f *testing.F) {
	f.Add("stocks/*", "stocks/AAPL")
	f.Add("a/**", "a")
	f.Add("{sub}/**/x", "../..")
	f.Fuzz(func(t *testing.T, name, topic string) {
		p, err := ParsePattern(name)
		if err != nil {
			return
		}
		_, topicErr := events.ParseTopic(name)
		if p.IsTopic() != (topicErr == nil) {
			t.Fatalf("%q is a topic: %v, but ParseTopic says %v", name, p.IsTopic(), topicErr)
		}
		if !p.contains(p) || !p.overlaps(p) || !Pattern("**").contains(p) {
			t.Fatalf("%q does not contain itself, or ** does not", name)
		}
		if parsed, err := events.ParseTopic(topic); err == nil && p.Matches(parsed) && !p.overlaps(Pattern(topic)) {
			t.Fatalf("%q matches %q without overlapping it", name, topic)
		}
	})
}
