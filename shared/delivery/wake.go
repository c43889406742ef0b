package delivery

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// lease is how long a wake may take before the sweep sends another. A message is usually there
// within a second, and a delivery has ended within the timeout of its function.
const lease = 2 * time.Minute

// Waker wakes destinations by a message.
type Waker struct {
	Store Store
	Queue Queue
}

// Wake marks the standing and sends a message, unless one is waiting already. It costs one write
// unit, and for the index of the sweep one more if the standing was asleep, or two if it is being
// delivered. If the message cannot be sent, Wake takes the mark back and gives the error, and the caller
// has to try again. If that fails as well, the sweep sends a message within a few minutes.
func (w Waker) Wake(ctx context.Context, destination string, topic events.Topic, after events.Cursor) error {
	ref, message := Ref{destination, topic}, rand.Text()
	marked, err := w.Store.Mark(ctx, ref, message, after, time.Now().Add(lease))
	if err != nil || !marked {
		return err
	}
	return w.send(ctx, ref, message)
}

func (w Waker) send(ctx context.Context, ref Ref, message string) error {
	err := w.Queue.Send(ctx, ref, message)
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	return errors.Join(fmt.Errorf("wake %s of %s: %w", ref.Destination, ref.Topic, err), w.Store.Unmark(ctx, ref, message))
}

// restart lets a standing begin anew and wakes it. If the message cannot be sent, the sweep sends
// another within a few minutes.
func (w Waker) restart(ctx context.Context, ref Ref, at *watch.Place) error {
	message := rand.Text()
	if err := w.Store.Restart(ctx, ref, at, message, time.Now().Add(lease)); err != nil {
		return err
	}
	_ = w.Queue.Send(ctx, ref, message)
	return nil
}

// A sweep wakes at most sweptAtOnce standings of a part, of the first mostDue that are due. The rest is left
// to the next sweep.
const (
	sweptAtOnce = 200
	mostDue     = 20_000
)

// Sweep sends a message for each standing whose time has come, and for each destination: for a retry,
// because a message that was sent has not been heard of for longer than it can take, or because a
// destination has ended long ago. If there is too much for one sweep, it wakes as many of one destination
// as of another, the longest due first. So a destination whose topics all fail delays no other.
func (w Waker) Sweep(ctx context.Context) (woken int, err error) {
	var errs []error
	for part := range Parts {
		at := time.Now()
		due, err := w.Store.Due(ctx, part, at, mostDue)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, ref := range fair(due, sweptAtOnce) {
			message := rand.Text()
			claimed, err := w.Store.Claim(ctx, ref, message, at, at.Add(lease))
			if err == nil && claimed {
				if err = w.send(ctx, ref, message); err == nil {
					woken++
				}
			}
			errs = append(errs, err)
		}
	}
	return woken, errors.Join(errs...)
}

// fair gives at most so many of what is due: the first of each destination, then the second of each, and so
// on.
func fair(due []Ref, most int) []Ref {
	if len(due) <= most {
		return due
	}
	type entry struct {
		Ref
		rank int // among those of its destination
	}
	of, entries := map[string]int{}, make([]entry, len(due))
	for i, ref := range due {
		entries[i] = entry{ref, of[ref.Destination]}
		of[ref.Destination]++
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return a.rank - b.rank })
	chosen := make([]Ref, most)
	for i := range chosen {
		chosen[i] = entries[i].Ref
	}
	return chosen
}
