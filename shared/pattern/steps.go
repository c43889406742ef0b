package pattern

// Steps is how much matching may still cost. One step looks at one value of the event for
// one condition, or compares [StepBytes] more bytes of it, which takes 2 to 50 ns on a
// server. Not safe for concurrent use. A nil *Steps is not bounded.
type Steps struct{ left int }

// StepBytes is how much of a string or number one step compares.
const StepBytes = 64

// NewSteps gives n steps.
func NewSteps(n int) *Steps { return &Steps{n} }

// Take uses up n steps. It gives false if there were fewer, and from then on.
func (s *Steps) Take(n int) bool {
	if s == nil {
		return true
	}
	s.left -= n
	return s.left >= 0
}

// Spent tells whether more steps were needed than there were.
func (s *Steps) Spent() bool { return s != nil && s.left < 0 }

// Left is how many steps are left, 0 if they are spent. A nil *Steps cannot be asked.
func (s *Steps) Left() int { return max(s.left, 0) }
