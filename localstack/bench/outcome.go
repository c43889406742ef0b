package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
)

// outcome is what came of something that mallory did.
type outcome struct {
	Name    string         `json:"name"`
	Notes   []string       `json:"notes"`   // what she did, as far as the service lets her choose
	Sent    int            `json:"sent"`    // requests
	Put     int            `json:"put"`     // items, straight into the table
	Took    time.Duration  `json:"took"`    // until all is answered
	Answers map[string]int `json:"answers"` // by HTTP status, or code or type of the frame
	Costly  int            `json:"costly"`  // frames that say that the service left something out, as it would cost too much

	mu sync.Mutex
}

func newOutcome(name string) *outcome { return &outcome{Name: name, Answers: map[string]int{}} }

// add changes the outcome under its lock.
func (o *outcome) add(change func(*outcome)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(o)
}

func (o *outcome) count(answer string, n int) {
	o.add(func(o *outcome) {
		if n > 0 {
			o.Answers[answer] += n
		}
	})
}

// unanswered is how many requests have no answer yet.
func (o *outcome) unanswered() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.Sent
	for _, answers := range o.Answers {
		n -= answers
	}
	return n
}

// tooMany is how many requests were refused for their number, by the service or by API
// Gateway.
func (o *outcome) tooMany() int {
	return o.Answers[string(events.CodeTooManyRequests)] + o.Answers["Too Many Requests"]
}

// noAnswer counts requests that got none.
const noAnswer = "no answer"

// answers are the counts, the most frequent first.
func (o *outcome) answers() string {
	if len(o.Answers) == 0 {
		return "nothing"
	}
	var counts []string
	for _, answer := range slices.SortedFunc(maps.Keys(o.Answers), func(x, y string) int { return o.Answers[y] - o.Answers[x] }) {
		counts = append(counts, fmt.Sprintf("%d × %s", o.Answers[answer], answer))
	}
	return strings.Join(counts, ", ")
}

// answerOf names what a request is answered: the service's frame by its code or type, API
// Gateway's own by its message. Frames that come before the last of an answer, or unasked,
// are none.
func answerOf(frame []byte) (answer string, is bool) {
	if bytes.HasPrefix(frame, []byte(`{"type":"changes"`)) {
		return "", false // they are many and long
	}
	var f struct {
		Type, Code, Message string
		More                bool
	}
	if json.Unmarshal(frame, &f) != nil {
		return "not JSON", true
	}
	switch f.Type {
	case "reset", "reconnect", "expiring":
		return "", false
	case "snapshot":
		return f.Type, !f.More
	case "error":
		return f.Code, true
	case "":
		return f.Message, true
	}
	return f.Type, true
}
