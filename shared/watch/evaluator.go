package watch

import (
	"context"
	"fmt"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// What filters, fields and patches that clients chose may cost, in steps of package grant.
// Changes for which nothing is left are told by their number alone; the next batch or answer
// has all steps again.
const (
	// maxBatchSteps bounds the views of one batch of the stream.
	maxBatchSteps = 5_000_000
	// maxSubjectSteps bounds those of them that one subject asks for.
	maxSubjectSteps = 2 * grant.MaxStepsPerChange
	// maxAnswerSteps bounds one answer.
	maxAnswerSteps = 2_000_000
)

// maxEvaluation is how long all views of a batch together may be evaluated. It includes the
// grants' filters and masks, for which no steps are charged: a thousand grants may have filters
// of their own, and an item may be costly for each. Later changes are told by number alone.
const maxEvaluation = time.Second

// evaluator makes the frames of groups, within what a batch may cost.
type evaluator struct {
	changes [][]change
	batch   *grant.Budget
	purses  map[Key]*grant.Budget // of those who have spent anything
	took    time.Duration         // to evaluate so far
}

func newEvaluator(numbered []Numbered) *evaluator {
	e := &evaluator{changes: make([][]change, len(numbered)), batch: grant.NewBudget(maxBatchSteps), purses: map[Key]*grant.Budget{}}
	for i, n := range numbered {
		e.changes[i] = changesOf(n.Entries)
	}
	return e
}

// frames makes what a group is sent, which is hashed once for all of it. The error is that
// there is no time left.
func (e *evaluator) frames(ctx context.Context, g *group) ([]Frame, error) {
	if g.lapsed {
		frame, _ := WireError(ErrTokenExpired)
		body, err := events.Encode(frame)
		return []Frame{NewFrame(body)}, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("evaluate views: %w", err)
	}
	changes := e.seen(g)
	bodies, err := events.PackChanges(changes)
	if err != nil {
		return nil, fmt.Errorf("push %d changes: %w", len(changes), err)
	}
	var frames []Frame
	for _, body := range bodies {
		frames = append(frames, NewFrame(body))
	}
	return frames, nil
}

// seen is what a group sees of the batch. One of its subjects pays for it.
func (e *evaluator) seen(g *group) (changes []events.Change) {
	began := time.Now()
	purse := e.richest(g.connections)
	given := min(purse.Left(), e.batch.Left())
	budget := grant.NewBudget(given)
	for _, w := range g.watched {
		if e.took > maxEvaluation && !w.sub.View.IsZero() {
			changes = append(changes, unseen(e.changes[w.index])...)
			continue
		}
		changes = seen(changes, w.sub.View, w.sub.Options, e.changes[w.index], budget)
	}
	purse.Take(given - budget.Left())
	e.batch.Take(given - budget.Left())
	e.took += time.Since(began)
	return changes
}

// richest gives the fullest purse of a group's subjects. So a subject loses nothing when it
// sees the same as another that has spent all.
func (e *evaluator) richest(connections []watcher) (richest *grant.Budget) {
	for _, connection := range connections {
		key := spender(connection.Key)
		purse := e.purses[key]
		if purse == nil {
			purse = grant.NewBudget(maxSubjectSteps)
			e.purses[key] = purse
			return purse // which is full
		}
		if richest == nil || purse.Left() > richest.Left() {
			richest = purse
		}
	}
	return richest
}
