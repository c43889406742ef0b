package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// document is an identity-based policy, of the grammar's elements those that can
// be decided without knowing more than a Call.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type document struct {
	Version   string
	ID        string `json:"Id"`
	Statement oneOrMore[statement]
}

type statement struct {
	Sid       string
	Effect    string
	Action    oneOrMore[string]
	Resource  oneOrMore[string]
	NotAction oneOrMore[string]
	// NotResource, Principal and all conditions but one are read to be refused.
	NotResource oneOrMore[string]
	Condition   map[string]any
	Principal   json.RawMessage
}

// oneOrMore is a list that may be written without its brackets.
type oneOrMore[T any] []T

// UnmarshalJSON reads one value or a list of them, without members that are not
// known.
func (l *oneOrMore[T]) UnmarshalJSON(raw []byte) error {
	if raw[0] == '[' {
		return strictly(raw, (*[]T)(l))
	}
	*l = make([]T, 1)
	return strictly(raw, &(*l)[0])
}

// strictly decodes JSON and refuses members that into does not have.
func strictly(raw []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// parse reads a document into rules.
func parse(raw []byte) ([]rule, error) {
	var d document
	if err := strictly(raw, &d); err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	var rules []rule
	for i, s := range d.Statement {
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("statement %d %s: %w", i+1, s.Sid, err)
		}
		rules = append(rules, s.rules()...)
	}
	return rules, nil
}

// check refuses what AWS refuses, and what cannot be decided here: to leave it out
// would allow too much or too little.
func (s statement) check() error {
	switch {
	case s.NotAction != nil:
		return errors.New("the member NotAction does not run locally")
	case s.NotResource != nil:
		return errors.New("the member NotResource does not run locally")
	case len(s.Condition) > 0 && s.keys() == nil:
		return errors.New("the member Condition does not run locally")
	case s.Principal != nil:
		return errors.New("a role's own policy has no Principal")
	case s.Effect != "Allow" && s.Effect != "Deny":
		return fmt.Errorf("the Effect is %q, not Allow or Deny", s.Effect)
	case len(s.Action) == 0 || len(s.Resource) == 0:
		return errors.New("the members Action and Resource are required")
	}
	return s.checkPatterns()
}

// keys gives the patterns of partition keys, if these are the only condition.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
func (s statement) keys() []string {
	by, ok := s.Condition["ForAllValues:StringLike"].(map[string]any)
	if !ok || len(s.Condition) > 1 || len(by) > 1 || by["dynamodb:LeadingKeys"] == nil {
		return nil
	}
	return texts(by["dynamodb:LeadingKeys"])
}

func (s statement) checkPatterns() error {
	for _, action := range s.Action {
		if service, name, found := strings.Cut(action, ":"); action != "*" && (!found || service == "" || name == "") {
			return fmt.Errorf("action %q is not of the form service:Action", action)
		}
	}
	for _, resource := range s.Resource {
		if strings.Contains(resource, "${") {
			return fmt.Errorf("policy variable in %q does not run locally", resource)
		}
		if resource != "*" && !strings.HasPrefix(resource, "arn:") {
			return fmt.Errorf("resource %q is neither an ARN nor *", resource)
		}
	}
	return nil
}

// rules gives one rule for each pair of the statement's actions and resources.
func (s statement) rules() []rule {
	var rules []rule
	for _, action := range s.Action {
		for _, resource := range s.Resource {
			rules = append(rules, rule{
				Grant:  Grant{Action: action, Resource: resource},
				deny:   s.Effect == "Deny",
				action: strings.ToLower(action),
				keys:   s.keys(),
			})
		}
	}
	return rules
}
