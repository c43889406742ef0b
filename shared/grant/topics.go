package grant

import (
	"errors"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/events"
)

// Pattern names topics: it is a topic's name in which the segment * stands for any one
// segment and ** at the end for any number of them, none included, as # does in MQTT.
// So stocks/** is stocks, stocks/AAPL and stocks/AAPL/trades. Wildcards are whole
// segments; all others must be equal, byte by byte. A name without wildcards is the
// pattern of that topic alone. A wildcard does not stand for the first segment of a
// reserved topic, see [events.Topic.Reserved]: only @destinations/** names those below
// @destinations.
type Pattern string

const (
	one  = "*"
	rest = "**"
)

// ParsePattern checks a name against the rules of [Pattern] and, apart from the
// wildcards, of [events.ParseTopic]; each wildcard counts as a segment of its length.
// The error is a sentence for whoever sent the name; it does not repeat the name.
func ParsePattern(name string) (Pattern, error) {
	segments := strings.Split(name, "/")
	for i, segment := range segments {
		if segment == rest && i < len(segments)-1 {
			return "", errors.New("topic has the segment ** before its end")
		}
		if segment == one || segment == rest {
			segments[i] = strings.Repeat("x", len(segment)) // what any topic may have
		}
	}
	if _, err := events.ParseTopic(strings.Join(segments, "/")); err != nil {
		return "", err
	}
	return Pattern(name), nil
}

// parseFor is ParsePattern for a name in which {sub} stands for a subject; ok is false
// if no topic can match with that subject.
func parseFor(name, subject string) (p Pattern, ok bool, err error) {
	if !slices.Contains(strings.Split(name, "/"), events.SubjectWord) {
		p, err = ParsePattern(name)
		return p, err == nil, err
	}
	example, err := events.WithSubject(name, "x")
	if err != nil {
		return "", false, err
	}
	if _, err := ParsePattern(example); err != nil {
		return "", false, err
	}
	full, err := events.WithSubject(name, subject)
	if err != nil {
		return "", false, nil // no topic is this subject's
	}
	p, err = ParsePattern(full)
	return p, err == nil, nil // it may have become too long
}

// Reserved tells whether the pattern names reserved topics. A pattern names only these, or none.
func (p Pattern) Reserved() bool { return events.Topic(p).Reserved() }

// IsTopic tells whether the pattern has no wildcard, and so is a topic's name.
func (p Pattern) IsTopic() bool { return !strings.Contains(string(p), one) }

// Matches tells whether a topic is one of the pattern's.
func (p Pattern) Matches(t events.Topic) bool { return p.contains(Pattern(t)) }

// contains tells whether every topic of q is one of p.
func (p Pattern) contains(q Pattern) bool {
	if q == rest {
		q = one + "/" + rest // the same, as every topic has a segment
	}
	return p.Reserved() == q.Reserved() && contains(p.segments(), q.segments())
}

func contains(p, q []string) bool {
	switch {
	case len(p) > 0 && p[0] == rest:
		return true
	case len(p) == 0 || len(q) == 0:
		return len(p) == len(q)
	case q[0] == rest || p[0] != one && p[0] != q[0]:
		return false
	}
	return contains(p[1:], q[1:])
}

// overlaps tells whether p and q have a topic in common.
func (p Pattern) overlaps(q Pattern) bool {
	return p.Reserved() == q.Reserved() && overlap(p.segments(), q.segments())
}

func overlap(p, q []string) bool {
	switch {
	case len(p) > 0 && p[0] == rest || len(q) > 0 && q[0] == rest:
		return true
	case len(p) == 0 || len(q) == 0:
		return len(p) == len(q)
	case p[0] != one && q[0] != one && p[0] != q[0]:
		return false
	}
	return overlap(p[1:], q[1:])
}

func (p Pattern) segments() []string { return strings.Split(string(p), "/") }
