package main

// seqs are the numbers of the changes that a watcher has got. They begin at 1 and come
// nearly in order.
type seqs struct {
	upTo   int64          // it has all up to this one,
	beyond map[int64]bool // and these
}

// add reports whether the number is new.
func (s *seqs) add(seq int64) bool {
	if seq <= s.upTo || s.beyond[seq] {
		return false
	}
	if s.beyond == nil {
		s.beyond = map[int64]bool{}
	}
	s.beyond[seq] = true
	for s.beyond[s.upTo+1] {
		s.upTo++
		delete(s.beyond, s.upTo)
	}
	return true
}

// all reports whether none is missing up to the last.
func (s *seqs) all(last int64) bool { return s.upTo >= last }
