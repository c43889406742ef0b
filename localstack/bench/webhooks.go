package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/issuer"
	"github.com/watchroute/watchroute/shared/build"
	"github.com/watchroute/watchroute/shared/token"
)

const (
	hooks = 200 // destinations, of whom one dies
	// hookTime is how long changes are written, each of another topic. It is longer than the dead one's
	// first attempts take.
	hookTime = 40 * time.Second
	// hookTimes bounds the others' p99 beside the dead one, in times of the quiet one.
	hookTimes = 2
	hookGrant = `{"v":1,"allow":[{"topics":["hooks/*"],"actions":["deliver"]}]}`
)

// hookWorld are destinations in this process, each of its own topic; the first, which watches all
// topics, answers nothing once it is dead.
type hookWorld struct {
	*stackProcess
	server *http.Server
	url    string

	mu       sync.Mutex
	dead     chan struct{} // closed when the dead one may answer; nil while it lives
	verified map[int]bool
	got      latencies
	attempts int // that the dead one has got
}

// webhooks prints how long a change takes from PutItem to its webhook: with all destinations alive, and
// beside one that is dead. It prints how many messages of the dead one wait at most, too.
func webhooks(ctx context.Context, dir string) error {
	s, err := startStack(ctx, filepath.Join(dir, build.Executable))
	if err != nil {
		return err
	}
	defer s.stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w := &hookWorld{stackProcess: s, url: "http://" + listener.Addr().String(), verified: map[int]bool{}}
	w.server = &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = w.server.Serve(listener) }()
	defer w.server.Close()
	if err := w.register(ctx); err != nil {
		return err
	}
	fmt.Printf("\n%d webhooks, %d changes a second, each of another topic (load average %s)\n", hooks, steadyRate, load())
	if _, _, err := w.during(ctx, hookTime/4); err != nil { // until there are enough processes
		return err
	}
	quiet, _, err := w.during(ctx, hookTime)
	if err != nil {
		return err
	}
	fmt.Printf("  all alive                                 %s\n", quiet)
	w.die()
	beside, waiting, err := w.during(ctx, hookTime)
	w.revive()
	if err != nil {
		return err
	}
	verdict := "within"
	times := float64(beside.quantile(0.99)) / float64(quiet.quantile(0.99))
	if times > hookTimes {
		verdict = "OVER"
	}
	fmt.Printf("  beside one that watches all topics and answers nothing\n")
	fmt.Printf("                                            %s   %s the goal: %.1f times the quiet p99\n", beside, verdict, times)
	fmt.Printf("  of the dead one                           %d attempts; at most %d messages wait or are being delivered, of %d topics\n", w.attempts, waiting, hooks-1)
	return nil
}

// register registers all destinations and waits until they have answered their challenges.
func (w *hookWorld) register(ctx context.Context) error {
	from, err := issuer.Open(ctx, "http://"+w.addr)
	if err != nil {
		return err
	}
	var registering errgroup.Group
	registering.SetLimit(8)
	for n := range hooks {
		topic := fmt.Sprint("hooks/", n)
		if n == 0 {
			topic = "hooks/*"
		}
		registering.Go(func() error { return w.registerOne(ctx, from, n, topic) })
	}
	if err := registering.Wait(); err != nil {
		return err
	}
	return w.eventually(ctx, func() bool { return len(w.verified) == hooks })
}

func (w *hookWorld) registerOne(ctx context.Context, from issuer.Issuer, n int, topic string) error {
	signed, err := from.Sign(token.Token{Subject: fmt.Sprint("hook-", n), Issued: time.Now(), Expires: time.Now().Add(time.Hour), Claim: []byte(hookGrant)})
	if err != nil {
		return err
	}
	body, err := json.Marshal(events.DestinationRequest{Topic: topic, URL: fmt.Sprint(w.url, "/", n)})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.addr+"/live/destinations", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+signed)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(response.Body) // which says why, perhaps
		return fmt.Errorf("register a destination: %s: %s", response.Status, text)
	}
	return nil
}

// ServeHTTP takes a message.
func (w *hookWorld) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/")) // ours
	at := time.Now()
	var message struct {
		Challenge string
		Changes   []struct{ Data struct{ At string } }
	}
	_ = json.Unmarshal(body, &message) // what is something else has neither
	w.mu.Lock()
	dead := w.dead
	switch {
	case message.Challenge != "":
		w.verified[n] = true
	case n == 0 && dead != nil:
		w.attempts++
	case n > 0:
		for _, c := range message.Changes {
			sent, _ := strconv.ParseInt(c.Data.At, 10, 64) // as item writes it
			w.got = append(w.got, at.Sub(time.Unix(0, sent)))
		}
	}
	w.mu.Unlock()
	if n == 0 && dead != nil {
		select {
		case <-dead:
		case <-r.Context().Done():
		}
	}
	_, _ = io.WriteString(out, message.Challenge) // a sender that has gone does not read it
}

func (w *hookWorld) die() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = make(chan struct{})
}

func (w *hookWorld) revive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.dead)
	w.dead = nil
}

// during writes changes for a while, and gives how long they took to the destinations that live, and
// how many messages there were at most in the queue of deliveries.
func (w *hookWorld) during(ctx context.Context, d time.Duration) (got latencies, waiting int, err error) {
	w.mu.Lock()
	w.got = nil
	w.mu.Unlock()
	counting, stop := context.WithCancel(ctx)
	counted := make(chan error, 1)
	go func() { counted <- w.count(counting, &waiting) }()
	written := 0
	ticker := time.NewTicker(time.Second / steadyRate)
	defer ticker.Stop()
	for end := time.Now().Add(d); time.Now().Before(end) && err == nil; written++ {
		<-ticker.C
		w.topic = fmt.Sprint("hooks/", 1+written%(hooks-1))
		err = w.put(ctx, 1)
	}
	if err == nil {
		err = w.eventually(ctx, func() bool { return len(w.got) >= written })
	}
	stop()
	err = errors.Join(err, <-counted)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got, waiting, err
}

// count keeps the most messages that the queue of deliveries has had, until ctx ends.
func (w *hookWorld) count(ctx context.Context, most *int) error {
	queue := sqs.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String("http://" + w.addr),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
	for {
		out, err := queue.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: aws.String("http://" + w.addr + "/000000000000/DeliveriesQueue.fifo"), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		sum := 0
		for _, name := range []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible} {
			n, _ := strconv.Atoi(out.Attributes[string(name)]) // always a number
			sum += n
		}
		*most = max(*most, sum)
		time.Sleep(100 * time.Millisecond)
	}
}

// eventually waits until something holds, which is asked with the lock held.
func (w *hookWorld) eventually(ctx context.Context, holds func() bool) error {
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		w.mu.Lock()
		held := holds()
		w.mu.Unlock()
		if held {
			return nil
		}
	}
	return errors.Join(ctx.Err(), errors.New("webhooks have not got everything in time"))
}
