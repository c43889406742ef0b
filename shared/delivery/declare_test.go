package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/watch"
)

// declarer is the world's.
func (w *world) declarer() delivery.Declarer {
	return delivery.Declarer{Registry: w.store, Queue: w, Logger: slog.New(slog.DiscardHandler)}
}

// queueOf declares a queue for a topic or a pattern.
func queueOf(name string, topic events.Topic, change ...func(*delivery.Declared)) delivery.Declared {
	d := delivery.Declared{Name: name, Topic: topic, Kind: delivery.SQS, Target: "https://sqs.example/1/" + name}
	for _, c := range change {
		c(&d)
	}
	return d
}

// declare lets a list be declared once a minute, for a few minutes.
func (w *world) declare(all ...delivery.Declared) {
	w.t.Helper()
	for range 3 {
		if err := w.declarer().Reconcile(w.t.Context(), all); err != nil {
			w.t.Fatal(err)
		}
		w.pass(time.Minute)
	}
}

// declared gives the destinations of the deployer by their names.
func (w *world) declared() map[string]delivery.Destination {
	w.t.Helper()
	all, err := w.store.Destinations(w.t.Context(), watch.Deployer)
	if err != nil {
		w.t.Fatal(err)
	}
	by := map[string]delivery.Destination{}
	for _, d := range all {
		by[d.Name] = d
	}
	if len(by) != len(all) {
		w.t.Errorf("two destinations have the same name: %+v", all)
	}
	return by
}

// TestADeclaredDestinationGetsWhatComes, without a challenge. It is nobody's who has a token. A client's
// destination beside it stays as it is.
func TestADeclaredDestinationGetsWhatComes(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.write("orders/1", "i", `{"n":0}`)
		mine := w.destination("other")
		w.declare(queueOf("all", "orders/**", func(d *delivery.Declared) {
			d.Filter, d.Fields = json.RawMessage(`{"n":[{"numeric":[">",1]}]}`), []string{"n"}
		}), queueOf("one", "orders/1"))
		challenges := w.challenges
		if _, err := w.registrar.Get(t.Context(), w.owner, mine.ID); err != nil {
			t.Errorf("the client's own: %v", err)
		}
		time.Sleep(time.Hour)
		for n := 1; n < 4; n++ {
			w.write("orders/1", "i", fmt.Sprintf(`{"n":%d,"hidden":1}`, n))
			w.pass(0)
		}
		by, got := w.declared(), map[string]string{}
		for _, m := range w.taken {
			for _, c := range m.Changes {
				got[m.Ref.Destination] += fmt.Sprintf("%d %s ", c.Seq, c.Data)
			}
		}
		if want := `3 {"n":2} 4 {"n":3} `; got[by["all"].ID] != want {
			t.Errorf("of the pattern came %s, want %s", got[by["all"].ID], want)
		}
		if want := `2 {"n":1,"hidden":1} 3 {"n":2,"hidden":1} 4 {"n":3,"hidden":1} `; got[by["one"].ID] != want {
			t.Errorf("of the topic came %s, want %s", got[by["one"].ID], want)
		}
		if w.challenges != challenges {
			t.Error("what the deployer has declared was challenged")
		}
		_, err := w.registrar.Get(t.Context(), w.owner, by["one"].ID)
		if wire := (*events.Error)(nil); !errors.As(err, &wire) || wire.Code != events.CodeNotFound {
			t.Errorf("a client gets it: %v", err)
		}
		w.declare()
		if by := w.declared(); len(by) != 0 {
			t.Errorf("with nothing declared there are %+v", by)
		}
	})
}

// TestWhatIsDeclaredOtherwiseGoesOn from its cursors, also where it was disabled. With another topic it
// is another destination.
func TestWhatIsDeclaredOtherwiseGoesOn(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.declare(queueOf("q", "a"))
		was := w.declared()["q"]
		w.answer = func(delivery.Message) error {
			return &delivery.Failure{Status: 410, Gone: true, Detail: "HTTP 410"}
		}
		w.write("a", "i", `{"n":1}`)
		w.pass(0)
		if d := w.declared()["q"]; d.Disabled != delivery.Gone {
			t.Fatalf("it is %+v", d)
		}
		w.answer = func(delivery.Message) error { return nil }
		w.write("a", "i", `{"n":2}`)
		w.declare(queueOf("q", "a", func(d *delivery.Declared) { d.Target, d.Batch = "https://sqs.example/1/other", 1 }))
		d := w.declared()["q"]
		if d.ID != was.ID || d.Target != "https://sqs.example/1/other" || d.Disabled != "" || d.Version != was.Version+1 || !d.Created.Equal(was.Created) {
			t.Errorf("it is %+v, was %+v", d, was)
		}
		w.order("a", 2)
		if len(w.taken) != 2 {
			t.Errorf("two changes, one in a message, came in %d", len(w.taken))
		}
		w.declare(queueOf("q", "b"))
		if d := w.declared()["q"]; d.ID == was.ID || d.Query.Topic != "b" {
			t.Errorf("with another topic it is %+v", d)
		}
		w.write("a", "i", `{"n":3}`)
		w.write("b", "i", `{"n":1}`)
		w.pass(0)
		w.order("a", 2)
		w.order("b", 1)
	})
}

// TestAListThatComesLateEndsNothing: the call of an earlier deployment, which does not know a destination
// yet, must not take its cursors.
func TestAListThatComesLateEndsNothing(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		reconcile := func(all ...delivery.Declared) {
			t.Helper()
			if err := w.declarer().Reconcile(t.Context(), all); err != nil {
				t.Fatal(err)
			}
		}
		older, newer := []delivery.Declared{queueOf("a", "a")}, []delivery.Declared{queueOf("a", "a"), queueOf("b", "b")}
		reconcile(older...)
		reconcile(newer...)
		was := w.declared()
		if len(was) != 2 {
			t.Fatalf("what is added comes at once: %+v", was)
		}
		for range 3 {
			reconcile(older...)
			reconcile(older...)
			time.Sleep(time.Minute)
			reconcile(newer...)
		}
		time.Sleep(time.Minute)
		reconcile(older...)
		time.Sleep(20 * time.Second)
		reconcile(older...)
		if by := w.declared(); by["b"].ID != was["b"].ID {
			t.Errorf("it is %+v, was %+v", by, was)
		}
		time.Sleep(15 * time.Second)
		reconcile(older...)
		if by := w.declared(); len(by) != 1 || by["a"].ID != was["a"].ID {
			t.Errorf("after half a minute of the other list there are %+v", by)
		}
		reconcile(newer...)
		if d := w.declared()["b"]; d.ID == "" || d.ID == was["b"].ID {
			t.Errorf("declared again it is %+v, was %+v: standings may be left of that", d, was["b"])
		}
	})
}

// TestTwoListsThatComeLateEndNothing: that another list has waited for its time does not let this one end
// a destination.
func TestTwoListsThatComeLateEndNothing(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		a, b := queueOf("a", "a"), queueOf("b", "b")
		for i, list := range [][]delivery.Declared{{a, b}, {a}, {b}, {a}} {
			if err := w.declarer().Reconcile(t.Context(), list); err != nil {
				t.Fatal(err)
			}
			if by := w.declared(); len(by) != 2 {
				t.Errorf("after list %d there are %+v", i, by)
			}
			time.Sleep(time.Minute)
		}
	})
}

// dying is a store whose caller may die before or after any write of a declaration.
type dying struct {
	delivery.Declarations
	w *world
}

func (d dying) around(write func() error) error {
	d.w.mu.Lock() // two callers draw at once
	before, after := d.w.random.Float64() < 0.1, d.w.random.Float64() < 0.1
	d.w.mu.Unlock()
	if before {
		return errKilled
	}
	if err := write(); err != nil || !after {
		return err
	}
	return errKilled
}

func (d dying) AddDestination(ctx context.Context, to delivery.Destination, most int) error {
	return d.around(func() error { return d.Declarations.AddDestination(ctx, to, most) })
}

func (d dying) ReplaceDestination(ctx context.Context, to, was delivery.Destination, look time.Time) error {
	return d.around(func() error { return d.Declarations.ReplaceDestination(ctx, to, was, look) })
}

func (d dying) RemoveDestination(ctx context.Context, to delivery.Destination, look time.Time) error {
	return d.around(func() error { return d.Declarations.RemoveDestination(ctx, to, look) })
}

func (d dying) NoteDeclaration(ctx context.Context, was, now delivery.Declaration) error {
	return d.around(func() error { return d.Declarations.NoteDeclaration(ctx, was, now) })
}

// TestADeclarationSurvivesKillsAndRivals: lists come and go, by two calls at once that may be killed
// anywhere, while changes are written. What stays declared loses nothing, whatever it is changed to, and
// in the end there is what is declared and nothing else.
func TestADeclarationSurvivesKillsAndRivals(t *testing.T) {
	for seed := range uint64(5) {
		inBubble(t, seed, func(t *testing.T, w *world) {
			w.twice, w.loses = 0.2, 0.2
			w.answer = func(m delivery.Message) error {
				if w.random.Float64() < 0.2 {
					return &delivery.Failure{Status: 410, Gone: true, Detail: "HTTP 410"} // only a change enables it again
				}
				return nil
			}
			declarer := w.declarer()
			declarer.Registry = dying{w.store, w}
			kept := queueOf("kept", "a")
			w.declare(kept)
			id := w.declared()["kept"].ID
			var list []delivery.Declared
			for n := range 12 {
				kept.Batch = 1 + n%3
				list = []delivery.Declared{kept}
				for _, name := range []string{"x", "y", "z"} {
					if w.random.IntN(2) == 0 {
						list = append(list, queueOf(name, events.Topic(fmt.Sprint("b/", w.random.IntN(2)))))
					}
				}
				for range 4 {
					var both sync.WaitGroup
					for range 2 {
						both.Go(func() { _ = declarer.Reconcile(t.Context(), list) })
					}
					both.Wait()
					w.write("a", "i", fmt.Sprintf(`{"n":%d}`, w.writes))
					w.write("b/0", "i", fmt.Sprintf(`{"n":%d}`, w.writes))
					w.pass(time.Minute)
				}
			}
			w.answer = func(delivery.Message) error { return nil }
			kept.Batch = 50
			list[0] = kept
			w.declare(list...)
			w.declare(list...)
			w.pass(10 * time.Minute)
			by := w.declared()
			if by["kept"].ID != id || len(by) != len(list) {
				t.Errorf("seed %d: there are %+v, declared is %+v", seed, by, list)
			}
			w.taken = slices.DeleteFunc(w.taken, func(m delivery.Message) bool { return m.Ref.Destination != id })
			w.order("a", 48)
			for _, topic := range []events.Topic{"a", "b/0", "b/1"} {
				subs, err := w.store.Subscribers(t.Context(), topic, false, watch.Whole)
				if err != nil {
					t.Fatal(err)
				}
				for _, sub := range subs {
					of, _ := sub.ID.Destination()
					if !slices.ContainsFunc(list, func(d delivery.Declared) bool { return by[d.Name].ID == of && d.Topic == topic }) {
						t.Errorf("seed %d: %s is watched by %s, which is not declared so", seed, topic, of)
					}
				}
			}
		})
	}
}

// TestAChangeThatWasCutOffIsFinished by the sweep, although the settings are as they are declared: the message
// of the round was lost. The standing is stopped, so nobody else would wake it.
func TestAChangeThatWasCutOffIsFinished(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.declare(queueOf("q", "a"))
		w.answer = func(delivery.Message) error { return &delivery.Failure{Gone: true, Detail: "gone"} }
		w.write("a", "i", `{"n":1}`)
		w.pass(0)
		w.answer = func(delivery.Message) error { return nil }
		list := []delivery.Declared{queueOf("q", "a", func(d *delivery.Declared) { d.Batch = 7 })}
		w.loses = 1
		for range 3 {
			if err := w.declarer().Reconcile(t.Context(), list); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if d := w.declared()["q"]; d.Batch != 7 || d.Disabled != "" || len(w.taken) != 0 {
			t.Fatalf("it is %+v", d)
		}
		w.loses = 0
		w.pass(5 * time.Minute)
		w.order("a", 1)
	})
}

// TestItemsComeInMessagesOfABoundedSize after a reset, each item once, also one that is larger than that.
func TestItemsComeInMessagesOfABoundedSize(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.declare(queueOf("q", "a"))
		w.write("a", "i", `{}`)
		w.pass(0)
		const most = 64 << 10
		large := 0
		for n := range 60 {
			size := 100 << (n % 11)
			data := fmt.Sprintf(`{"x":%q}`, strings.Repeat("x", size))
			if err := w.store.Put(t.Context(), watch.Publication{Topic: "a", Item: events.Item{ID: fmt.Sprintf("i%03d", n), Data: []byte(data)}}); err != nil {
				t.Fatal(err)
			}
			if len(data) > most {
				large++
			}
		}
		w.taken = nil
		if err := w.registrar.Replay(t.Context(), w.declared()["q"], "a", events.Cursor{Epoch: "elsewhere", Seq: 1}); err != nil {
			t.Fatal(err)
		}
		w.pass(0)
		ids := map[string]int{}
		for _, m := range w.taken {
			if m.Items == nil {
				continue
			}
			body, err := events.Marshal(m.Items.Items)
			if err != nil || len(body) > most && len(m.Items.Items) > 1 {
				t.Errorf("a message has %d items of %d bytes, %v", len(m.Items.Items), len(body), err)
			}
			for _, item := range m.Items.Items {
				ids[item.ID]++
			}
		}
		if len(ids) != 60 || large == 0 || len(w.taken) > 40 {
			t.Errorf("%d items came, %d of them large, in %d messages", len(ids), large, len(w.taken))
		}
		for id, n := range ids {
			if n != 1 {
				t.Errorf("item %s came %d times", id, n)
			}
		}
	})
}

// between is a store that does something before a standing is stopped.
type between struct {
	delivery.Store
	do func()
}

func (b *between) Stop(ctx context.Context, s delivery.Standing) error {
	if do := b.do; do != nil {
		b.do = nil
		do()
	}
	return b.Store.Stop(ctx, s)
}

// TestADeliveryThatHasReadOldSettingsStopsNothing: it finds the destination disabled, which is then declared
// otherwise, and only after that puts the topic to sleep.
func TestADeliveryThatHasReadOldSettingsStopsNothing(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.declare(queueOf("q", "a"))
		list := []delivery.Declared{queueOf("q", "a", func(d *delivery.Declared) { d.Batch = 7 })}
		reconcile := func() {
			if err := w.declarer().Reconcile(t.Context(), list); err != nil {
				t.Error(err)
			}
		}
		reconcile() // which is pending then
		time.Sleep(time.Minute)
		if err := w.store.Disable(t.Context(), w.declared()["q"], delivery.Gone); err != nil {
			t.Fatal(err)
		}
		w.deliverer.Store = &between{w.deliverer.Store, reconcile}
		w.write("a", "i", `{"n":1}`)
		w.pass(10 * time.Minute)
		if d := w.declared()["q"]; d.Batch != 7 || d.Disabled != "" {
			t.Errorf("it is %+v", d)
		}
		w.order("a", 1)
	})
}

// TestAChangeWakesWhoNeedsIt: of many topics those that have failed, and not those that have everything.
func TestAChangeWakesWhoNeedsIt(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.declare(queueOf("q", "a/**"))
		w.answer = func(m delivery.Message) error {
			if m.Ref.Topic == "a/bad" {
				return &delivery.Failure{Status: 400, Detail: "no such queue"}
			}
			return nil
		}
		for n := range 150 {
			w.write(events.Topic(fmt.Sprint("a/", n)), "i", `{"n":1}`)
		}
		w.write("a/bad", "i", `{"n":1}`)
		w.pass(time.Hour) // so that the next attempt is far away
		list := []delivery.Declared{queueOf("q", "a/**", func(d *delivery.Declared) { d.Target = "https://sqs.example/1/other" })}
		w.taken, w.answer = nil, func(delivery.Message) error { return nil }
		woken := len(w.ids)
		w.declare(list...)
		if w.order("a/bad", 1); len(w.taken) != 1 || len(w.ids) != woken+2 { // one message is of the round
			t.Errorf("%d were woken, and %d messages sent", len(w.ids)-woken, len(w.taken))
		}
	})
}

// TestATargetThatIsMissingIsNotGivenUp: nobody but a deployment could enable it again. When it is there,
// all that was missed comes.
func TestATargetThatIsMissingIsNotGivenUp(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.store.Retention = 30 * 24 * time.Hour
		w.declare(queueOf("q", "a"))
		w.registered = append(w.registered, w.declared()["q"].ID) // of which operators are told
		w.sweeps = time.Hour
		w.answer = func(delivery.Message) error { return &delivery.Failure{Status: 400, Detail: "no such queue"} }
		w.write("a", "i", `{"n":1}`)
		w.pass(6 * 24 * time.Hour)
		attempts, d := len(w.sent), w.declared()["q"]
		if d.Disabled != "" || attempts < 11 || attempts > 14 {
			t.Errorf("after six days and %d attempts it is %q", attempts, d.Disabled)
		}
		standings, _, err := w.registrar.Standings(t.Context(), d, "")
		if err != nil || len(standings) != 1 || standings[0].Failures != attempts || standings[0].Last.Error != "no such queue" {
			t.Errorf("it stands at %+v, %v", standings, err)
		}
		w.answer = func(delivery.Message) error { return nil }
		w.write("a", "i", `{"n":2}`)
		w.pass(30 * time.Hour)
		w.order("a", 2)
	})
}

// TestCostOfADeclaration that says what is there already: a read unit a minute.
func TestCostOfADeclaration(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		var many []delivery.Declared
		for n := range 30 {
			many = append(many, queueOf(fmt.Sprint("q", n), "orders/**"))
		}
		for _, list := range [][]delivery.Declared{nil, many} {
			w.declare(list...)
			if got, want := w.costs(func() {
				if err := w.declarer().Reconcile(t.Context(), list); err != nil {
					t.Fatal(err)
				}
			}), (units{1, 0}); got != want {
				t.Errorf("%d destinations cost %+v, want %+v", len(list), got, want)
			}
		}
		if got := w.costs(func() { w.declare(many...) }, dynamotest.Tables.Subscriptions); got != (units{}) {
			t.Errorf("declared again they cost %+v", got)
		}
	})
}

// TestWhatCannotBeDeclared is said all at once, and nothing is done.
func TestWhatCannotBeDeclared(t *testing.T) {
	for want, change := range map[string]func(*delivery.Declared){
		"name is \"a b\"":        func(d *delivery.Declared) { d.Name = "a b" },
		"name is \"\"":           func(d *delivery.Declared) { d.Name = "" },
		"name is \"xxxxx":        func(d *delivery.Declared) { d.Name = strings.Repeat("x", 65) },
		"another has the same":   func(d *delivery.Declared) { d.Name = "first" },
		"empty segment":          func(d *delivery.Declared) { d.Topic = "a//b" },
		"topic is empty":         func(d *delivery.Declared) { d.Topic = "" },
		"character '*'":          func(d *delivery.Declared) { d.Topic = "*/a" },
		"reserved":               func(d *delivery.Declared) { d.Topic = "@presence/**" },
		"kind is \"ftp\"":        func(d *delivery.Declared) { d.Kind = "ftp" },
		"format is changes":      func(d *delivery.Declared) { d.Format = "xml" },
		"batch is from 1 to 100": func(d *delivery.Declared) { d.Batch = 101 },
		"batch is from 1 to 1":   func(d *delivery.Declared) { d.Batch, d.Format = 2, delivery.CloudEvent },
		"cloudevents-batch is a": func(d *delivery.Declared) { d.Kind, d.Format = delivery.EventBridge, delivery.CloudEvents },
		"operator is not":        func(d *delivery.Declared) { d.Filter = json.RawMessage(`{"n":[{"like":1}]}`) },
		"fields":                 func(d *delivery.Declared) { d.Fields = []string{"a..b"} },
	} {
		bad := queueOf("bad", "a")
		change(&bad)
		err := delivery.CheckDeclared([]delivery.Declared{queueOf("first", "a"), bad, queueOf("1", "@b/c")})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "@b/c is reserved") {
			t.Errorf("it says %v, want %s", err, want)
		}
	}
	inBubble(t, 1, func(t *testing.T, w *world) {
		if err := w.declarer().Reconcile(t.Context(), []delivery.Declared{queueOf("a", "a"), queueOf("a", "b")}); err == nil || len(w.declared()) != 0 {
			t.Errorf("two of one name are declared: %v", err)
		}
	})
	if err := delivery.CheckDeclared([]delivery.Declared{queueOf("a", "a", func(d *delivery.Declared) { d.Kind = delivery.Webhook }), queueOf("b", "a/**")}); err != nil {
		t.Error(err)
	}
}

// TestAReplayHasOtherIDs: whoever drops the ids that it has seen, such as a FIFO queue, must not drop what
// is sent again on purpose. A retry after a failure has the same id.
func TestAReplayHasOtherIDs(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, w *world) {
		d := w.destination("a")
		w.pass(0)
		failed := false
		w.answer = func(delivery.Message) error {
			if !failed {
				failed = true
				return &delivery.Failure{Detail: "lost"}
			}
			return nil
		}
		w.write("a", "i", `{"n":1}`)
		w.pass(0)
		if err := w.registrar.Enable(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		w.pass(0)
		for range 2 {
			if err := w.registrar.Replay(t.Context(), d, "a", events.Cursor{}); err != nil {
				t.Fatal(err)
			}
			w.pass(0)
		}
		if len(w.sent) != 4 || w.sent[0].ID != w.sent[1].ID || w.sent[1].ID == w.sent[2].ID || w.sent[2].ID == w.sent[3].ID {
			t.Errorf("sent was %+v", w.sent)
		}
	})
}
