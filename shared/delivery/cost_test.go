package delivery_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/watch"
)

// units are those of DynamoDB.
type units struct{ reads, writes float64 }

// costs counts what a step costs on the tables; on all of them, if none is named.
func (w *world) costs(step func(), tables ...string) (u units) {
	w.t.Helper()
	time.Sleep(time.Second) // so that the times that one step writes are not those of the step before
	w.db.Engine.ResetUsage()
	step()
	count := func(operations map[string]dynamodb.Consumption) {
		for _, c := range operations {
			u.reads += c.ReadCapacityUnits
			u.writes += c.WriteCapacityUnits
		}
	}
	used := w.db.Engine.Usage().Tables
	for _, table := range tables {
		count(used[table])
	}
	if len(tables) == 0 {
		for _, operations := range used {
			count(operations)
		}
	}
	return u
}

// batch writes so many changes of 100 bytes to the topic a, in one batch of fan-out.
func (w *world) batch(changes int) {
	w.t.Helper()
	writes := make([]watch.Write, changes)
	for i := range writes {
		w.writes++
		writes[i] = watch.Write{
			Topic: "a", ID: fmt.Sprint(i), Op: events.Added, Time: time.Now(), Position: watch.Position(fmt.Sprint(w.writes)),
			Data: fmt.Appendf(nil, `{"x":%q}`, strings.Repeat("x", 100)),
		}
	}
	if outcome := w.fanout.Deliver(w.t.Context(), "arn:aws:dynamodb:::table/Events/stream/2026-11-26T00:00:00.000", writes); len(outcome.Failed) > 0 {
		w.t.Fatalf("fan-out: %+v", outcome)
	}
}

// costly runs a test with a destination that is asleep, of a token that can be revoked alone.
func costly(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	inBubble(t, 1, func(t *testing.T, w *world) {
		w.owner.TokenID = "t1"
		w.destination("a")
		w.pass(0)
		test(t, w)
	})
}

// TestCostOfADelivery with 1, 10 and 100 changes in a message. The wake writes the mark, and the index.
// The delivery writes to begin, to note the attempt, and to move the cursor, and the index again. The
// page of infra has the figures.
func TestCostOfADelivery(t *testing.T) {
	page, err := os.ReadFile("../../infra/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, changes := range []int{1, 10, 100} {
		t.Run(fmt.Sprint(changes), func(t *testing.T) {
			costly(t, func(t *testing.T, w *world) {
				wake := w.costs(func() { w.batch(changes) }, dynamotest.Tables.Destinations)
				messages := len(w.queue)
				delivered := w.costs(func() { w.step() })
				if len(w.sent) != 1 || len(w.sent[0].Changes) != changes || messages != 1 || len(w.queue) != 0 || w.due() != 0 {
					t.Fatalf("%d messages woke it, and it was sent %+v", messages, w.sent)
				}
				if want := (units{0, 2}); wake != want {
					t.Errorf("%d changes: the wake costs %+v, want %+v", changes, wake, want)
				}
				// A send, a receive and a delete are the requests of a message.
				row := fmt.Sprintf("| %d | %v | %v | %d | 1 |", changes, wake.writes+delivered.writes, wake.reads+delivered.reads, 3*messages)
				t.Log(row)
				if !strings.Contains(string(page), "\n"+row) {
					t.Errorf("infra/README.md has no row %s", row)
				}
			})
		})
	}
}

// TestCostOfADeliveryToAWS: what is declared has no token, so no revocations are read.
func TestCostOfADeliveryToAWS(t *testing.T) {
	page, err := os.ReadFile("../../infra/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, changes := range []int{1, 10, 100} {
		inBubble(t, 1, func(t *testing.T, w *world) {
			w.declare(queueOf("q", "a"))
			w.batch(1) // a standing that is there, as usual
			w.pass(0)
			w.sent = nil
			wake := w.costs(func() { w.batch(changes) }, dynamotest.Tables.Destinations)
			delivered := w.costs(func() { w.step() })
			if len(w.sent) != 1 || len(w.sent[0].Changes) != changes || len(w.queue) != 0 || w.due() != 0 {
				t.Fatalf("it was sent %+v", w.sent)
			}
			row := fmt.Sprintf("| %d to AWS | %v | %v | 3 | 1 |", changes, wake.writes+delivered.writes, wake.reads+delivered.reads)
			t.Log(row)
			if !strings.Contains(string(page), "\n"+row) {
				t.Errorf("infra/README.md has no row %s", row)
			}
		})
	}
}

// TestCostOfAWakeThatFindsItAwake is a write, which fails, for each batch.
func TestCostOfAWakeThatFindsItAwake(t *testing.T) {
	costly(t, func(t *testing.T, w *world) {
		w.batch(1)
		if got, want := w.costs(func() { w.batch(10) }, dynamotest.Tables.Destinations), (units{0, 1}); got != want || len(w.queue) != 1 {
			t.Errorf("it costs %+v and %d messages wait, want %+v and 1", got, len(w.queue), want)
		}
	})
}

// TestCostOfABusyTopic: a change comes during the delivery. Its wake moves the standing in the index, and
// the standing cannot fall asleep, which a write finds out.
func TestCostOfABusyTopic(t *testing.T) {
	costly(t, func(t *testing.T, w *world) {
		w.answer = func(delivery.Message) error {
			if len(w.sent) == 1 {
				time.Sleep(time.Second)
				w.batch(1)
			}
			return nil
		}
		w.batch(1)
		for _, want := range []units{{1, 1 + 1 + (1 + 2) + (1 + 1)}, {1, 1 + 1 + (1 + 1)}} {
			if got := w.costs(func() { w.step() }, dynamotest.Tables.Destinations); got != want {
				t.Errorf("delivery %d costs %+v, want %+v", len(w.sent), got, want)
			}
		}
		if len(w.sent) != 2 || w.due() != 0 {
			t.Errorf("%d messages were sent, %d standings are awake", len(w.sent), w.due())
		}
	})
}

// TestCostOfAFailure: an attempt that fails gives the standing another time in the index, which costs two
// writes there. So does the sweep that finds it. Operators are told in the same transaction, which costs
// two writes and makes the others twice as dear.
func TestCostOfAFailure(t *testing.T) {
	costly(t, func(t *testing.T, w *world) {
		w.answer = func(delivery.Message) error { return &delivery.Failure{Status: 500, Detail: "HTTP 500"} }
		w.batch(1)
		sweep := func() {
			if _, err := w.waker.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			what string
			step func()
			want units
		}{
			{"the first attempt", func() { w.step() }, units{5, 1 + 1 + 2*(3+1) + 1}}, // the last notes it in the destination
			{"a sweep that finds nothing", sweep, units{4, 0}},
			{"a change meanwhile", func() { w.batch(1) }, units{2, 2 + 1}}, // 2 of them to number it
			{"a sweep that finds it", func() { time.Sleep(5 * time.Minute); sweep() }, units{4, 3}},
			{"the second attempt", func() { w.step() }, units{5, 1 + 2*(3+1)}},
		} {
			if got := w.costs(c.step); got != c.want {
				t.Errorf("%s costs %+v, want %+v", c.what, got, c.want)
			}
		}
		if len(w.sent) != 2 || len(w.queue) != 0 {
			t.Errorf("%d attempts, and %d messages wait", len(w.sent), len(w.queue))
		}
	})
}

// TestTheSweepLeavesABusyDestinationAlone: changes come all the time, for longer than a message may take,
// so that its standing never falls asleep. The sweep has to look at those alone that nobody else wakes.
func TestTheSweepLeavesABusyDestinationAlone(t *testing.T) {
	costly(t, func(t *testing.T, w *world) {
		began, woken := time.Now(), 0
		w.answer = func(delivery.Message) error {
			if time.Since(began) > 10*time.Minute {
				return nil
			}
			w.batch(1)
			time.Sleep(10 * time.Second)
			n, err := w.waker.Sweep(t.Context())
			woken += n
			return err
		}
		w.batch(1)
		most := 0
		for w.step() {
			most = max(most, len(w.queue))
		}
		if woken != 0 || most != 1 || len(w.sent) < 60 || w.due() != 0 {
			t.Errorf("after %d messages the sweep has woken it %d times, and up to %d messages waited", len(w.sent), woken, most)
		}
	})
}
