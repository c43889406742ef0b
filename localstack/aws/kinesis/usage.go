package kinesis

// Usage is what the streams have been used for, by name.
type Usage struct {
	Streams map[string]StreamUsage `json:"streams"`
}

// StreamUsage counts what went through one stream since the last reset.
type StreamUsage struct {
	PutRequests int `json:"putRequests"` // PutRecord and PutRecords
	GetRequests int `json:"getRequests"` // GetRecords, without what Lambda's pollers read
	Records     int `json:"records"`
	Bytes       int `json:"bytes"` // of data and partition keys
}

// Usage gives what was used since New or ResetUsage.
func (s *Service) Usage() Usage {
	u := Usage{Streams: map[string]StreamUsage{}}
	s.each(func(st *stream) { st.count(func(of *StreamUsage) { u.Streams[st.name] = *of }) })
	return u
}

// ResetUsage starts counting anew.
func (s *Service) ResetUsage() {
	s.each(func(st *stream) { st.count(func(of *StreamUsage) { *of = StreamUsage{} }) })
}

func (s *Service) each(visit func(*stream)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.streams {
		visit(st)
	}
}

// count changes or reads what was counted.
func (st *stream) count(change func(*StreamUsage)) {
	st.mu.Lock()
	defer st.mu.Unlock()
	change(&st.usage)
}
