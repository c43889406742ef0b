package sqs

// Usage is what the queues have been used for, by name.
type Usage struct {
	Queues map[string]QueueUsage `json:"queues"`
}

// QueueUsage counts what went through one queue since the last reset.
type QueueUsage struct {
	Requests int `json:"requests"` // about messages, as clients made them; a batch is one
	Sent     int `json:"sent"`     // messages, those of failure destinations included
	Received int `json:"received"`
	Deleted  int `json:"deleted"`
	Redriven int `json:"redriven"` // moved to the dead-letter queue
}

// Usage gives what was used since New or ResetUsage.
func (s *Service) Usage() Usage {
	u := Usage{Queues: map[string]QueueUsage{}}
	s.each(func(q *queue) { u.Queues[q.name] = q.usage })
	return u
}

// ResetUsage starts counting anew.
func (s *Service) ResetUsage() {
	s.each(func(q *queue) { q.usage = QueueUsage{} })
}

// each visits the queues, locked.
func (s *Service) each(visit func(*queue)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		q.mu.Lock()
		visit(q)
		q.mu.Unlock()
	}
}

// request counts a client's request. It refuses the request if a FIFO queue gets too many of its
// action.
func (q *queue) request(action string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.usage.Requests++
	return q.fifo.limitLocked(q.settings, action)
}
