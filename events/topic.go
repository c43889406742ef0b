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
type Topic string

// ParseTopic checks a name against the rules of [Topic]. The error is a sentence
// for whoever sent the name; it does not repeat the name.
func ParseTopic(name string) (Topic, error) {
	switch {
	case name == "":
		return "", errors.New("topic is empty")
	case len(name) > MaxTopicBytes:
		return "", fmt.Errorf("topic has %d bytes, at most %d are allowed", len(name), MaxTopicBytes)
	case strings.Count(name, "/") >= MaxTopicSegments:
		return "", fmt.Errorf("topic has %d segments, at most %d are allowed", strings.Count(name, "/")+1, MaxTopicSegments)
	}
	for segment := range strings.SplitSeq(name, "/") {
		if err := checkSegment(segment); err != nil {
			return "", err
		}
	}
	return Topic(name), nil
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

// ReservedAttributes are the attributes of an Events item that are not data: its
// key and its time to live.
func ReservedAttributes() []string { return []string{"topic", "id", "expiresAt"} }
