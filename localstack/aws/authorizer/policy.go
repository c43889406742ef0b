package authorizer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// policy is an IAM policy document as far as authorizers use it.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type policy struct {
	Statement oneOrMore[statement]
}

type statement struct {
	Effect                string
	Action, NotAction     oneOrMore[string]
	Resource, NotResource oneOrMore[string]
	Condition             json.RawMessage
}

// oneOrMore is a list that may be written without its brackets.
type oneOrMore[T any] []T

func (l *oneOrMore[T]) UnmarshalJSON(raw []byte) error {
	if raw[0] == '[' {
		return json.Unmarshal(raw, (*[]T)(l))
	}
	var one T
	if err := json.Unmarshal(raw, &one); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	*l = []T{one}
	return nil
}

// allows evaluates all statements: an explicit Deny wins, and without a
// matching Allow the answer is no.
func (p *policy) allows(action, resource string) bool {
	allowed := false
	for _, s := range p.Statement {
		if !s.covers(action, resource) {
			continue
		}
		switch s.Effect {
		case "Deny":
			return false
		case "Allow":
			// Conditions are not evaluated here: one can forbid, never permit.
			allowed = allowed || s.Condition == nil
		}
	}
	return allowed
}

// covers reports whether the statement speaks of the action on the resource.
// Actions do not distinguish case, resources do.
func (s statement) covers(action, resource string) bool {
	action = strings.ToLower(action)
	return matches(s.Action, s.NotAction, func(p string) bool { return glob(strings.ToLower(p), action) }) &&
		matches(s.Resource, s.NotResource, func(p string) bool { return glob(p, resource) })
}

// matches looks for any of the patterns, or, if there are none, for none of
// the excluded ones.
func matches(patterns, excluded []string, match func(string) bool) bool {
	for _, p := range patterns {
		if match(p) {
			return true
		}
	}
	for _, p := range excluded {
		if match(p) {
			return false
		}
	}
	return len(patterns) == 0 && len(excluded) > 0
}

// glob matches "*" with any text and "?" with any one byte.
func glob(pattern, text string) bool {
	star, resume := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			// Let the last star swallow one byte more and try again from there.
			resume++
			p, t = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
