package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
)

// part is what came of one part of the flood.
type part struct {
	Name    string         `json:"name"`
	Sent    int            `json:"sent"`
	Took    time.Duration  `json:"took"`    // until all is answered
	Answers map[string]int `json:"answers"` // by HTTP status, or code or type of the frame

	mu sync.Mutex
}

func (p *part) count(answer string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n > 0 {
		p.Answers[answer] += n
	}
}

// answers are those of the part, the most frequent first.
func (p *part) answers() string {
	var counts []string
	for _, answer := range slices.SortedFunc(maps.Keys(p.Answers), func(x, y string) int { return p.Answers[y] - p.Answers[x] }) {
		counts = append(counts, fmt.Sprintf("%d × %s", p.Answers[answer], answer))
	}
	return strings.Join(counts, ", ")
}

// mostConnects is what one subject may have at most: the stack's default MaxConnections,
// and a few that came at the same moment as the last of them.
const mostConnects = 100 + 10

// limited is an error unless the service or API Gateway refused what was too much.
func (p *part) limited() error {
	tooMany := p.Answers[string(events.CodeTooManyRequests)] + p.Answers["Too Many Requests"]
	held := false
	switch p.Name {
	case "connects":
		held = p.Answers["101"] <= mostConnects && p.Answers["429"] > 0
	case "subscribes":
		held = p.Answers["subscribed"] <= subscribers*events.MaxSubscriptions &&
			p.Answers[string(events.CodeTooManySubscriptions)] > 0 && tooMany > 0
	case "messages":
		held = tooMany > 0
	}
	if !held {
		return fmt.Errorf("flood of %s is not limited", p.Name)
	}
	return nil
}
