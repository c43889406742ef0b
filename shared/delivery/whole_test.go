package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// get gives a destination of the owner as it is now.
func (w *world) get(id string) delivery.Destination {
	w.t.Helper()
	d, err := w.registrar.Get(w.t.Context(), w.owner, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// standing gives that of a topic.
func (w *world) standing(d delivery.Destination, topic events.Topic) delivery.Standing {
	w.t.Helper()
	for after := events.Topic(""); ; {
		all, more, err := w.registrar.Standings(w.t.Context(), d, after)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, s := range all {
			if after = s.Topic; s.Topic == topic {
				return s
			}
		}
		if !more {
			w.t.Fatalf("%s has no standing in %s", d.ID, topic)
		}
	}
}

// rows counts what the table has of a destination.
func (w *world) rows(id string) (n int) {
	w.t.Helper()
	out, err := w.db.Client.Scan(w.t.Context(), &dynamodb.ScanInput{TableName: &dynamotest.Tables.Destinations})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, row := range out.Items {
		if strings.Contains(fmt.Sprint(row["destination"]), id) {
			n++
		}
	}
	return n
}

// must fails the test for an error.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// failing answers for some topics as a receiver that fails.
func failing(topics ...events.Topic) func(delivery.Message) error {
	return func(m delivery.Message) error {
		for _, topic := range topics {
			if m.Ref.Topic == topic {
				return &delivery.Failure{Status: 500, Detail: "HTTP 500"}
			}
		}
		return nil
	}
}

// TestATestIsSentNowAndMovesNothing: its result is in the destination, and no standing has changed,
// whatever the answer. So is it for one that is paused or has failed for too long.
func TestATestIsSentNowAndMovesNothing(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a/**")
		w.write("a/1", "i", `{}`)
		w.pass(0)
		w.answer = failing("a/1")
		w.write("a/1", "i", `{}`)
		w.pass(0)
		before := w.standing(d, "a/1")
		for _, c := range []struct {
			answer error
			want   delivery.Result
			pause  bool
		}{
			{nil, delivery.Result{}, false},
			{&delivery.Failure{Status: 410, Gone: true, Detail: "HTTP 410"}, delivery.Result{Status: 410, Error: "HTTP 410"}, false},
			{errors.New("get secret value: access denied"), delivery.Result{Error: "the service could not send it"}, false},
			{nil, delivery.Result{}, true},
		} {
			if c.pause {
				w.must(w.registrar.Pause(t.Context(), w.get(d.ID)))
			}
			w.sent = nil
			w.answer = func(delivery.Message) error { time.Sleep(3 * time.Second); return c.answer }
			asked, err := w.registrar.Test(t.Context(), w.get(d.ID))
			w.must(err)
			if got := w.get(d.ID).Test; got.ID != asked.ID || !got.Result.At.IsZero() {
				t.Errorf("before it was sent it is %+v", got)
			}
			w.pass(0)
			got := w.get(d.ID)
			if len(w.sent) != 1 || w.sent[0].ID != asked.ID || w.sent[0].Test == nil || w.sent[0].Test.Topic != "a/**" || w.sent[0].Test.Destination != d.ID {
				t.Fatalf("it sends %+v", w.sent)
			}
			if r := got.Test.Result; r.At.IsZero() || r.Status != c.want.Status || r.Error != c.want.Error || got.Test.Took != 3*time.Second {
				t.Errorf("answered %v, the test is %+v", c.answer, got.Test)
			}
			if now := w.standing(d, "a/1"); !reflect.DeepEqual(now, before) || (got.Disabled != "") != c.pause {
				t.Errorf("it has changed from %+v to %+v, and the destination is %q", before, now, got.Disabled)
			}
		}
	})
}

// TestATestGoesToNobodyWhoDidNotAnswerAChallenge, nor of one that has ended, and costs as much as a
// challenge.
func TestATestGoesToNobodyWhoDidNotAnswerAChallenge(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.refusal = &delivery.Failure{Status: 404, Detail: "HTTP 404"}
		d := w.destination("a")
		w.pass(0)
		ctx, meter := watch.Metered(t.Context())
		refused := func(what, want string) {
			t.Helper()
			_, err := w.registrar.Test(ctx, w.get(d.ID))
			if wire := (*events.Error)(nil); !errors.As(err, &wire) || wire.Code != events.CodeBadRequest || !strings.Contains(wire.Message, want) {
				t.Errorf("%s: %v", what, err)
			}
		}
		refused("unverified", "enable challenges it")
		w.refusal = nil
		w.pass(time.Hour)
		_, err := w.registrar.Test(ctx, w.get(d.ID))
		w.must(err)
		if reads, _ := meter.Units(); reads < 2_000 {
			t.Errorf("a test costs %v units", reads)
		}
		// Its settings change before it is sent.
		changed := w.get(d.ID)
		changed.URL = "https://example.com/other"
		_, err = w.registrar.Change(t.Context(), w.owner, w.get(d.ID), changed)
		w.must(err)
		w.refusal = &delivery.Failure{Status: 404, Detail: "HTTP 404"}
		w.pass(time.Minute)
		if got := w.get(d.ID).Test.Result; len(w.sent) != 0 || !strings.Contains(got.Error, "challenge") {
			t.Errorf("to another URL it sends %+v, and the result is %+v", w.sent, got)
		}
		w.refusal = nil
		w.pass(time.Hour)
		w.registrar.Now = func() time.Time { return time.Now().Add(grant.DefaultDeliverFor + time.Hour) }
		refused("ended", "renew")
	})
}

// TestARotatedSecretOverlapsWithTheOneBefore: what signs is in the settings, and nothing else changes.
func TestARotatedSecretOverlapsWithTheOneBefore(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a")
		w.pass(0)
		w.answer = failing("a")
		w.write("a", "i", `{}`)
		w.pass(0)
		stale := w.get(d.ID)
		for n := range 2 {
			_, err := w.registrar.Rotate(t.Context(), w.get(d.ID))
			w.must(err)
			if got := w.get(d.ID); got.Rotations != int64(n+1) || got.Rotated != time.UnixMilli(time.Now().UnixMilli()) || !got.Verified {
				t.Errorf("after rotation %d it is %+v", n+1, got)
			}
		}
		if _, err := w.registrar.Rotate(t.Context(), stale); !errors.Is(err, watch.ErrUnavailable) {
			t.Errorf("two rotations at once: %v", err)
		}
		_, err := w.registrar.Change(t.Context(), w.owner, stale, stale)
		if !errors.Is(err, watch.ErrUnavailable) {
			t.Errorf("a change that knows nothing of the rotation: %v", err)
		}
		w.answer = failing()
		w.pass(10 * time.Minute)
		if len(w.sent) != 2 || w.sent[0].ID != w.sent[1].ID || len(w.taken) != 1 {
			t.Errorf("after the rotation a retry is %+v", w.sent)
		}
	})
}

// TestARenewalKeepsWhatIsBeingTried: a retry has the same id, so that its receiver knows it.
func TestARenewalKeepsWhatIsBeingTried(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a")
		w.answer = failing("a")
		w.write("a", "i", `{}`)
		w.pass(0)
		_, err := w.registrar.Change(t.Context(), w.owner, w.get(d.ID), w.get(d.ID))
		w.must(err)
		w.write("a", "i", `{}`)
		w.answer = failing()
		w.pass(10 * time.Minute)
		w.order("a", 2)
		if len(w.sent) < 2 || w.sent[0].ID != w.sent[1].ID {
			t.Errorf("renewed meanwhile, the retry is %+v", w.sent)
		}
	})
}

// TestAChangeOfSettingsKeepsWhatHasHappenedMeanwhile: the owner's request read the settings before.
func TestAChangeOfSettingsKeepsWhatHasHappenedMeanwhile(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a")
		w.pass(0)
		read := w.get(d.ID)
		w.answer = func(delivery.Message) error { return &delivery.Failure{Status: 410, Gone: true, Detail: "HTTP 410"} }
		w.write("a", "i", `{}`)
		w.pass(0)
		_, err := w.registrar.Change(t.Context(), w.owner, read, read)
		w.must(err)
		if got := w.get(d.ID); got.Disabled != delivery.Gone {
			t.Errorf("a destination that answered 410 in the meantime is %q", got.Disabled)
		}
	})
}

// TestARemovedDestinationLeavesNothing, however many topics it has, and whatever fails meanwhile.
func TestARemovedDestinationLeavesNothing(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a/**")
		w.pass(0)
		for n := range 130 {
			w.write(events.Topic(fmt.Sprint("a/", n)), "i", `{}`)
		}
		w.pass(0)
		w.deliverer.Time = 0 // a message does the least
		w.loses = 1
		w.must(w.registrar.Remove(t.Context(), w.get(d.ID)))
		if _, err := w.registrar.Get(t.Context(), w.owner, d.ID); err == nil {
			t.Error("its owner still sees it")
		}
		w.loses = 0
		w.pass(10 * time.Minute)
		if n := w.rows(d.ID); n != 0 || len(w.queue) != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// TestADestinationThatHasEndedLeavesNothing a week later, unless it is renewed in the meantime.
func TestADestinationThatHasEndedLeavesNothing(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.registrar.Now = func() time.Time { return time.Now().Add(time.Hour - grant.DefaultDeliverFor - 7*24*time.Hour) } // they were made so long ago
		ends, renewed := w.destination("a/**"), w.destination("a/**")
		w.registrar.Now = nil
		w.write("a/1", "i", `{}`)
		for _, d := range []delivery.Destination{ends, renewed} {
			w.must(w.waker.Wake(t.Context(), d.ID, "a/1", events.Cursor{})) // which finds that it has ended
		}
		w.pass(0)
		if _, err := w.registrar.Change(t.Context(), w.owner, w.get(renewed.ID), w.get(renewed.ID)); err != nil {
			t.Fatal(err)
		}
		w.pass(50 * time.Minute)
		if a, b := w.rows(ends.ID), w.rows(renewed.ID); a != 3 || b != 3 {
			t.Errorf("within the week there are %d and %d rows", a, b)
		}
		w.pass(20 * time.Minute)
		if a, b := w.rows(ends.ID), w.rows(renewed.ID); a != 0 || b != 3 || len(w.queue) != 0 {
			t.Errorf("a week after the end there are %d rows, and of one that was renewed %d", a, b)
		}
	})
}

// busy is a registry that counts what a request asks of it.
type busy struct {
	delivery.Registry
	calls int
}

func (b *busy) Restart(ctx context.Context, ref delivery.Ref, at *watch.Place, message string, look time.Time) error {
	b.calls++
	return b.Registry.Restart(ctx, ref, at, message, look)
}

func (b *busy) Drop(ctx context.Context, ref delivery.Ref) error {
	b.calls++
	return b.Registry.Drop(ctx, ref)
}

// TestARequestDoesNotGoThroughAllTopics: enable, PATCH and remove are done with before a destination
// with thousands of topics is. The rest goes on however often it is cut off.
func TestARequestDoesNotGoThroughAllTopics(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		const topics = 130
		counted := &busy{Registry: w.store}
		w.registrar.Registry = counted
		d := w.destination("a/**")
		w.pass(0)
		w.must(w.registrar.Pause(t.Context(), w.get(d.ID)))
		for n := range topics {
			w.write(events.Topic(fmt.Sprint("a/", n)), "i", `{}`)
		}
		w.pass(0)
		if len(w.sent) != 0 || w.due() != 0 {
			t.Fatalf("paused it sends %d messages, and %d are due", len(w.sent), w.due())
		}
		counted.calls = 0
		w.deliverer.Time = 0
		w.loses, w.dies = 0.1, 0.05
		w.must(w.registrar.Enable(t.Context(), w.get(d.ID)))
		if counted.calls != 0 {
			t.Errorf("enabling it touches %d topics", counted.calls)
		}
		w.pass(20 * time.Minute)
		w.loses, w.dies = 0, 0
		w.pass(20 * time.Minute)
		for n := range topics {
			w.order(events.Topic(fmt.Sprint("a/", n)), 1)
		}
		if w.due() != 0 || w.get(d.ID).Round.ID != "" {
			t.Errorf("%d are due, and the round is %+v", w.due(), w.get(d.ID).Round)
		}
		changed := w.get(d.ID)
		changed.Batch = 3
		_, err := w.registrar.Change(t.Context(), w.owner, w.get(d.ID), changed)
		w.must(err)
		w.must(w.registrar.Remove(t.Context(), w.get(d.ID)))
		if counted.calls != 0 {
			t.Errorf("changing and removing it touches %d topics", counted.calls)
		}
	})
}

// TestWhatFailsForThreeDays: a topic that fails alone is given up alone, because others were taken. A
// destination that takes nothing is disabled. Enabling lets both go on.
func TestWhatFailsForThreeDays(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.store.Retention = 300 * time.Hour
		w.sweeps = 30 * time.Minute
		alive, dead := w.destination("a/*"), w.destination("b/**")
		w.answer = func(m delivery.Message) error {
			if m.Ref.Topic == "a/bad" || strings.HasPrefix(string(m.Ref.Topic), "b/") {
				return &delivery.Failure{Status: 500, Detail: "HTTP 500"}
			}
			return nil
		}
		w.write("a/bad", "i", `{}`)
		for n := range 30 {
			w.write(events.Topic(fmt.Sprint("b/", n)), "i", `{}`)
		}
		w.pass(time.Hour)
		w.write("a/good", "i", `{}`)
		w.pass(92 * time.Hour)
		w.write("a/good", "i", `{}`)
		w.write("a/bad", "i", `{}`)
		w.pass(time.Hour)
		w.order("a/good", 2)
		if s := w.standing(alive, "a/bad"); !s.GivenUp || s.Phase != delivery.Stopped || s.Failures != 10 || w.get(alive.ID).Disabled != "" || w.due() != 0 {
			t.Errorf("the bad topic stands at %+v, and its destination is %q; %d are due", s, w.get(alive.ID).Disabled, w.due())
		}
		if got := w.get(dead.ID); got.Disabled != delivery.Failing {
			t.Errorf("the dead destination is %q", got.Disabled)
		}
		w.answer = failing()
		w.must(w.registrar.Enable(t.Context(), w.get(alive.ID)))
		w.must(w.registrar.Enable(t.Context(), w.get(dead.ID)))
		w.pass(time.Minute)
		w.order("a/bad", 2)
		for n := range 30 {
			w.order(events.Topic(fmt.Sprint("b/", n)), 1)
		}
		if s := w.standing(alive, "a/bad"); s.GivenUp || s.Failures != 0 || w.due() != 0 {
			t.Errorf("enabled it stands at %+v, %d are due", s, w.due())
		}
	})
}

// TestADeadDestinationDoesNotTakeTheSweep: of a dead one with many topics, ten are tried, and the sweep
// has no more to look at. When one of them is taken, all others follow in order.
func TestADeadDestinationDoesNotTakeTheSweep(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		const topics = 60
		dead := true
		w.answer = func(delivery.Message) error {
			if dead {
				return &delivery.Failure{Detail: "no answer"}
			}
			return nil
		}
		d := w.destination("a/**")
		for round := range 2 {
			for n := range topics {
				w.write(events.Topic(fmt.Sprint("a/", n)), "i", fmt.Sprint(round))
			}
			w.pass(5 * time.Minute)
		}
		if got := w.get(d.ID); len(got.Failing) != delivery.MostFailing || w.due() > delivery.MostFailing || len(w.sent) > 4*delivery.MostFailing {
			t.Errorf("%d topics fail, %d are due, and %d attempts were made", len(got.Failing), w.due(), len(w.sent))
		}
		dead = false
		w.pass(40 * time.Minute)
		for n := range topics {
			w.order(events.Topic(fmt.Sprint("a/", n)), 2)
		}
		if got := w.get(d.ID); len(got.Failing) != 0 || w.due() != 0 || got.Round.ID != "" {
			t.Errorf("alive again it is %+v, and %d are due", got, w.due())
		}
	})
}

// failsAsAWhole registers a destination for a/**, of which so many topics fail that the others are held back.
func (w *world) failsAsAWhole() delivery.Destination {
	w.t.Helper()
	w.answer = func(delivery.Message) error { return &delivery.Failure{Detail: "no answer"} }
	d := w.destination("a/**")
	w.pass(0)
	for n := range delivery.MostFailing {
		w.write(events.Topic(fmt.Sprint("a/", n)), "i", `{}`)
		w.pass(0)
	}
	return d
}

// TestADestinationThatIsAliveAgainIsFoundSoon if it has changes to get, although the ten that are tried wait
// for hours. While it is dead, it gets few attempts, however many topics change.
func TestADestinationThatIsAliveAgainIsFoundSoon(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.failsAsAWhole()
		w.pass(5 * time.Hour)
		before := len(w.sent)
		for n := range 40 {
			w.write(events.Topic(fmt.Sprint("a/new", n)), "i", `{}`)
			w.pass(0)
		}
		if n := len(w.sent) - before; n != 1 {
			t.Errorf("40 topics that change make %d attempts", n)
		}
		w.answer = failing()
		w.pass(6 * time.Minute)
		w.write("a/last", "i", `{}`)
		w.pass(time.Minute)
		for n := range delivery.MostFailing {
			w.order(events.Topic(fmt.Sprint("a/", n)), 1)
		}
		for n := range 40 {
			w.order(events.Topic(fmt.Sprint("a/new", n)), 1)
		}
		if got := w.get(d.ID); len(got.Failing) != 0 {
			t.Errorf("%q still fail", got.Failing)
		}
	})
}

// TestAMessageThatComesTwiceLosesNoChange: the second one finds the standing stopped, or asleep.
func TestAMessageThatComesTwiceLosesNoChange(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a")
		w.pass(0)
		w.must(w.registrar.Pause(t.Context(), w.get(d.ID)))
		w.write("a", "i", `{}`)
		w.pass(0)
		for range 2 {
			w.must(w.deliverer.Deliver(t.Context(), delivery.Ref{Destination: d.ID, Topic: "a"}))
		}
		if s := w.standing(d, "a"); s.Phase != delivery.Stopped || w.due() != 0 {
			t.Errorf("it stands at %+v, and %d are due", s, w.due())
		}
		w.must(w.registrar.Enable(t.Context(), w.get(d.ID)))
		w.pass(0)
		w.order("a", 1)
		w.must(w.deliverer.Deliver(t.Context(), delivery.Ref{Destination: d.ID, Topic: "a"}))
		if s := w.standing(d, "a"); s.Phase != delivery.Asleep || w.due() != 0 {
			t.Errorf("it stands at %+v, and %d are due", s, w.due())
		}
	})
}

// TestWhatIsAboutToStopSeesThatItWasEnabled: a delivery has read that the destination is paused, and stops the
// standing only after it was enabled. The message may be the first, or one that comes again.
func TestWhatIsAboutToStopSeesThatItWasEnabled(t *testing.T) {
	for _, again := range []bool{false, true} {
		inBubble(t, 1, func(t *testing.T, w *world) {
			d := w.destination("a")
			w.pass(0)
			w.must(w.registrar.Pause(t.Context(), w.get(d.ID)))
			w.write("a", "i", `{}`)
			if again {
				w.pass(0)
			}
			w.queue = nil // the message that is delivered now
			deliverer := w.deliverer
			deliverer.Store = &late{Store: w.deliverer.Store, before: func() {
				w.must(w.registrar.Enable(t.Context(), w.get(d.ID)))
				w.must(w.deliverer.Deliver(t.Context(), delivery.Ref{Destination: d.ID})) // the round
			}}
			w.must(deliverer.Deliver(t.Context(), delivery.Ref{Destination: d.ID, Topic: "a"}))
			w.pass(0)
			w.order("a", 1)
		})
	}
}

// TestWhatIsAboutToBeHeldBackSeesThatItNeedNot: a delivery has read that its destination fails as a whole,
// and stops the standing only after the destination has taken something.
func TestWhatIsAboutToBeHeldBackSeesThatItNeedNot(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.failsAsAWhole()
		w.write("a/other", "i", `{}`)
		w.queue = nil // the message that is delivered now
		deliverer := w.deliverer
		deliverer.Store = &late{Store: w.deliverer.Store, before: func() {
			w.answer = failing()
			time.Sleep(10 * time.Second)
			w.must(w.deliverer.Deliver(t.Context(), delivery.Ref{Destination: d.ID, Topic: w.get(d.ID).Failing[0]}))
			w.must(w.deliverer.Deliver(t.Context(), delivery.Ref{Destination: d.ID})) // the round
		}}
		w.must(deliverer.Deliver(t.Context(), delivery.Ref{Destination: d.ID, Topic: "a/other"}))
		w.pass(0)
		w.order("a/other", 1)
	})
}

// late is a store in which something happens before a standing stops.
type late struct {
	delivery.Store
	before func()
}

func (l *late) Stop(ctx context.Context, s delivery.Standing) error {
	l.before()
	return l.Store.Stop(ctx, s)
}

// TestTheSweepIsFair: thousands of topics of one destination are due, longer than one of another.
func TestTheSweepIsFair(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		for n := range 2000 {
			ref := delivery.Ref{Destination: "dst_many", Topic: events.Topic(fmt.Sprint("a/", n))}
			_, err := w.store.Mark(t.Context(), ref, "lost", events.Cursor{}, time.Now())
			w.must(err)
		}
		time.Sleep(time.Minute)
		last := delivery.Ref{Destination: "dst_one", Topic: "a"}
		_, err := w.store.Mark(t.Context(), last, "lost", events.Cursor{}, time.Now())
		w.must(err)
		woken, err := w.waker.Sweep(t.Context())
		w.must(err)
		if !slices.ContainsFunc(w.queue, func(m message) bool { return m.ref == last }) || woken != len(w.queue) || woken > 1700 || woken < 1500 {
			t.Errorf("of 2,000 of one destination and one of another, %d are woken", woken)
		}
		_, err = w.waker.Sweep(t.Context())
		w.must(err)
		if len(w.queue) != 2001 {
			t.Errorf("the next sweep wakes up to %d", len(w.queue))
		}
	})
}

// TestTopicsThatFailNoMoreHoldNobodyBack, also if they had nothing to send any more: their owner has
// moved their cursors.
func TestTopicsThatFailNoMoreHoldNobodyBack(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.failsAsAWhole()
		w.write("a/other", "i", `{}`)
		w.pass(0)
		failed := w.get(d.ID).Failing
		if s := w.standing(d, "a/other"); len(failed) != delivery.MostFailing || s.Phase != delivery.Stopped {
			t.Fatalf("%q fail, and the other topic stands at %+v", failed, s)
		}
		w.answer = func(delivery.Message) error { return nil }
		for _, topic := range failed {
			head, err := w.store.Head(t.Context(), topic)
			w.must(err)
			w.must(w.registrar.Replay(t.Context(), d, topic, head.Cursor))
		}
		w.pass(0)
		w.order("a/other", 1)
	})
}

// TestAnAttemptOfOtherSettingsIsNotRepeated: one event a message is wanted now, and the round that
// begins what is being tried anew has not come yet.
func TestAnAttemptOfOtherSettingsIsNotRepeated(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a")
		w.pass(0)
		for range 3 {
			w.write("a", "i", `{}`)
		}
		w.answer = failing("a")
		w.pass(0)
		changed := w.get(d.ID)
		changed.Format, changed.Batch = delivery.CloudEvent, 1
		_, err := w.registrar.Change(t.Context(), w.owner, w.get(d.ID), changed)
		w.must(err)
		w.queue, w.answer = nil, failing()
		time.Sleep(time.Minute)
		w.must(w.deliverer.Deliver(t.Context(), delivery.Ref{Destination: d.ID, Topic: "a"}))
		if len(w.taken) != 3 || len(w.taken[0].Changes) != 1 {
			t.Errorf("it gets %+v", w.taken)
		}
	})
}
