package iam

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

// Call is one action on one resource. A request may be several.
type Call struct {
	Action   string // as the service names it, such as "dynamodb:PutItem"
	Resource string // ARN, or "*"
	// Key is the partition key of the item that the call is about, if that is a string and the
	// operation has one item. Batches and transactions have none here.
	Key string
}

// Session is a role that a function has assumed. It counts what was allowed and
// refused. Safe for concurrent use.
type Session struct {
	role *Role
	user string // ARN of the assumed role
	used []atomic.Int64

	mu     sync.Mutex
	denied map[string]int
}

// Session gives the role to the function of that name.
func (r *Role) Session(function string) *Session {
	role := strings.NewReplacer(":iam:", ":sts:", ":role/", ":assumed-role/").Replace(r.arn)
	return &Session{role: r, user: role + "/" + function, used: make([]atomic.Int64, len(r.rules)), denied: map[string]int{}}
}

// Denied is a refused call.
type Denied struct {
	Call
	User     string // ARN of the assumed role
	Explicit bool   // whether a policy forbids it, rather than none allows it
}

// Error is AWS's own text.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func (d *Denied) Error() string {
	why := "because no identity-based policy allows the " + d.Action + " action"
	if d.Explicit {
		why = "with an explicit deny in an identity-based policy"
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", d.User, d.Action, d.Resource, why)
}

// Authorize gives a *Denied for the first of the calls that the role does not allow,
// nil if it allows all.
func (s *Session) Authorize(calls ...Call) error {
	for _, c := range calls {
		at, denied := s.role.decide(c)
		if at < 0 || denied {
			s.refused(c.Action)
			return &Denied{Call: c, User: s.user, Explicit: denied}
		}
		s.used[at].Add(1)
	}
	return nil
}

func (s *Session) refused(action string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied[action]++
}

// Usage is what became of the calls of all functions.
type Usage struct {
	Denied    int                     `json:"denied"`
	Functions map[string]SessionUsage `json:"functions"`
}

// SessionUsage is what became of one function's calls.
type SessionUsage struct {
	Denied map[string]int `json:"denied"` // by action
	Grants []GrantUsage   `json:"grants"` // all that the role has
}

// GrantUsage tells how many calls a grant allowed. Of grants that overlap only the
// first counts: the others are not needed for the call.
type GrantUsage struct {
	Grant
	Used int64 `json:"used"`
}

// Usage gives what was counted since Session or ResetUsage.
func (s *Session) Usage() SessionUsage {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := SessionUsage{Denied: maps.Clone(s.denied)}
	for i, r := range s.role.rules {
		if !r.deny {
			u.Grants = append(u.Grants, GrantUsage{Grant: r.Grant, Used: s.used[i].Load()})
		}
	}
	return u
}

// ResetUsage starts counting anew.
func (s *Session) ResetUsage() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.denied)
	for i := range s.used {
		s.used[i].Store(0)
	}
}
