package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
)

// watcher is a client who stays connected.
type watcher struct {
	socket *websocket.Conn
	seq    uint64 // of the last change
}

// watch connects and subscribes to a topic, which has no changes yet. Callers must close the socket.
func (d *deployment) watch(ctx context.Context, topic string) (*watcher, error) {
	raw, err := d.sign(ctx, "watcher", time.Now())
	if err != nil {
		return nil, err
	}
	socket, _, err := d.dial(ctx, "", bearer(raw))
	if err != nil {
		return nil, err
	}
	var subscribed events.Subscribed
	if err := ask(ctx, socket, `{"action":"subscribe","topic":"`+topic+`"}`, &subscribed); err != nil {
		_ = socket.CloseNow()
		return nil, err
	}
	return &watcher{socket: socket}, nil
}

// until reads changes up to a number. Repeats are no fault, but a hole is.
func (w *watcher) until(ctx context.Context, last uint64) error {
	for w.seq < last {
		var pushed events.Changes
		if err := receive(ctx, w.socket, &pushed); err != nil {
			return fmt.Errorf("after change %d of %d: %w", w.seq, last, err)
		}
		for _, change := range pushed.Changes {
			switch seq := uint64(change.Seq); {
			case seq == w.seq+1:
				w.seq = seq
			case seq > w.seq:
				return fmt.Errorf("change %d came after %d", seq, w.seq)
			}
		}
	}
	return nil
}

// failed is what our fan-out says when it could not take in a batch.
const failed = `"message":"batch incomplete"`

// breakFanout lets the deployed fan-out look for a table that does not exist, and waits until it has failed. heal ends
// that.
func (d *deployment) breakFanout(ctx context.Context, put func() error) error {
	seen, err := d.countInLog(failed)
	if err := errors.Join(err, d.setVariable(ctx, "Fanout", "CHANGES_TABLE", "no-such-table"), put()); err != nil {
		return err
	}
	return eventually(ctx, func() error {
		now, err := d.countInLog(failed)
		if err == nil && now == seen {
			err = errors.New("the fan-out has not failed")
		}
		return err
	})
}

func (d *deployment) heal(ctx context.Context) error {
	return d.setVariable(ctx, "Fanout", "CHANGES_TABLE", d.physical["Changes"])
}

// countInLog tells how often a text is in the emulator's log, which has what the functions print.
func (d *deployment) countInLog(text string) (int, error) {
	said, err := os.ReadFile(d.log)
	return bytes.Count(said, []byte(text)), err
}

// manyPuts is how many items are put while the fan-out fails: two batches.
const manyPuts = 200

func (d *deployment) fanoutHeals(ctx context.Context) error {
	const topic = "healed"
	w, err := d.watch(ctx, topic)
	if err != nil {
		return err
	}
	defer func() { _ = w.socket.CloseNow() }() // the client has nothing more to say
	var want []string
	err = d.breakFanout(ctx, func() error {
		for i := range manyPuts {
			id := fmt.Sprintf("item-%03d", i)
			want = append(want, fmt.Sprintf(`%d added %s {"price":%d}`, i+1, id, i))
			if err := d.put(ctx, topic, id, fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, d.heal(ctx)); err != nil {
		return err
	}
	return errors.Join(d.isLogged(ctx, topic, want...), w.until(ctx, manyPuts))
}

// watchersStay deploys a fan-out of changed source while somebody watches.
func (d *deployment) watchersStay(ctx context.Context) error {
	const topic, mark = "stays", "the changed fan-out starts"
	w, err := d.watch(ctx, topic)
	if err != nil {
		return err
	}
	defer func() { _ = w.socket.CloseNow() }() // the client has nothing more to say
	if err := errors.Join(d.put(ctx, topic, "quote", "1"), w.until(ctx, 1)); err != nil {
		return err
	}
	root := filepath.Join(d.dir, d.name, "changed")
	if err := copySource(root); err != nil {
		return err
	}
	source := "package main\n\nfunc init() { println(\"" + mark + "\") }\n"
	if err := os.WriteFile(filepath.Join(root, "functions", "fanout", "changed.go"), []byte(source), 0o644); err != nil {
		return err
	}
	whole, err := d.cdk.Synthesize(ctx, root, filepath.Join(root, "cdk.out"))
	if err != nil {
		return err
	}
	changed, err := whole.Without(d.lacks, filepath.Join(root, "accepted"))
	if err != nil {
		return err
	}
	if _, err := d.cdk.Deploy(ctx, changed); err != nil {
		return err
	}
	if err := errors.Join(d.put(ctx, topic, "quote", "2"), w.until(ctx, 2)); err != nil {
		return err
	}
	return eventually(ctx, func() error {
		if n, err := d.countInLog(mark); err != nil || n == 0 {
			return errors.Join(err, errors.New("the changed fan-out has not started"))
		}
		return nil
	})
}

// givenUp is what Lambda tells of a batch whose retries are exhausted.
type givenUp struct {
	RequestContext struct {
		Condition              string
		ApproximateInvokeCount int
	}
	DDBStreamBatchInfo struct{ BatchSize int }
}

// retries are allowed to the mapping while its batch is exhausted, instead of a hundred.
const retries = 2

// exhaust lowers the retries, puts items while the fan-out fails until the mapping gives them up, and gives what it
// tells. Salvage is held back meanwhile, and then does its work: each item is in the failure queue. The lower
// number stays, see mappingBeginsAnew.
func (d *deployment) exhaust(ctx context.Context, items int) ([]givenUp, error) {
	if err := errors.Join(d.mappingBeginsAnew(ctx, "--maximum-retry-attempts", fmt.Sprint(retries)), d.changeMapping(ctx, queueMappings[0], "--no-enabled")); err != nil {
		return nil, err
	}
	err := d.breakFanout(ctx, func() error {
		for i := range items {
			if err := d.put(ctx, "exhausted", fmt.Sprintf("item-%d", i), "1"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, d.heal(ctx))
	}
	told, err := d.toldOf(ctx, items)
	if err := errors.Join(err, d.heal(ctx), d.changeMapping(ctx, queueMappings[0], "--enabled")); err != nil {
		return nil, err
	}
	for salvaged := 0; salvaged < items; {
		got, err := d.nextFailure(ctx)
		if err != nil {
			return nil, fmt.Errorf("after %d of %d items were salvaged: %w", salvaged, items, err)
		}
		if got.Reason == "gave_up" {
			salvaged++
		}
	}
	if err := d.put(ctx, "exhausted", "after", "2"); err != nil {
		return nil, err
	}
	return told, d.isLogged(ctx, "exhausted", `1 added after {"price":2}`)
}

// mappingGoesOn changes the mapping of Events, and sees the next item numbered and nothing refused once more.
func (d *deployment) mappingGoesOn(ctx context.Context) error {
	seen, err := d.countInLog(refused)
	if err := errors.Join(err, d.changeMapping(ctx, "EventsToFanout", "--batch-size", "100"), d.put(ctx, "on", "quote", "1"),
		d.isLogged(ctx, "on", `1 added quote {"price":1}`)); err != nil {
		return err
	}
	now, err := d.countInLog(refused)
	return errors.Join(err, same("records that were refused", now, seen))
}

// refused is what our fan-out says of an item that breaks the rules.
const refused = `"message":"record refused"`

// mappingBeginsAnew changes the mapping of Events. LocalStack then reads the stream from its beginning, which AWS
// does not: the item that breaks the rules is refused once more, and what is delivered again keeps its number.
func (d *deployment) mappingBeginsAnew(ctx context.Context, flags ...string) error {
	before, err := d.logged(ctx, topic)
	anew := "anew/" + strings.Trim(flags[0], "-")
	if err := errors.Join(err, d.changeMapping(ctx, "EventsToFanout", flags...), d.put(ctx, anew, "quote", "1")); err != nil {
		return err
	}
	if err := d.isLogged(ctx, anew, `1 added quote {"price":1}`); err != nil {
		return err
	}
	again, err := d.nextFailure(ctx)
	if err != nil {
		return fmt.Errorf("the stream is not read from its beginning now: do not check it: %w", err)
	}
	after, err := d.logged(ctx, topic)
	return errors.Join(err, same("reason", again.Reason, "bad_topic"), same("the log after all was delivered again", after, before))
}

// toldOf reads the queue of batches that were given up until it tells of so many records, and leaves the messages.
func (d *deployment) toldOf(ctx context.Context, records int) (told []givenUp, err error) {
	seen := map[string]bool{}
	err = eventually(ctx, func() error {
		out, err := d.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String(d.physical["GivenUpQueue"]), MaxNumberOfMessages: 10, VisibilityTimeout: 1})
		if err != nil {
			return err
		}
		for _, m := range out.Messages {
			var one givenUp
			if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &one); err != nil {
				return err
			}
			if id := aws.ToString(m.MessageId); !seen[id] {
				seen[id], told = true, append(told, one)
			}
		}
		sum := 0
		for _, one := range told {
			sum += one.DDBStreamBatchInfo.BatchSize
		}
		return same("records that are given up", sum, records)
	})
	return told, err
}

// changeMapping changes a mapping, as an operator would, and waits until it is in effect.
func (d *deployment) changeMapping(ctx context.Context, id string, flags ...string) error {
	if err := d.runAWS(ctx, nil, append([]string{"lambda", "update-event-source-mapping", "--uuid", d.physical[id]}, flags...)...); err != nil {
		return err
	}
	return eventually(ctx, func() error {
		got, err := d.mapping(ctx, id)
		if err == nil && got.State != "Enabled" && got.State != "Disabled" {
			err = errors.New("the mapping is " + got.State)
		}
		return err
	})
}

// exhaustedItems are put at once, so that a batch has several.
const exhaustedItems = 4

// recordsAreCutOut wants each record that fails to be given up alone, after as many retries as are allowed.
func (d *deployment) recordsAreCutOut(ctx context.Context) error {
	told, err := d.exhaust(ctx, exhaustedItems)
	if err == nil {
		err = same("messages of batches that are given up", len(told), exhaustedItems)
	}
	return errors.Join(err, areExhausted(told))
}

// batchesAreGivenUpWhole is true of an emulator that does not split a batch on whose records the function fails.
func (d *deployment) batchesAreGivenUpWhole(ctx context.Context) error {
	told, err := d.exhaust(ctx, exhaustedItems)
	if err == nil && len(told) == exhaustedItems {
		err = errors.New("batches are split now: check it as ok")
	}
	return errors.Join(err, areExhausted(told))
}

func areExhausted(told []givenUp) error {
	var faults []error
	for _, one := range told {
		faults = append(faults, same("condition", one.RequestContext.Condition, "RetryAttemptsExhausted"),
			same("invocations", one.RequestContext.ApproximateInvokeCount, retries+1))
	}
	return errors.Join(faults...)
}
