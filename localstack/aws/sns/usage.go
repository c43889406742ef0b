package sns

// Usage is what was published and delivered.
type Usage struct {
	Requests int                   `json:"requests"` // Publish and PublishBatch
	Topics   map[string]TopicUsage `json:"topics"`   // by name
}

// TopicUsage counts what went through one topic since the last reset.
type TopicUsage struct {
	Published int `json:"published"` // repeated messages of FIFO topics not included
	Delivered int `json:"delivered"` // to a subscription each
	Failed    int `json:"failed"`
}

// Usage gives what was used since New or ResetUsage.
func (s *Service) Usage() Usage {
	u := Usage{Topics: map[string]TopicUsage{}}
	s.each(func(t *topic) { u.Topics[t.name] = t.usage })
	s.mu.Lock()
	defer s.mu.Unlock()
	u.Requests = s.requests
	return u
}

// ResetUsage starts counting anew.
func (s *Service) ResetUsage() {
	s.each(func(t *topic) { t.usage = TopicUsage{} })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = 0
}

// each visits the topics, locked.
func (s *Service) each(visit func(*topic)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.topics {
		t.mu.Lock()
		visit(t)
		t.mu.Unlock()
	}
}
