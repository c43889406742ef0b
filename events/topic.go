package events

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Topic is the name of a set of items that are watched together, such as
// "stocks/AAPL": 1 to [MaxTopicSegments] segments separated by slashes, at most
// [MaxTopicBytes] bytes, made of letters, digits and _ - . : @ (ASCII). The
// segments "." and ".." are refused, as they mean something else in URLs.
//
// A topic whose first segment begins with @ is reserved: the service writes it, and clients may
// only watch and read it. Its first segment does not count towards the limit of segments, and no
// wildcard of a grant stands for it. See [DestinationsTopic] and [PresenceTopic].
type Topic string

// ParseTopic checks a name against the rules of [Topic]. The error is a sentence
// for whoever sent the name; it does not repeat the name.
func ParseTopic(name string) (Topic, error) {
	switch {
	case name == "":
		return "", errors.New("topic is empty")
	case len(name) > MaxTopicBytes:
		return "", fmt.Errorf("topic has %d bytes, at most %d are allowed", len(name), MaxTopicBytes)
	}
	segments := strings.Count(name, "/") + 1
	if Topic(name).Reserved() {
		segments--
	}
	if segments > MaxTopicSegments {
		return "", fmt.Errorf("topic has %d segments, at most %d are allowed", segments, MaxTopicSegments)
	}
	for segment := range strings.SplitSeq(name, "/") {
		if err := checkSegment(segment); err != nil {
			return "", err
		}
	}
	return Topic(name), nil
}

// Reserved reports whether the topic, or all topics of the pattern, are written by the service alone.
func (t Topic) Reserved() bool { return strings.HasPrefix(string(t), "@") }

// The wildcards with which a pattern ends.
const (
	AnySegment  = "*"  // stocks/*: the topics of one more segment
	AnySegments = "**" // stocks/**: those of any number more, and stocks itself
)

// ParsePattern checks what a client watches: a topic, or all topics below one, named by
// it and a wildcard as the last segment.
func ParsePattern(name string) (Topic, error) {
	base, wildcard := Topic(name).Split()
	if wildcard == "" {
		return ParseTopic(name)
	}
	if _, err := ParseTopic(string(base) + "/" + strings.Repeat("x", len(wildcard))); err != nil {
		return "", err
	}
	return Topic(name), nil
}

// Split takes a pattern's wildcard off, which is empty for a topic.
func (t Topic) Split() (base Topic, wildcard string) {
	for _, w := range []string{AnySegment, AnySegments} {
		if base, ok := strings.CutSuffix(string(t), "/"+w); ok {
			return Topic(base), w
		}
	}
	return t, ""
}

// IsPattern reports whether t names all topics below one, and not a single topic.
func (t Topic) IsPattern() bool {
	_, wildcard := t.Split()
	return wildcard != ""
}

// Matches reports whether a topic is the one, or one of those, that t names.
func (t Topic) Matches(topic Topic) bool {
	base, wildcard := t.Split()
	below, under := strings.CutPrefix(string(topic), string(base)+"/")
	switch wildcard {
	case AnySegment:
		return under && !strings.Contains(below, "/")
	case AnySegments:
		return under || topic == base
	}
	return t == topic
}

func checkSegment(segment string) error {
	switch segment {
	case "":
		return errors.New("topic has an empty segment")
	case ".", "..":
		return fmt.Errorf("topic has the segment %q", segment)
	}
	for _, r := range segment {
		if !isTopicRune(r) {
			return fmt.Errorf("topic has the character %q, allowed are letters, digits and _ - . : @", r)
		}
	}
	return nil
}

func isTopicRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-.:@", r)
}

// CheckItemID reports what is wrong with an item's id: it must have 1 to
// [MaxItemIDBytes] bytes of UTF-8 without control characters.
func CheckItemID(id string) error {
	switch {
	case id == "":
		return errors.New("item id is empty")
	case len(id) > MaxItemIDBytes:
		return fmt.Errorf("item id has %d bytes, at most %d are allowed", len(id), MaxItemIDBytes)
	case !utf8.ValidString(id):
		return errors.New("item id is not UTF-8")
	case strings.ContainsFunc(id, unicode.IsControl):
		return errors.New("item id has a control character")
	}
	return nil
}

// PublicationAttribute is the attribute in which publish notes who has published an item, by hashes
// that mean nothing to others. In the item of a member it has the member's connections. A back
// end's own put takes it away, and an update may leave it: watchers are told of it in the change
// that has set it alone, as [Change].Mark.
const PublicationAttribute = "watchroute"

// ReservedAttributes are the attributes of an Events item that are not data: its key, its time
// to live, [PublicationAttribute], and unsplit, which no item should have: a local secondary
// index on it keeps all items of a topic on one stream shard.
func ReservedAttributes() []string {
	return []string{"topic", "id", "expiresAt", PublicationAttribute, "unsplit"}
}
