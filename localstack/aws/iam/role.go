// Package iam is the only place that knows how IAM decides whether a role may make a
// call, and which actions on which resources a call is.
//
//	policy documents ─► Role ─► Session ── Authorize(Call) ─► nil or *Denied
//	operation, body ─► Scope ─► Calls ──────────┘
//
// Decided are identity-based policies: a matching Deny wins, without a matching Allow the answer is
// no. Of conditions only the one on the partition keys of DynamoDB is decided. Others, NotAction
// and NotResource are refused when a policy is read; boundaries, resource policies and the policies
// that AWS manages have no part here.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
package iam

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Grant is one action of an Allow statement on one of its resources, as the policy
// writes them.
type Grant struct {
	Action   string `json:"action"`
	Resource string `json:"resource"`
}

// rule is a grant, or its opposite, made ready for comparing.
type rule struct {
	Grant
	deny   bool
	action string   // in lower case: actions do not distinguish case
	keys   []string // patterns of the partition keys that it is about; nil for all
}

func (r rule) covers(c Call) bool {
	return matches(r.action, c.Action) && matches(r.Resource, c.Resource) &&
		(r.keys == nil || c.Key != "" && slices.ContainsFunc(r.keys, func(pattern string) bool { return matches(pattern, c.Key) }))
}

// Role is a role with its policies. It does not change and is safe for concurrent
// use.
type Role struct {
	arn   string
	rules []rule
}

// ParseRole makes a role of its policy documents. The error names the statement that
// IAM would refuse, or that cannot be decided here.
func ParseRole(arn string, documents ...json.RawMessage) (*Role, error) {
	r := &Role{arn: arn}
	for _, d := range documents {
		rules, err := parse(d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arn, err)
		}
		r.rules = append(r.rules, rules...)
	}
	return r, nil
}

// Allows reports whether the role may carry out an action, such as
// "dynamodb:PutItem", on the resource with an ARN, or on "*" for actions that know
// no resources.
func (r *Role) Allows(action, resource string) bool {
	at, denied := r.decide(Call{Action: action, Resource: resource})
	return at >= 0 && !denied
}

// decide gives the index of the first rule that allows, -1 without one, and whether
// another forbids.
func (r *Role) decide(c Call) (at int, denied bool) {
	at, c.Action = -1, strings.ToLower(c.Action)
	for i, rule := range r.rules {
		if at >= 0 && !rule.deny || !rule.covers(c) {
			continue
		}
		if rule.deny {
			return at, true
		}
		at = i
	}
	return at, false
}
