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
	// or item, in steps of 2 to 50 ns, see [pattern.Steps]. It suffices for a condition on
	// the longest list that two states of [events.MaxDataBytes] can have.
	MaxStepsPerChange = 256_000
	// FullMustWeight is the weight up to which a grant's filter is tried on all data of up
	// to [events.MaxDataBytes]. A filter of n times this is tried on data of an nth of that.
	FullMustWeight = 16
)

// ErrCostly says that a view was not evaluated because that would cost too much. Either the
// grant's filter weighs too much for data of this size, or the client's filter and fields
// need more steps than a change may take or than the budget has left.
var ErrCostly = errors.New("the view costs too much on this data")

// Budget is how many steps may still be taken for what clients chose: filters, fields and
// delta. Charges are computed from what grants show, so they tell nothing of what grants
// hide. A grant's own filter and mask are not charged: they are applied once a change for
// all views that share them, and the size of the data bounds their cost. A patch without
// fields is not charged either, because all views with the same mask share it.
//
// Not safe for concurrent use. A nil *Budget is not bounded; [MaxStepsPerChange] holds
// all the same.
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
