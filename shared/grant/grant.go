package grant

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/watchroute/watchroute/events"
)

// Limits of a grant.
const (
	// MaxBytes bounds the claim.
	MaxBytes = 4096
	// MaxSubjectBytes bounds the subject. OpenID Connect allows 255.
	MaxSubjectBytes = 256
	// MaxDeliverFor and MinDeliverFor bound for how long a destination lives that nobody renews.
	MaxDeliverFor = 365 * 24 * time.Hour
	MinDeliverFor = time.Minute
	// DefaultDeliverFor is for a claim that does not say it.
	DefaultDeliverFor = 30 * 24 * time.Hour
	// MaxReplaceBytes bounds, as JSON, each value that a mask puts in place of others.
	MaxReplaceBytes = 128
)

// Action is what is done to a topic.
type Action string

// What can be allowed.
const (
	Subscribe Action = "subscribe" // be told of changes, missed ones included
	Read      Action = "read"      // get the items
	Publish   Action = "publish"   // put and remove items
	Deliver   Action = "deliver"   // have changes and items delivered to a destination
	Join      Action = "join"      // be shown to others as a member, see [events.PresenceTopic]
)

// Actions are all actions.
func Actions() []Action { return []Action{Subscribe, Read, Publish, Deliver, Join} }

// shows tells whether something is seen of a topic by the action.
func (a Action) shows() bool { return a != Publish && a != Join }

// Grant is what a token allows. It does not change; safe for concurrent use. The zero
// Grant allows nothing.
type Grant struct {
	subject string
	claim   json.RawMessage // without spaces; nil in the zero Grant
	rules   []rule
	life    time.Duration // of destinations; 0 if the claim does not say it
}

// rule allows actions on topics, and says what is seen of them.
type rule struct {
	topics  []Pattern
	actions []Action
	view    View
}

// reserves tells whether an action is never allowed on reserved topics: the service alone writes
// them, and what it writes of destinations must not be delivered to destinations.
func (a Action) reserves() bool { return a != Subscribe && a != Read }

// All allows everything, for deployments without authentication, but for reserved topics: what operators
// are told is not for everyone. It has no subject.
func All() Grant {
	return Grant{
		claim: json.RawMessage(`{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read","publish","deliver","join"]}]}`),
		rules: []rule{{topics: []Pattern{rest}, actions: Actions()}},
	}
}

// Subject is whom the token is about. It may be any text, also none.
func (g Grant) Subject() string { return g.subject }

// DeliverFor is for how long a destination that is registered or renewed with the token lives.
func (g Grant) DeliverFor() time.Duration { return cmp.Or(g.life, DefaultDeliverFor) }

// Allows tells whether an action on a topic is allowed, and what is seen of it. The
// first rule that names both decides. Of a reserved topic nothing but Subscribe and Read is.
func (g Grant) Allows(a Action, t events.Topic) (View, bool) {
	if t.Reserved() && a.reserves() {
		return View{}, false
	}
	for _, r := range g.rules {
		if slices.Contains(r.actions, a) && slices.ContainsFunc(r.topics, func(p Pattern) bool { return p.Matches(t) }) {
			return r.view, true
		}
	}
	return View{}, false
}

// Covers tells whether an action is allowed on all topics of a pattern, and what is
// seen of them. The first rule with the action that names any of the topics decides:
// unless one of its own patterns contains p, nothing is allowed, since the topics would
// differ in what is seen of them.
func (g Grant) Covers(a Action, p Pattern) (View, bool) {
	if p.Reserved() && a.reserves() {
		return View{}, false
	}
	for _, r := range g.rules {
		if slices.Contains(r.actions, a) && slices.ContainsFunc(r.topics, p.overlaps) {
			covered := slices.ContainsFunc(r.topics, func(topics Pattern) bool { return topics.contains(p) })
			if !covered {
				return View{}, false
			}
			return r.view, true
		}
	}
	return View{}, false
}

// carried is a grant on its way: the claim, and the subject that it was given to.
type carried struct {
	Subject string          `json:"sub"`
	Claim   json.RawMessage `json:"claim"`
}

// String gives the grant with its subject as text, for [Decode]. The
// zero Grant is the empty text.
func (g Grant) String() string {
	if g.claim == nil {
		return ""
	}
	return string(encode(carried{g.subject, g.claim}))
}

// Decode reads what [Grant.String] writes.
func Decode(s string) (Grant, error) {
	if s == "" {
		return Grant{}, nil
	}
	parts, err := members([]byte(s), "grant", "sub", "claim")
	if err != nil {
		return Grant{}, err
	}
	var subject string
	if err := json.Unmarshal(parts["sub"], &subject); err != nil {
		return Grant{}, errors.New("grant has no subject")
	}
	return Parse(parts["claim"], subject)
}

func checkSubject(subject string) error {
	switch {
	case len(subject) > MaxSubjectBytes:
		return fmt.Errorf("subject has %d bytes, at most %d are allowed", len(subject), MaxSubjectBytes)
	case !utf8.ValidString(subject):
		return errors.New("subject is not UTF-8")
	}
	return nil
}
