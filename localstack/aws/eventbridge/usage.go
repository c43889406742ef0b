package eventbridge

import "maps"

// Usage is what was put and delivered.
type Usage struct {
	Requests int                  `json:"requests"` // PutEvents
	Events   int                  `json:"events"`   // accepted, those of no bus included
	Rules    map[string]RuleUsage `json:"rules"`    // by ARN; without those that never fired
}

// RuleUsage counts what a rule has done.
type RuleUsage struct {
	Fired     int `json:"fired"`
	Delivered int `json:"delivered"` // to a target each
	Failed    int `json:"failed"`
}

// Usage gives what was used since New or ResetUsage.
func (s *Service) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.usage
	u.Rules = maps.Clone(u.Rules)
	return u
}

// ResetUsage starts counting anew.
func (s *Service) ResetUsage() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usage = Usage{Rules: map[string]RuleUsage{}}
}
