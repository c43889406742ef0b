package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// inBubble runs a test in time that passes at once.
func inBubble(t *testing.T, seed uint64, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, seed)) })
}

func TestChangesAreDeliveredInOrder(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.destination("orders/**")
		w.destination("orders/1")
		for n := range 5 {
			w.write("orders/1", "a", fmt.Sprintf(`{"n":%d}`, n))
			w.write("orders/2", "a", fmt.Sprintf(`{"n":%d}`, n))
			w.write("other", "a", `{}`)
		}
		w.pass(0)
		w.order("orders/1", 5)
		w.order("orders/2", 5)
		w.order("other", 0)
		if w.due() != 0 {
			t.Errorf("%d standings are awake", w.due())
		}
	})
}

// TestManyChangesMakeFewMessages: those that come before the first message is read need no other.
func TestManyChangesMakeFewMessages(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.destination("a")
		for n := range 250 {
			w.write("a", "i", fmt.Sprintf(`{"n":%d}`, n))
		}
		if len(w.queue) != 1 {
			t.Errorf("%d messages wait for one destination and topic", len(w.queue))
		}
		w.pass(0)
		w.order("a", 250)
		if len(w.sent) != 3 {
			t.Errorf("250 changes came in %d messages, want 3 of up to 100", len(w.sent))
		}
	})
}

// TestAChangeSoonAfterADeliveryIsDelivered: the queue remembers ids for five minutes.
func TestAChangeSoonAfterADeliveryIsDelivered(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.destination("a")
		for n := range 4 {
			w.write("a", "i", fmt.Sprintf(`{"n":%d}`, n))
			w.pass(0)
			w.order("a", int64(n+1))
		}
	})
}

// TestAChangeDuringADeliveryIsDelivered: one that is written after the log was read, and before the
// delivery ends, needs no further change.
func TestAChangeDuringADeliveryIsDelivered(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.destination("a")
		w.answer = func(delivery.Message) error {
			if w.writes < 5 {
				w.write("a", "i", fmt.Sprintf(`{"n":%d}`, w.writes))
			}
			return nil
		}
		w.write("a", "i", `{}`)
		w.pass(0)
		w.order("a", 5)
		if w.due() != 0 {
			t.Errorf("%d standings are awake", w.due())
		}
	})
}

// TestADeliveryThatIsOvertakenMovesNothing: a message may come again while its first delivery still
// runs. Then the cursor must not go back, and the attempt of the one must not become that of the other.
func TestADeliveryThatIsOvertakenMovesNothing(t *testing.T) {
	for name, failure := range map[string]error{"it is taken": nil, "it fails": &delivery.Failure{Status: 500, Detail: "HTTP 500"}, "it is gone": &delivery.Failure{Status: 410, Gone: true, Detail: "HTTP 410"}} {
		inBubble(t, 1, func(t *testing.T, w *world) {
			d := w.destination("a")
			w.pass(0)
			w.write("a", "i", `{"n":1}`)
			first := true
			w.answer = func(delivery.Message) error {
				if !first {
					return nil
				}
				first = false
				w.write("a", "i", `{"n":2}`)
				if err := w.deliverer.Deliver(t.Context(), delivery.Ref{Destination: d.ID, Topic: "a"}); err != nil {
					t.Error(err)
				}
				return failure
			}
			w.pass(0)
			standings, _, err := w.registrar.Standings(t.Context(), d, "")
			if err != nil || len(standings) != 1 || standings[0].After.Seq != 2 || standings[0].Failures != 0 || standings[0].Attempt != nil {
				t.Errorf("%s: after the later delivery it stands at %+v, %v", name, standings, err)
			}
			if d, err := w.registrar.Get(t.Context(), w.owner, d.ID); err != nil || d.Disabled != "" {
				t.Errorf("%s: it is %q, %v", name, d.Disabled, err)
			}
			w.write("a", "i", `{"n":3}`)
			w.pass(0)
			w.order("a", 3)
			if n := len(w.taken); n == 0 || len(w.taken[n-1].Changes) != 1 {
				t.Errorf("%s: the third change comes as %+v", name, w.taken)
			}
			if w.due() != 0 {
				t.Errorf("%s: %d standings are awake", name, w.due())
			}
		})
	}
}

// TestRetriesComeAtTheScheduledTimes, with the same id and the same body, also when more changes came
// meanwhile, and those changes cause no attempt before its time.
func TestRetriesComeAtTheScheduledTimes(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a")
		w.store.Retention = 200 * time.Hour
		w.sweeps = 5 * time.Minute // a sweep a minute makes this test long
		w.answer = func(delivery.Message) error { return &delivery.Failure{Status: 500, Detail: "HTTP 500"} }
		w.write("a", "i", `{"n":0}`)
		for range 95 {
			w.write("a", "i", `{"n":1}`)
			w.pass(time.Hour)
		}
		pauses := []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
		if len(w.sent) != len(pauses)+1 {
			t.Fatalf("%d attempts, want %d", len(w.sent), len(pauses)+1)
		}
		for i, want := range pauses {
			got := w.attempted[i+1].Sub(w.attempted[i])
			if got < want || got > want*6/5+w.sweeps+time.Second {
				t.Errorf("pause %d is %s, want %s and up to a fifth more", i, got, want)
			}
			if w.sent[i+1].ID != w.sent[0].ID || len(w.sent[i+1].Changes) != len(w.sent[0].Changes) {
				t.Errorf("attempt %d is another message", i)
			}
		}
		if d, err := w.registrar.Get(t.Context(), w.owner, d.ID); err != nil || d.Disabled != delivery.Failing {
			t.Errorf("after the last attempt it is %q, %v", d.Disabled, err)
		}
		if w.due() != 0 || len(w.queue) != 0 {
			t.Errorf("a disabled destination is awake: %d due, %d messages", w.due(), len(w.queue))
		}
	})
}

// TestADisabledDestinationGoesOnWhereItStopped.
func TestADisabledDestinationGoesOnWhereItStopped(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a")
		w.answer = func(delivery.Message) error {
			return &delivery.Failure{Status: http.StatusGone, Gone: true, Detail: "HTTP 410"}
		}
		w.write("a", "i", `{"n":1}`)
		w.pass(time.Hour)
		if len(w.sent) != 1 {
			t.Errorf("%d attempts after a 410, want 1", len(w.sent))
		}
		for n := range 3 {
			w.write("a", "i", fmt.Sprintf(`{"n":%d}`, n))
		}
		w.pass(time.Hour)
		d, err := w.registrar.Get(t.Context(), w.owner, d.ID)
		if err != nil || d.Disabled != delivery.Gone || len(w.sent) != 1 {
			t.Errorf("it is %q, %v, after %d attempts", d.Disabled, err, len(w.sent))
		}
		w.answer = func(delivery.Message) error { return nil }
		if err := w.registrar.Enable(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		w.pass(0)
		w.order("a", 4)
		if w.due() != 0 {
			t.Errorf("%d standings are awake", w.due())
		}
	})
}

// TestWhatFailsInTheServiceIsNotShown to the owner of a destination, who learns that something does.
// The operator finds it in the log, and what was not sent is sent later.
func TestWhatFailsInTheServiceIsNotShown(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		var log bytes.Buffer
		w.deliverer.Logger = slog.New(slog.NewTextHandler(&log, nil))
		d := w.destination("a")
		ours := errors.New("get secret value of arn:aws:secretsmanager:us-east-1:123456789012:secret:s: access denied")
		w.answer = func(delivery.Message) error { return ours }
		w.write("a", "i", `{"n":1}`)
		w.pass(0)
		standings, _, err := w.registrar.Standings(t.Context(), d, "")
		if err != nil || len(standings) != 1 || standings[0].Failures != 1 || standings[0].Last.Error != "the service could not send it" {
			t.Errorf("the owner sees %+v, %v", standings, err)
		}
		if !strings.Contains(log.String(), ours.Error()) || !strings.Contains(log.String(), d.ID) {
			t.Errorf("the log has %s", log.String())
		}
		w.answer = func(delivery.Message) error { return nil }
		w.pass(time.Minute)
		w.order("a", 1)
	})
}

// refusing are Topics whose subject has spent its allowance, for so many times.
type refusing struct {
	delivery.Topics
	times int
}

func (r *refusing) Portion(ctx context.Context, v watch.Viewer, q watch.Query, after events.Cursor, most int64) (watch.Missed, error) {
	if r.times--; r.times >= 0 {
		return watch.Missed{}, watch.ErrTooManyRequests
	}
	return r.Topics.Portion(ctx, v, q, after, most)
}

// TestASpentAllowanceDelaysADelivery: the message does not come again and again until the queue gives
// it up, and it counts as no failure of the destination. A retry still sends the same.
func TestASpentAllowanceDelaysADelivery(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		topics := &refusing{Topics: w.deliverer.Topics}
		w.deliverer.Topics = topics
		d := w.destination("a")
		w.pass(0)
		w.answer = func(delivery.Message) error { return &delivery.Failure{Status: 500, Detail: "HTTP 500"} }
		w.write("a", "i", `{"n":1}`)
		w.pass(0)
		w.write("a", "i", `{"n":2}`)
		topics.times = 3
		w.answer = func(delivery.Message) error { return nil }
		w.pass(time.Minute)
		standings, _, err := w.registrar.Standings(t.Context(), d, "")
		if err != nil || len(standings) != 1 || standings[0].Failures != 1 || standings[0].Attempt == nil || len(w.sent) != 1 || len(w.queue) != 0 {
			t.Errorf("while it is spent it is %+v, %v, after %d messages; %d wait", standings, err, len(w.sent), len(w.queue))
		}
		w.pass(5 * time.Minute)
		w.order("a", 2)
		if len(w.sent) != 3 || w.sent[1].ID != w.sent[0].ID || w.due() != 0 {
			t.Errorf("sent are %+v; %d are due", w.sent, w.due())
		}
	})
}

// TestASweepCountsWhatItHasWoken, and looks again at what it could not wake.
func TestASweepCountsWhatItHasWoken(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.loses = 1
		w.destination("a")
		time.Sleep(time.Hour)
		if woken, err := w.waker.Sweep(t.Context()); woken != 0 || !errors.Is(err, errQueue) {
			t.Errorf("without a queue it has woken %d, %v", woken, err)
		}
		w.loses = 0
		if woken, err := w.waker.Sweep(t.Context()); woken != 0 || err != nil {
			t.Errorf("within the lease it has woken %d, %v", woken, err)
		}
		time.Sleep(time.Hour)
		if woken, err := w.waker.Sweep(t.Context()); woken != 1 || err != nil || len(w.queue) != 1 {
			t.Errorf("it has woken %d, %v", woken, err)
		}
	})
}

// TestDownBeyondRetention: exactly one reset, then the items, then changes.
func TestDownBeyondRetention(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a")
		w.store.Retention = 48 * time.Hour
		w.write("a", "gone", `{"n":0}`)
		w.pass(0)
		if err := w.registrar.Pause(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		for n := range 120 {
			id := fmt.Sprintf("i%03d", n)
			if err := w.store.Put(t.Context(), watch.Publication{Topic: "a", Item: events.Item{ID: id, Data: []byte(`{"n":1}`)}}); err != nil {
				t.Fatal(err)
			}
			w.write("a", id, `{"n":1}`)
		}
		w.sweeps = time.Hour
		w.pass(72 * time.Hour)
		d, err := w.registrar.Get(t.Context(), w.owner, d.ID)
		if err != nil {
			t.Fatal(err)
		}
		w.taken = nil
		if err := w.registrar.Enable(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		w.pass(0)
		w.write("a", "later", `{"n":2}`)
		w.pass(0)
		kinds, items := "", map[string]bool{}
		for _, m := range w.taken {
			switch {
			case m.Reset != nil:
				kinds += "reset "
			case m.Items != nil:
				kinds += "items "
				for _, item := range m.Items.Items {
					items[item.ID] = true
				}
			default:
				kinds += "changes "
			}
		}
		if kinds != "reset items items items changes " || len(items) != 120 {
			t.Errorf("it got %s with %d items, want the reset, 120 items and the change", kinds, len(items))
		}
	})
}

// TestReplayDeliversAgain from a cursor, whatever is being tried.
func TestReplayDeliversAgain(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a")
		for n := range 5 {
			w.write("a", "i", fmt.Sprintf(`{"n":%d}`, n))
		}
		w.pass(0)
		epoch := w.taken[0].Changes[0].Epoch
		w.taken = nil
		if err := w.registrar.Replay(t.Context(), d, "a", events.Cursor{Epoch: epoch, Seq: 2}); err != nil {
			t.Fatal(err)
		}
		w.pass(0)
		if len(w.taken) != 1 || w.taken[0].Changes[0].Seq != 3 || len(w.taken[0].Changes) != 3 {
			t.Errorf("the replay brings %+v", w.taken)
		}
		if err := w.registrar.Replay(t.Context(), d, "b", events.Cursor{}); err == nil {
			t.Error("a topic that it does not watch is replayed")
		}
	})
}

// TestNothingIsSentBeforeAChallengeIsAnswered, and nothing is lost by it.
func TestNothingIsSentBeforeAChallengeIsAnswered(t *testing.T) {
	for _, topic := range []events.Topic{"a/b", "a/*"} {
		inBubble(t, 1, func(t *testing.T, w *world) {
			w.refusal = &delivery.Failure{Status: 404, Detail: "HTTP 404"}
			d := w.destination(topic)
			w.pass(0)
			if w.challenges != 1 {
				t.Errorf("%s: challenged %d times without any change", topic, w.challenges)
			}
			standings, _, err := w.registrar.Standings(t.Context(), d, "")
			if err != nil || len(standings) != 1 || standings[0].Last.Status != 404 || standings[0].RetryAt.IsZero() {
				t.Errorf("%s: the owner sees %+v, %v", topic, standings, err)
			}
			w.write("a/b", "i", `{}`)
			w.pass(time.Hour)
			if len(w.sent) != 0 {
				t.Errorf("%s: sent %+v", topic, w.sent)
			}
			w.refusal = nil
			w.pass(3 * time.Hour)
			w.order("a/b", 1)
			if w.due() != 0 {
				t.Errorf("%s: %d standings are awake", topic, w.due())
			}
		})
	}
}

// TestChallengesAreFewAndDear, as the URL may be somebody else's: a pattern with many topics makes one,
// and each costs a sixtieth of what a subject may spend in a minute.
func TestChallengesAreFewAndDear(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.refusal = &delivery.Failure{Status: 404, Detail: "HTTP 404"}
		ctx, meter := watch.Metered(t.Context())
		wanted := delivery.Destination{URL: "https://example.com/hook"}
		wanted.Query.Topic = "a/**"
		d, err := w.registrar.Create(ctx, w.owner, wanted)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			w.write(events.Topic(fmt.Sprint("a/", n)), "i", `{}`)
		}
		w.pass(time.Minute)
		if w.challenges > 3 { // of the pattern, of the topic that came before it, and a retry
			t.Errorf("20 topics made %d challenges", w.challenges)
		}
		if err := w.registrar.Enable(ctx, d); err != nil {
			t.Fatal(err)
		}
		if reads, _ := meter.Units(); reads < 4_000 {
			t.Errorf("two challenges cost %v units", reads)
		}
		w.refusal = nil
		w.pass(time.Hour)
		if len(w.taken) != 20 {
			t.Errorf("%d of 20 topics were delivered once it had answered", len(w.taken))
		}
	})
}

// TestOthersDestinationsDoNotExist for a subject.
func TestOthersDestinationsDoNotExist(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a")
		mallory := w.owner
		mallory.Subject = "mallory"
		if _, err := w.registrar.Get(t.Context(), mallory, d.ID); err == nil {
			t.Error("mallory sees alice's destination")
		}
		if all, err := w.registrar.List(t.Context(), mallory); err != nil || len(all) != 0 {
			t.Errorf("mallory lists %+v, %v", all, err)
		}
		w.destination("b")
		w.destination("c")
		_, err := w.registrar.Create(t.Context(), w.owner, delivery.Destination{URL: "https://example.com", Query: watch.Query{Topic: "d"}})
		if wire := (*events.Error)(nil); !errors.As(err, &wire) || wire.Code != events.CodeTooManyDestinations {
			t.Errorf("the fourth of three: %v", err)
		}
		if err := w.registrar.Remove(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		w.destination("d")
		w.write("a", "i", `{}`)
		w.pass(0)
		if len(w.sent) != 0 {
			t.Errorf("a removed destination gets %+v", w.sent)
		}
	})
}

// headless is a registry whose heads, or whose standings, cannot be reached.
type headless struct {
	delivery.Registry
	head, restart error
}

func (h headless) Head(ctx context.Context, topic events.Topic) (watch.Head, error) {
	if h.head != nil {
		return watch.Head{}, h.head
	}
	return h.Registry.Head(ctx, topic)
}

func (h headless) Restart(ctx context.Context, ref delivery.Ref, at *watch.Place, message string, look time.Time) error {
	if h.restart != nil {
		return h.restart
	}
	return h.Registry.Restart(ctx, ref, at, message, look)
}

// TestARegistrationThatFailsLeavesNothing: its owner tries again, and must not get all twice.
func TestARegistrationThatFailsLeavesNothing(t *testing.T) {
	for name, broken := range map[string]headless{"no head": {head: watch.ErrUnavailable}, "no standing": {restart: watch.ErrUnavailable}} {
		inBubble(t, 1, func(t *testing.T, w *world) {
			broken.Registry = w.store
			w.registrar.Registry = broken
			_, err := w.registrar.Create(t.Context(), w.owner, delivery.Destination{URL: "https://example.com/hook", Query: watch.Query{Topic: "a"}})
			if !errors.Is(err, watch.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			w.registrar.Registry = w.store
			if all, err := w.registrar.List(t.Context(), w.owner); err != nil || len(all) != 0 {
				t.Errorf("%s: there are %+v, %v", name, all, err)
			}
			w.destination("a")
			w.write("a", "i", `{}`)
			w.pass(time.Hour)
			if len(w.sent) != 1 || w.due() != 0 {
				t.Errorf("%s: the change is sent %d times, and %d are due", name, len(w.sent), w.due())
			}
		})
	}
}

// TestADestinationSeesWhatItsTokenDelivers, even if the token cannot watch or read it; hidden changes
// cause no message.
func TestADestinationSeesWhatItsTokenDelivers(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.owner.Grant = allowing(t, `{"v":1,"allow":[{"topics":["a"],"actions":["deliver"],"filter":{"public":[true]},"mask":{"omit":["cost"]}},{"topics":["b"],"actions":["subscribe","read"]}]}`)
		w.destination("a")
		w.write("a", "i", `{"public":true,"cost":1,"x":1}`)
		w.write("a", "j", `{"public":false}`)
		w.pass(0)
		w.write("a", "j", `{"public":false}`)
		w.pass(0)
		if len(w.taken) != 1 || string(w.taken[0].Changes[0].Data) != `{"public":true,"x":1}` {
			t.Errorf("it sees %+v", w.taken)
		}
		_, err := w.registrar.Create(t.Context(), w.owner, delivery.Destination{URL: "https://example.com", Query: watch.Query{Topic: "b"}})
		if wire := (*events.Error)(nil); !errors.As(err, &wire) || wire.Code != events.CodeForbidden {
			t.Errorf("a topic that may be watched, not delivered: %v", err)
		}
	})
}

// TestACloudEventDestinationGetsOneShownChangeAMessage, whatever is hidden between, and also when a
// message is tried again after more changes came.
func TestACloudEventDestinationGetsOneShownChangeAMessage(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.destination("a", func(d *delivery.Destination) {
			d.Format, d.Filter = delivery.CloudEvent, []byte(`{"public":[true]}`)
		})
		tries := 0
		w.answer = func(delivery.Message) error {
			if tries++; tries%2 == 1 {
				w.write("a", fmt.Sprint("late", tries), `{"public":false}`)
				return &delivery.Failure{Status: 500, Detail: "HTTP 500"}
			}
			return nil
		}
		for n := range 12 {
			w.write("a", fmt.Sprint(n), fmt.Sprintf(`{"public":%t}`, n%3 == 0))
		}
		w.pass(time.Hour)
		var ids []string
		for i, m := range w.sent {
			var shown []events.Change
			for _, c := range m.Changes {
				if c.Op != events.Skipped {
					shown = append(shown, c)
				}
			}
			if len(shown) != 1 || i%2 == 1 && m.ID != w.sent[i-1].ID {
				t.Errorf("message %d is %+v", i, m)
				continue
			}
			if i%2 == 1 {
				ids = append(ids, shown[0].ID)
			}
		}
		if got := strings.Join(ids, " "); got != "0 3 6 9" || w.due() != 0 {
			t.Errorf("taken are %s, and %d are due", got, w.due())
		}
	})
}

// TestADestinationEndsWithItsLife unless it is renewed.
func TestADestinationEndsWithItsLife(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.registrar.Now = func() time.Time { return time.Now().Add(time.Hour - grant.DefaultDeliverFor) } // it was made so long ago
		w.destination("a")
		w.write("a", "i", `{"n":1}`)
		w.pass(time.Hour)
		w.write("a", "i", `{"n":2}`)
		w.pass(0)
		if len(w.taken) != 1 {
			t.Errorf("it got %d messages, want the one within its life", len(w.taken))
		}
	})
}

// seeds is how many rounds TestNothingIsLostOrReordered has.
var seeds = flag.Uint64("seeds", 3, "the rounds of TestNothingIsLostOrReordered")

// TestNothingIsLostOrReordered whatever fails: the queue, the destination, the process; messages come
// twice, and the destination is down for an hour.
func TestNothingIsLostOrReordered(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, seed, func(t *testing.T, w *world) {
				w.loses, w.dies, w.twice = 0.2, 0.1, 0.2
				down := time.Time{}
				w.answer = func(delivery.Message) error {
					if time.Now().Before(down) || w.random.Float64() < 0.3 {
						return &delivery.Failure{Status: 503, Detail: "HTTP 503"}
					}
					return nil
				}
				w.destination("a/**")
				w.destination("a/1")
				counts := map[events.Topic]int64{}
				for n := range 60 {
					topic := events.Topic(fmt.Sprintf("a/%d", w.random.IntN(3)))
					w.write(topic, "i", fmt.Sprintf(`{"n":%d}`, n))
					counts[topic]++
					if n == 30 {
						down = time.Now().Add(time.Hour)
					}
					if w.random.IntN(4) == 0 {
						w.step()
					}
					if w.random.IntN(10) == 0 {
						w.pass(time.Duration(w.random.IntN(20)) * time.Minute)
					}
				}
				w.loses, w.dies, w.twice = 0, 0, 0
				w.answer = func(delivery.Message) error { return nil }
				w.sweeps = 10 * time.Minute
				w.pass(40 * time.Hour)
				w.check(counts)
				if w.due() != 0 || len(w.queue) != 0 {
					t.Errorf("%d standings are awake and %d messages wait", w.due(), len(w.queue))
				}
			})
		})
	}
}

// check holds the promise for each destination alone.
func (w *world) check(counts map[events.Topic]int64) {
	w.t.Helper()
	taken := w.taken
	all := map[string]bool{}
	for _, m := range taken {
		all[m.Ref.Destination] = true
	}
	if len(all) != 2 {
		w.t.Errorf("%d destinations got something", len(all))
	}
	for destination := range all {
		w.taken = nil
		watched := map[events.Topic]bool{}
		for _, m := range taken {
			if m.Ref.Destination == destination {
				w.taken = append(w.taken, m)
				watched[m.Ref.Topic] = true
			}
		}
		if len(watched) != 1 && len(watched) != len(counts) {
			w.t.Errorf("a destination got %d topics of %d", len(watched), len(counts))
		}
		for topic := range watched {
			w.order(topic, counts[topic])
		}
	}
}

// TestARevokedOwnerGetsNothing from then on, and sees why.
func TestARevokedOwnerGetsNothing(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a")
		w.write("a", "i", `{"n":1}`)
		w.pass(0)
		time.Sleep(2 * time.Second)
		row := map[string]types.AttributeValue{
			"subject": &types.AttributeValueMemberS{Value: "alice"}, "tokenId": &types.AttributeValueMemberS{Value: "*"},
			"before": &types.AttributeValueMemberN{Value: fmt.Sprint(time.Now().Unix())},
		}
		if _, err := w.db.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Revocations, Item: row}); err != nil {
			t.Fatal(err)
		}
		w.write("a", "i", `{"n":2}`)
		w.pass(time.Hour)
		d, err := w.registrar.Get(t.Context(), w.owner, d.ID)
		if len(w.sent) != 1 || err != nil || d.Disabled != delivery.Ended {
			t.Errorf("it got %d messages and is %q, %v", len(w.sent), d.Disabled, err)
		}
	})
}
