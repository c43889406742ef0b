package events

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// SubjectWord is the segment of a pattern in a token's claim that stands for the token's
// subject, as [SubjectSegment] writes it.
const SubjectWord = "{sub}"

// SubjectSegment writes a token's subject as one segment of a topic, so that each subject
// has topics of its own. Two subjects never have the same segment.
//
// Letters, digits and _ - . @ (ASCII) stay as they are. Every other byte of the subject's
// UTF-8 becomes a colon and its two hexadecimal digits in capitals, the colon itself too.
// A dot or an @ at the beginning is also written so: the segments "." and ".." mean
// something else in URLs, and segments that begin with @ are reserved. Nothing is
// normalised: texts that look alike and differ in bytes are different subjects.
//
//	auth0|5f7c8ec7         auth0:7C5f7c8ec7
//	anna@example.com       anna@example.com
//	bob+tag@example.org    bob:2Btag@example.org
//	repo:o/r               repo:3Ao:2Fr
//
// It is an error if the subject is empty, is not UTF-8, or needs more than [MaxTopicBytes]
// bytes: then there is no topic for it. A subject of up to 85 bytes always has a segment.
func SubjectSegment(subject string) (string, error) {
	switch {
	case subject == "":
		return "", errors.New("subject is empty")
	case !utf8.ValidString(subject):
		return "", errors.New("subject is not UTF-8")
	}
	var segment strings.Builder
	for i := range len(subject) {
		if c := subject[i]; c == ':' || !isTopicRune(rune(c)) || i == 0 && (c == '.' || c == '@') {
			fmt.Fprintf(&segment, ":%02X", c)
		} else {
			segment.WriteByte(c)
		}
	}
	if segment.Len() > MaxTopicBytes {
		return "", fmt.Errorf("subject needs %d bytes in a topic, which has at most %d", segment.Len(), MaxTopicBytes)
	}
	return segment.String(), nil
}

// WithSubject puts a subject, as [SubjectSegment] writes it, in place of each segment
// [SubjectWord] of a topic's or pattern's name. It does not check the rest of the name.
func WithSubject(name, subject string) (string, error) {
	segment, err := SubjectSegment(subject)
	if err != nil {
		return "", err
	}
	segments := strings.Split(name, "/")
	for i := range segments {
		if segments[i] == SubjectWord {
			segments[i] = segment
		}
	}
	return strings.Join(segments, "/"), nil
}
