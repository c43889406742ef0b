package delivery

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/watchroute/watchroute/events"
)

// Round goes through the standings of a destination, and starts those again that were stopped, or wait for
// a retry.
type Round struct {
	ID    string       // empty if there is none
	All   bool         // also those that have given up
	After events.Topic // up to which it has come
}

// starts reports whether a round starts a standing again. One that is being delivered, and is about to
// stop, sees for itself that it has to go on.
func (r Round) starts(s Standing) bool {
	switch s.Phase {
	case Stopped:
		return r.All || !s.GivenUp
	case Called, Retrying:
		return s.Failures > 0
	}
	return false
}

// probePause is for how long nothing is tried of the topics that are held back.
const probePause = 5 * time.Minute

// probes reports whether a topic that would be held back is tried all the same: of a destination that
// fails as a whole, one in probePause.
func (d Deliverer) probes(ctx context.Context, to Destination) (bool, error) {
	now := time.Now()
	if !to.Verified || now.Before(to.Probed.Add(probePause)) {
		return false, nil
	}
	return d.Store.Probe(ctx, to, now)
}

// halt stops a standing. If there is no reason for it any more, because the settings have changed since they
// were read, it starts the standing again: the round of that change may have been here before.
func (d Deliverer) halt(ctx context.Context, s Standing) error {
	if err := d.Store.Stop(ctx, s); err != nil || s.GivenUp {
		return err
	}
	now, err := d.Store.Destination(ctx, s.Destination)
	if errors.Is(err, ErrUnknown) || err == nil && (now.Disabled != "" || now.holds(s.Topic)) {
		return nil
	}
	if err != nil {
		return err
	}
	return Waker{Store: d.Store, Queue: d.Queue}.restart(ctx, s.Ref, nil)
}

// Test is a message that an owner has asked for, to see whether it comes.
type Test struct {
	ID     string        // of the message; empty if there was no test
	Asked  time.Time     // when it was asked for
	Result Result        // its time is zero as long as nothing was sent
	Took   time.Duration // until the destination had answered
}

// tend does what is to be done for a destination as a whole.
func (d Deliverer) tend(ctx context.Context, id string) error {
	to, err := d.Store.Destination(ctx, id)
	if errors.Is(err, ErrUnknown) {
		return d.clear(ctx, id)
	}
	if err != nil {
		return err
	}
	if to.Test.ID != "" && to.Test.Result.At.IsZero() {
		if err := d.test(ctx, to); err != nil {
			return err
		}
	}
	if to.Round.ID == "" || to.Disabled != "" { // enabling it begins another
		return d.Store.EndRound(ctx, to)
	}
	err = d.round(ctx, to)
	if errors.Is(err, ErrOvertaken) {
		return nil // by another round, which has its own message
	}
	return err
}

// round goes on with a round. What it does not finish in its time is left to another message.
func (d Deliverer) round(ctx context.Context, to Destination) error {
	began, r, waker := time.Now(), to.Round, Waker{Store: d.Store, Queue: d.Queue}
	if !to.Verified { // one challenges for all, whatever its phase; its success begins another round
		if err := waker.restart(ctx, Ref{to.ID, to.Query.Topic}, nil); err != nil && !errors.Is(err, ErrUnknown) {
			return err
		}
		return d.Store.EndRound(ctx, to)
	}
	for {
		standings, more, err := d.Store.Standings(ctx, to.ID, r.After, standingsRead)
		if err != nil {
			return err
		}
		for _, s := range standings {
			r.After = s.Topic
			if !r.starts(s) || to.holds(s.Topic) {
				continue
			}
			if err := waker.restart(ctx, s.Ref, nil); err != nil && !errors.Is(err, ErrUnknown) {
				return err
			}
		}
		if !more {
			return d.Store.EndRound(ctx, to)
		}
		if err := d.Store.MoveRound(ctx, to.ID, r, time.Now().Add(lease)); err != nil {
			return err
		}
		if time.Since(began) >= d.Time {
			return d.Queue.Send(ctx, Ref{Destination: to.ID}, rand.Text())
		}
	}
}

// test sends the message that the owner has asked for, and changes no standing, whatever becomes of it.
func (d Deliverer) test(ctx context.Context, to Destination) error {
	why, err := d.ended(ctx, to)
	if err != nil {
		return err
	}
	t, began, failure := to.Test, time.Now(), (*Failure)(nil)
	switch {
	case why == Ended:
		failure = &Failure{Detail: "not sent: the destination has ended"}
	case !to.Verified:
		failure = &Failure{Detail: "not sent: the URL has not answered its challenge"}
	default:
		message := Message{ID: t.ID, Ref: Ref{to.ID, to.Query.Topic}, Test: &events.Test{Type: events.TypeTest, Destination: to.ID, Topic: to.Query.Topic, Time: events.Time(t.Asked)}}
		failure = d.failureOf(to, d.Sender.Send(ctx, to, message))
	}
	t.Result, t.Took = d.result(failure), time.Since(began)
	return d.Store.NoteTest(ctx, to.ID, t)
}

// clear removes what is left of a destination that was removed, or has ended long ago.
func (d Deliverer) clear(ctx context.Context, id string) error {
	gone, err := d.Store.Retire(ctx, id)
	if err != nil || !gone {
		return err
	}
	for began := time.Now(); ; {
		standings, more, err := d.Store.Standings(ctx, id, "", standingsRead)
		if err != nil {
			return err
		}
		for _, s := range standings {
			if err := d.Store.Drop(ctx, s.Ref); err != nil {
				return err
			}
		}
		if !more {
			return d.Store.ForgetDestination(ctx, id)
		}
		if time.Since(began) >= d.Time {
			return d.Queue.Send(ctx, Ref{Destination: id}, rand.Text())
		}
	}
}

// recovered notes that a destination has taken something, or that a topic does not fail any more.
func (d Deliverer) recovered(ctx context.Context, to *Destination) error {
	to.Failing = nil
	begun, err := d.Store.ClearFailing(ctx, to.ID, rand.Text(), time.Now().Add(lease))
	if err == nil && begun {
		d.call(ctx, to.ID)
	}
	return err
}

// call sends a message for a destination as a whole. If it cannot be sent, the sweep sends another.
func (d Deliverer) call(ctx context.Context, id string) {
	_ = d.Queue.Send(ctx, Ref{Destination: id}, rand.Text())
}
