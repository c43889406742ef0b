package grant

import (
	"errors"

	"github.com/watchroute/watchroute/shared/pattern"
)

// What views may cost.
const (
	// MaxFilterWeight bounds the weight of a client's filter, see [pattern.Pattern.Weight].
	MaxFilterWeight = 64
	// MaxStepsPerChange bounds what a client's filter, fields and delta take of one change
	// or item, in steps of 2 to 40 ns, see [pattern.Steps]. It suffices for a condition on
	// the longest list that two states of [events.MaxDataBytes] can have.
	MaxStepsPerChange = 256_000
	// FullMustWeight is the weight up to which a grant's filter is tried on all data of up
	// to [events.MaxDataBytes]. A filter of n times this is tried on data of an nth of that.
	FullMustWeight = 16
)

// ErrCostly says that a view was not evaluated, as that would take too much: a grant's
// filter for data of this size, or a client's filter and fields for what the grant shows.
var ErrCostly = errors.New("the view costs too much on this data")

// Budget is how many steps may still be taken for what clients chose: filters, fields and
// delta. What is taken depends only on what grants show, so that nothing can be learnt
// from it of what they hide. What a grant's filter and mask cost is not charged, as it is
// paid once a change for all who share it, and bounded by the size of the data alone.
//
// Not safe for concurrent use. A nil *Budget has no end, but [MaxStepsPerChange] holds.
type Budget struct{ left int }

// NewBudget gives n steps.
func NewBudget(n int) *Budget { return &Budget{max(0, n)} }

// Left is how many steps are left.
func (b *Budget) Left() int { return b.left }

// Take uses up n steps, or those that are left.
func (b *Budget) Take(n int) { b.left = max(0, b.left-n) }

// spend does work that may take the given steps, and no more than are left. done is false
// if that was not enough.
func (b *Budget) spend(most int, work func(*pattern.Steps)) (done bool) {
	if b != nil {
		most = min(most, b.left)
	}
	steps := pattern.NewSteps(most)
	work(steps)
	if b != nil {
		b.left -= most - steps.Left()
	}
	return !steps.Spent()
}
