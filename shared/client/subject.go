package client

import (
	"fmt"

	"github.com/watchroute/watchroute/events"
)

// TopicFor gives the topic of a token's subject: name has the segment {sub}, as the
// claim of the token has, and the subject takes its place as the service writes it, see
// [events.SubjectSegment]. Writers need it to put items where a user may watch them, and
// watchers to name their own topic. The name may end with a wildcard, as of
// [Client.Watch]. It is an error if the subject is empty or not UTF-8, or the name with it
// breaks a rule of topics; long subjects can make it longer than 256 bytes.
func TopicFor(name, subject string) (events.Topic, error) {
	full, err := events.WithSubject(name, subject)
	if err != nil {
		return "", fmt.Errorf("topic for a subject: %w", err)
	}
	topic, err := events.ParsePattern(full)
	if err != nil {
		return "", fmt.Errorf("topic for a subject: %w", err)
	}
	return topic, nil
}
