package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/eventbridge"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/stack"
)

// office serves all receivers, each below its number, and lets the sweeps of the stack come.
type office struct {
	receivers []*receiver
	server    *http.Server
	end       chan struct{}
	working   sync.WaitGroup
}

// sweepPause is the time between two sweeps, which the stack takes for a minute.
const sweepPause = 300 * time.Millisecond

// open makes the receivers of a run and serves them.
func (r *run) open(random *rand.Rand) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.stack.Close()
		return err
	}
	o := &office{end: make(chan struct{})}
	o.server = &http.Server{Handler: o, ReadHeaderTimeout: 10 * time.Second}
	for n := range r.settings.watchers {
		w := &wallet{issuer: r.issuer, subject: fmt.Sprint("owner-", n), grant: delivering, random: rand.New(rand.NewPCG(random.Uint64(), 0)), sound: true}
		own := owner{url: r.stack.HTTPURL(), wallet: w, random: rand.New(rand.NewPCG(random.Uint64(), 0))}
		one := newReceiver(n, own, fmt.Sprintf("http://%s/%d", listener.Addr(), n), r.topics)
		one.wire = r.wire
		o.receivers = append(o.receivers, one)
	}
	o.working.Go(func() { _ = o.server.Serve(listener) }) // until close
	o.working.Go(func() { o.sweep(r.clock) })
	r.office = o
	return nil
}

func (o *office) sweep(clock *eventbridge.Hand) {
	ticker := time.NewTicker(sweepPause)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			clock.Advance(time.Minute)
		case <-o.end:
			return
		}
	}
}

func (o *office) close() {
	close(o.end)
	_ = o.server.Close()
	o.working.Wait()
}

func (o *office) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n >= len(o.receivers) {
		http.NotFound(w, r)
		return
	}
	o.receivers[n].ServeHTTP(w, r)
}

// unmet names the answers that receivers have never given, and what else has not happened to them.
func (o *office) unmet() (missing []string) {
	var all tally
	for _, one := range o.receivers {
		one.tally(&all)
	}
	for _, a := range append(slices.Clone(failures), answer{name: "200"}, answer{name: "late"}, answer{name: "410"}) {
		if all.post.answers[a.name] == 0 {
			missing = append(missing, "the answer "+a.name)
		}
	}
	if all.post.repeated == 0 {
		missing = append(missing, "a message that comes again")
	}
	if all.resets == 0 {
		missing = append(missing, "a reset")
	}
	return missing
}

// schedules is what the schedules of the stack go by.
func (r *run) schedules() eventbridge.Clock {
	if r.clock == nil {
		return nil
	}
	return r.clock
}

// ofDeliveries are the overlaps that runs with webhooks are to have. Other runs have all others.
var ofDeliveries = map[fault.Overlap]bool{fault.SameStanding: true, fault.OvertakenDelivery: true, fault.WokenMeanwhile: true}

// overlaps counts the overlaps that a run of this shape is to have.
func (r *run) overlaps() map[fault.Overlap]int64 {
	counts := r.faults.Overlaps()
	for overlap := range counts {
		if ofDeliveries[overlap] != r.webhooks && !(r.webhooks && overlap == fault.SameRecord) {
			delete(counts, overlap)
		}
	}
	return counts
}

// meanwhile is how long a receiver waits for the change that it has written to be logged, before it
// answers. It is less than it has.
const meanwhile = 500 * time.Millisecond

// interrupt writes a change of each topic when all is delivered, and another one while the first is
// being delivered, which must come although nothing follows. Nothing is broken any more.
func (r *run) interrupt(context.Context) error {
	r.faults.Off()
	errs := make(chan error, len(r.office.receivers))
	for _, one := range r.office.receivers {
		if one.manner != punctual {
			continue
		}
		one.mu.Lock()
		one.armed = func(topic events.Topic) {
			errs <- r.writers[1].one(topic)
			time.Sleep(meanwhile)
		}
		one.mu.Unlock()
		if err := r.writers[0].one(one.topics[0]); err != nil {
			return err
		}
		select {
		case err := <-errs:
			if err != nil {
				return err
			}
		case <-time.After(r.patience): // the verdict says what is missing
			return nil
		}
	}
	return nil
}

// givenUp gives a broken promise if a message of the queue of deliveries was given up.
func (r *run) givenUp(ctx context.Context) (broken, err error) {
	queue := sqs.NewFromConfig(aws.Config{
		Region: stack.Region, BaseEndpoint: aws.String(r.stack.URL()), Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	out, err := queue.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       aws.String(r.stack.URL() + "/" + stack.Account + "/DeliveriesGivenUpQueue.fifo"),
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages},
	})
	if err != nil {
		return nil, err
	}
	if n := out.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessages)]; n != "0" {
		broken = fmt.Errorf("%s messages of the queue of deliveries were given up", n)
	}
	return broken, nil
}
