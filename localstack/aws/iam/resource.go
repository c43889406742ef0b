package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Delivery is what an AWS service does to a resource for another one, such as to send to a queue what
// a rule wants sent there.
type Delivery struct {
	Service  string // such as "events.amazonaws.com"
	Action   string // such as "sqs:SendMessage"
	Resource string // ARN
	Source   string // ARN of the rule or topic
	Account  string // of the source
}

// Permits reports whether a resource's own policy lets a service deliver; an empty policy does not.
// The error names what of the policy cannot be decided here.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html,
// https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
func (d Delivery) Permits(policy string) (bool, error) {
	if policy == "" {
		return false, nil
	}
	var doc document
	if err := strictly([]byte(policy), &doc); err != nil {
		return false, fmt.Errorf("read policy: %w", err)
	}
	allowed := false
	for i, s := range doc.Statement {
		applies, err := d.meets(s)
		switch {
		case err != nil:
			return false, fmt.Errorf("statement %d %s: %w", i+1, s.Sid, err)
		case applies && s.Effect == "Deny":
			return false, nil
		case applies:
			allowed = true
		}
	}
	return allowed, nil
}

// meets reports whether a statement is about the delivery.
func (d Delivery) meets(s statement) (bool, error) {
	switch {
	case s.NotAction != nil || s.NotResource != nil:
		return false, errors.New("the members NotAction and NotResource do not run locally")
	case s.Effect != "Allow" && s.Effect != "Deny":
		return false, fmt.Errorf("the Effect is %q, not Allow or Deny", s.Effect)
	}
	principal, err := d.isPrincipal(s.Principal)
	if err != nil || !principal {
		return false, err
	}
	action := strings.ToLower(d.Action)
	if !slices.ContainsFunc(s.Action, func(pattern string) bool { return matches(strings.ToLower(pattern), action) }) ||
		!slices.ContainsFunc(s.Resource, func(pattern string) bool { return matches(pattern, d.Resource) }) {
		return false, nil
	}
	return d.meetsAll(s.Condition)
}

// isPrincipal reports whether the service is among the principals. Everybody includes services.
func (d Delivery) isPrincipal(raw json.RawMessage) (bool, error) {
	var everybody string
	if json.Unmarshal(raw, &everybody) == nil {
		return everybody == "*", nil
	}
	var by map[string]oneOrMore[string]
	if err := json.Unmarshal(raw, &by); err != nil {
		return false, fmt.Errorf("read Principal: %w", err)
	}
	return slices.Contains(by["Service"], d.Service) || slices.Contains(by["AWS"], "*"), nil
}

// meetsAll reports whether the delivery meets all conditions of a statement.
func (d Delivery) meetsAll(conditions map[string]any) (bool, error) {
	facts := map[string]string{
		"aws:sourcearn": d.Source, "aws:sourceaccount": d.Account, "aws:securetransport": "true", "aws:principalisawsservice": "true",
	}
	all := true
	for operator, keys := range conditions {
		compare, ok := comparisons[operator]
		byKey, isObject := keys.(map[string]any)
		if !ok || !isObject {
			return false, fmt.Errorf("the condition %s does not run locally", operator)
		}
		for key, wanted := range byKey {
			fact, ok := facts[strings.ToLower(key)]
			if !ok {
				return false, fmt.Errorf("the condition on %s does not run locally", key)
			}
			if !slices.ContainsFunc(texts(wanted), func(pattern string) bool { return compare(pattern, fact) }) {
				all = false
			}
		}
	}
	return all, nil
}

// comparisons are the operators of conditions.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
var comparisons = map[string]func(pattern, fact string) bool{
	"StringEquals": func(pattern, fact string) bool { return pattern == fact },
	"StringLike":   matches,
	"ArnEquals":    matches,
	"ArnLike":      matches,
	"Bool":         strings.EqualFold,
}

// texts gives the values of a condition, of which one alone may stand without brackets.
func texts(value any) (list []string) {
	values, ok := value.([]any)
	if !ok {
		values = []any{value}
	}
	for _, v := range values {
		list = append(list, fmt.Sprint(v))
	}
	return list
}
