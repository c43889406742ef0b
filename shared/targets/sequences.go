package targets

import "sync"

// maxSequences bounds the topics that a process remembers. When there are more, it forgets all of them.
const maxSequences = 1_000

// sequences are the numbers of the last records of topics. The zero value has none.
type sequences struct {
	mu   sync.Mutex
	last map[[2]string]*string // by stream and partition key
}

// get gives the number of the last record; nil if there is none.
func (s *sequences) get(stream, key string) *string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last[[2]string{stream, key}]
}

// set remembers the number of a record. nil forgets the one before.
func (s *sequences) set(stream, key string, number *string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil || len(s.last) >= maxSequences {
		s.last = map[[2]string]*string{}
	}
	if number == nil {
		delete(s.last, [2]string{stream, key})
		return
	}
	s.last[[2]string{stream, key}] = number
}
