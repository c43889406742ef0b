package delivery

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// Topics reads what a destination gets, as it reads for other clients.
type Topics interface {
	Portion(ctx context.Context, v watch.Viewer, q watch.Query, after events.Cursor, most int64) (watch.Missed, error)
	Snapshot(context.Context, watch.Viewer, watch.PageQuery) (watch.Page, error)
}

// Deliverer delivers to destinations.
type Deliverer struct {
	Store       Store
	Topics      Topics
	Revocations watch.Revocations
	Sender      Sender
	Queue       Queue
	Logger      *slog.Logger
	// Time is after how long the rest is left to another message, so that a destination that is far
	// behind does not take a function's whole time.
	Time time.Duration
}

// Deliver delivers what a destination has not had of a topic, or does what is to be done for it as a
// whole. An error means that the same message
// has to come again. A destination that fails is no error: its next attempt is in its standing.
func (d Deliverer) Deliver(ctx context.Context, ref Ref) error {
	if ref.Topic == "" {
		return d.tend(ctx, ref.Destination)
	}
	standing, err := d.Store.Begin(ctx, ref, time.Now().Add(lease)) // takes away the mark before the log is read
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	to, err := d.Store.Destination(ctx, ref.Destination)
	if errors.Is(err, ErrUnknown) {
		return d.Store.Drop(ctx, ref)
	}
	if err != nil {
		return err
	}
	err = d.run(ctx, to, standing)
	if errors.Is(err, ErrOvertaken) {
		return nil // by somebody who wakes it, or by a delivery that has begun later
	}
	return err
}

// run makes one attempt after the other until nothing is left, one fails, or its time is over.
func (d Deliverer) run(ctx context.Context, to Destination, s Standing) error {
	began := time.Now()
	if s.RetryAt.After(began) {
		return d.Store.Fail(ctx, s) // as it was, with a mark again: the sweep comes then
	}
	why, err := d.ended(ctx, to)
	if err != nil {
		return err
	}
	if why != "" {
		return d.stop(ctx, to, s, why)
	}
	if to.holds(s.Topic) {
		if probes, err := d.probes(ctx, to); err != nil || !probes {
			return errors.Join(err, d.halt(ctx, s))
		}
	}
	if failure := d.verify(ctx, &to); failure != nil {
		s.Last = d.result(failure)
		return d.failed(ctx, to, s, failure)
	}
	for {
		p, err := d.next(ctx, to, s)
		if err != nil {
			return d.unreadable(ctx, to, s, err)
		}
		result := s.Last
		if !p.empty() {
			if err := d.record(ctx, &s, p); err != nil {
				return err
			}
			var failure *Failure
			if result, failure = d.send(ctx, to, p); failure != nil {
				s.Last = result
				return d.failed(ctx, to, s, failure)
			}
		}
		if err := d.Store.Move(ctx, s, p.place, !p.more, result); err != nil {
			return err
		}
		if len(to.Failing) > 0 && (!p.empty() || slices.Contains(to.Failing, s.Topic)) {
			if err := d.recovered(ctx, &to); err != nil {
				return err
			}
		}
		if !p.more {
			return nil
		}
		s = Standing{Ref: s.Ref, Generation: s.Generation, Replays: s.Replays, Place: p.place, Last: result} // operators know that it goes on
		if time.Since(began) >= d.Time {
			return Waker{Store: d.Store, Queue: d.Queue}.Wake(ctx, s.Destination, s.Topic, s.After)
		}
	}
}

// ended says why a destination gets nothing; empty if it does.
func (d Deliverer) ended(ctx context.Context, to Destination) (Reason, error) {
	if to.Disabled != "" {
		return to.Disabled, nil
	}
	if !to.Expires.IsZero() && !time.Now().Before(to.Expires) {
		return Ended, nil
	}
	if to.Subject == watch.Anonymous || to.Subject == watch.Deployer {
		return "", nil // without a token
	}
	err := watch.CheckRevoked(ctx, d.Revocations, to.Subject, to.Access)
	if errors.Is(err, watch.ErrRevoked) {
		return Ended, nil
	}
	return "", err
}

// stop disables a destination that is not disabled yet, and stops the standing.
func (d Deliverer) stop(ctx context.Context, to Destination, s Standing, why Reason) error {
	if to.Disabled == "" {
		if err := d.Store.Disable(ctx, to, why); err != nil {
			return err
		}
		d.Logger.Warn("destination disabled", "destination", to.ID, "topic", s.Topic, "reason", why, "status", s.Last.Status)
	}
	return d.halt(ctx, s)
}

// unreadable ends a delivery whose topic cannot be read. What will not pass ends the destination:
// its token does not allow the topic any more. A subject that has spent its allowance is nobody's
// failure: the sweep comes when there is another.
func (d Deliverer) unreadable(ctx context.Context, to Destination, s Standing, err error) error {
	if errors.Is(err, watch.ErrTooManyRequests) {
		s.RetryAt = time.Now().Add(watch.AllowancePeriod)
		return d.Store.Fail(ctx, s)
	}
	if wire := (*events.Error)(nil); errors.As(err, &wire) && wire.Code == events.CodeForbidden {
		return d.stop(ctx, to, s, Ended)
	}
	return fmt.Errorf("read %s for destination %s: %w", s.Topic, to.ID, err)
}

// record notes what is going to be sent, unless it is what was tried before.
func (d Deliverer) record(ctx context.Context, s *Standing, p parcel) error {
	if s.Attempt != nil && *s.Attempt == p.attempt() {
		return nil
	}
	attempt := p.attempt()
	s.Attempt = &attempt
	return d.Store.Try(ctx, *s)
}

// verify challenges a destination that has not answered a challenge yet. A round then starts what was
// held back.
func (d Deliverer) verify(ctx context.Context, to *Destination) *Failure {
	if to.Verified {
		return nil
	}
	if failure := d.failureOf(*to, d.Sender.Challenge(ctx, *to)); failure != nil {
		return failure
	}
	round := ""
	if to.Query.Topic.IsPattern() {
		round = rand.Text()
	}
	if failure := d.failureOf(*to, d.Store.Verify(ctx, to.ID, to.Version, round, time.Now().Add(lease))); failure != nil {
		return failure
	}
	if to.Verified = true; round != "" {
		d.call(ctx, to.ID)
	}
	return nil
}

// send makes one attempt.
func (d Deliverer) send(ctx context.Context, to Destination, p parcel) (Result, *Failure) {
	failure := d.failureOf(to, d.Sender.Send(ctx, to, p.Message))
	return d.result(failure), failure
}

// failureOf gives an error as a failure; nil for none. What is wrong with the service is for the
// operator, and the owner learns only that something is.
func (d Deliverer) failureOf(to Destination, err error) *Failure {
	failure := (*Failure)(nil)
	if err == nil || errors.As(err, &failure) {
		return failure
	}
	d.Logger.Error("cannot send", "destination", to.ID, "err", err)
	return &Failure{Detail: "the service could not send it"}
}

// result is what is kept of an attempt.
func (d Deliverer) result(f *Failure) Result {
	if f == nil {
		return Result{At: time.Now()}
	}
	return Result{At: time.Now(), Status: f.Status, Error: cmp.Or(oneLine(f.Detail), "failed")}
}

// failed notes a failed attempt. If it was the last, it disables the destination, or gives up the topic if
// the destination has taken something else.
func (d Deliverer) failed(ctx context.Context, to Destination, s Standing, f *Failure) error {
	s.Failures++
	if s.Since.IsZero() {
		s.Since = s.Last.At
	}
	wait, ok := pause(s.Failures, f)
	if to.Name != "" {
		d.Logger.Warn("declared destination fails", "name", to.Name, "topic", s.Topic, "failures", s.Failures, "reason", s.Last.Error)
		if !ok { // nobody could enable it again, so it is not given up
			wait, ok = pause(len(schedule), f)
		}
	}
	s.RetryAt = s.Last.At.Add(wait)
	if err := d.Store.Fail(ctx, s); err != nil {
		return err
	}
	switch {
	case f.Gone:
		return d.stop(ctx, to, s, Gone)
	case !ok && !slices.Contains(to.Failing, s.Topic): // something else was taken in the meantime
		s.GivenUp = true
		d.Logger.Warn("topic given up", "destination", to.ID, "topic", s.Topic, "status", s.Last.Status)
		return d.halt(ctx, s)
	case !ok:
		return d.stop(ctx, to, s, Failing)
	case s.Failures == 1:
		return d.Store.NoteFailing(ctx, to.ID, s.Topic, s.Last.At)
	}
	return nil
}

// parcel is what is to be sent next, and where the destination stands when it has been taken.
type parcel struct {
	Message
	until events.Cursor
	place watch.Place
	more  bool
}

// empty reports whether there is nothing to send: no change, or none that the destination sees.
func (p parcel) empty() bool { return p.ID == "" }

func (p parcel) attempt() Attempt { return Attempt{ID: p.ID, Until: p.until} }

// next gives what comes next. If an attempt was recorded, it is the same as then.
func (d Deliverer) next(ctx context.Context, to Destination, s Standing) (parcel, error) {
	switch {
	case s.Topic.IsPattern():
		return parcel{place: s.Place}, nil
	case s.Items:
		return d.items(ctx, to, s)
	}
	most := int64(to.Batch)
	if s.Attempt != nil && s.Attempt.Until != (events.Cursor{}) {
		most = s.Attempt.Until.Seq - s.After.Seq
	}
	missed, err := d.Topics.Portion(ctx, to.Viewer, to.Query.Below(s.Topic), s.After, most)
	if err != nil {
		return parcel{}, err
	}
	p := parcel{Message: Message{Ref: s.Ref}, more: true}
	if missed.Reset != "" {
		p.Reset = &events.Reset{Topic: s.Topic, Reason: missed.Reset}
		p.place = watch.Place{Items: true}
		p.ID = id(to, s, "reset", s.After.String(), string(missed.Reset))
		return p, nil
	}
	shown, until, rest, err := cut(missed)
	if err != nil {
		return parcel{}, err
	}
	p.more = missed.More || rest
	p.place = watch.Place{After: until}
	if visible(shown) {
		p.Changes, p.until = shown, until
		p.ID = id(to, s, "changes", s.After.String(), until.String())
	}
	if s.Attempt != nil && s.Attempt.Until != (events.Cursor{}) && s.Attempt.ID != p.ID { // it was of other settings
		s.Attempt = nil
		return d.next(ctx, to, s)
	}
	return p, nil
}

// cut gives the changes that fit into one frame, and the cursor of the last of them.
func cut(missed watch.Missed) (shown []events.Change, until events.Cursor, rest bool, err error) {
	frames, last, err := events.PackChangesUpTo(missed.Changes)
	if err != nil || len(frames) <= 1 {
		return missed.Changes, missed.Cursor, false, err
	}
	for n, c := range missed.Changes {
		if c.Cursor() == last[0] {
			return missed.Changes[:n+1], last[0], true, nil
		}
	}
	return nil, events.Cursor{}, false, fmt.Errorf("no change has the cursor %s", last[0])
}

// visible reports whether any of the changes is shown.
func visible(changes []events.Change) bool {
	for _, c := range changes {
		if c.Op != events.Skipped {
			return true
		}
	}
	return false
}

// What bounds the items of a message after a reset. One item alone has up to [events.MaxDataBytes].
const (
	itemsAtOnce = 50
	itemsBytes  = 64 << 10 // as JSON
)

// items gives the next page of a topic's items. If they have changed since an attempt, the message
// is another one, with another id.
func (d Deliverer) items(ctx context.Context, to Destination, s Standing) (parcel, error) {
	page, body, err := d.page(ctx, to, s)
	if wire := (*events.Error)(nil); s.Next != "" && errors.As(err, &wire) && wire.Code == events.CodeBadCursor {
		// What sealed the place is gone: the items begin anew.
		return parcel{Message: Message{Ref: s.Ref}, place: watch.Place{Items: true}, more: true}, nil
	}
	if err != nil {
		return parcel{}, err
	}
	snapshot := events.Snapshot{Topic: s.Topic, Cursor: page.Cursor, Items: page.Items, Costly: page.Costly, More: page.Next != ""}
	p := parcel{Message: Message{Ref: s.Ref, Items: &snapshot}, more: true, place: watch.Place{After: page.Cursor}}
	if page.Next != "" {
		p.place = watch.Place{Items: true, Next: page.Next}
	}
	p.ID = id(to, s, "items", s.Next, page.Cursor.String(), string(body))
	return p, nil
}

// page reads the next page, and again with fewer items until it is small enough. body has the items as
// JSON.
func (d Deliverer) page(ctx context.Context, to Destination, s Standing) (page watch.Page, body []byte, err error) {
	for limit := itemsAtOnce; ; limit = max(1, min(limit/2, limit*itemsBytes/len(body))) {
		page, err = d.Topics.Snapshot(ctx, to.Viewer, watch.PageQuery{Query: to.Query.Below(s.Topic), Next: s.Next, Limit: limit})
		if err != nil {
			return page, nil, err
		}
		if body, err = events.Marshal(page.Items); err != nil || len(body) <= itemsBytes || limit == 1 {
			return page, body, err
		}
	}
}

// id names a message: the same for the same content to the same destination, until that is replayed.
// It has no dot, as Standard Webhooks wants it.
func id(to Destination, s Standing, content ...string) string {
	hash := sha256.New()
	about := []string{s.Destination, string(s.Topic), to.sends()}
	if s.Replays > 0 { // whoever has dropped repeats must not drop what is sent again on purpose
		about = append(about, fmt.Sprint(s.Replays))
	}
	for _, text := range append(about, content...) {
		fmt.Fprintf(hash, "%d %s\n", len(text), text)
	}
	return "msg_" + hex.EncodeToString(hash.Sum(nil)[:16])
}

// oneLine shortens what a destination has answered to what its owner is shown.
func oneLine(text string) string {
	const most = 300
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
