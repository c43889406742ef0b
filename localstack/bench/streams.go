package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// streamTime is how long changes are written steadily to streams, and beside them.
	streamTime = 6 * time.Second
	// loneChanges is how many changes are written after a quiet time.
	loneChanges = 5
	// loneAfter is the quiet time before each of them, to which up to a second is added. Streams
	// then look at their slowest rate.
	loneAfter = 2 * time.Second
)

// ofASubject is how many streams a subject has here. All holds of a subject are in one row.
const ofASubject = 5

// streams prints how long a change takes from PutItem to its event, at few and many streams of
// Server-Sent Events, and how much memory they take. Nothing is posted to a stream. It looks for
// changes itself: every quarter of a second while there are some, and once a second otherwise. A
// missed change is an error.
func streams(ctx context.Context, dir string) error {
	fmt.Printf("\nstreams of one topic, items of 256 bytes (load average %s)\n", load())
	for _, n := range []int{1, 50, 200} {
		if err := withRoomy(ctx, dir, "streams", func(s *stackProcess) error { return s.streamTo(ctx, n) }); err != nil {
			return fmt.Errorf("to %d streams: %w", n, err)
		}
	}
	return nil
}

// streamTo measures with n streams.
func (s *stackProcess) streamTo(ctx context.Context, n int) error {
	before := s.memory()
	a, err := s.gatherStreams(ctx, topic, n)
	defer a.leave()
	if err != nil {
		return err
	}
	lone, err := s.lone(ctx, a)
	if err != nil {
		return err
	}
	steady, err := s.quiet(ctx, a, streamTime)
	if err != nil {
		return err
	}
	fmt.Printf("  %3d streams   PutItem to event at %d/s       %s\n", n, steadyRate, steady.latencies)
	fmt.Printf("                the same, after quiet          %s\n", lone)
	fmt.Printf("                memory of all processes       %5.0f MB, %.0f MB before (%s)\n", s.memory().total(), before.total(), s.memory())
	return nil
}

// lone writes changes, each after a quiet time, and gives how long they take.
func (s *stackProcess) lone(ctx context.Context, a *audience) (latencies, error) {
	a.reset()
	for n := range loneChanges {
		select {
		case <-time.After(loneAfter + rand.N(time.Second)): // at a random time between two looks
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err := s.put(ctx, 1); err != nil {
			return nil, err
		}
		if err := a.await(ctx, (n+1)*len(a.members)); err != nil {
			return nil, err
		}
	}
	return a.takeLatencies(), nil
}

// held is how many streams are held beside the measured WebSocket watchers.
const held = 100

// besideStreams prints how long changes take to WebSocket watchers beside held streams: of another
// topic, which is quiet, and of the same topic. A missed change is an error.
func besideStreams(ctx context.Context, dir string) error {
	for _, of := range []string{"bench/another", topic} {
		measure := func(s *stackProcess, others *audience) error { return s.beside(ctx, others, of) }
		if err := withRoomy(ctx, dir, "beside", func(s *stackProcess) error { return s.withOthers(ctx, measure) }); err != nil {
			return fmt.Errorf("beside streams of %s: %w", of, err)
		}
	}
	return nil
}

// beside measures beside streams of one topic.
func (s *stackProcess) beside(ctx context.Context, others *audience, of string) error {
	what := "another topic"
	if of == topic {
		what = "the same topic"
	}
	fmt.Printf("\nWebSocket watchers beside %d held streams of %s\n%s", held, what, surroundings(others))
	quiet, err := s.quiet(ctx, others, streamTime)
	if err != nil {
		return err
	}
	fmt.Printf("    without streams      %s\n", quiet.latencies)
	a, err := s.gatherStreams(ctx, of, held)
	defer a.leave()
	if err != nil {
		return err
	}
	beside, err := s.quiet(ctx, others, streamTime)
	if err != nil {
		return err
	}
	fmt.Printf("    beside them          %s\n", compared(beside.latencies, quiet.latencies))
	if of == topic {
		if err := a.await(ctx, beside.changes*held); err != nil {
			return fmt.Errorf("to streams: %w", err)
		}
		fmt.Printf("    the streams          %s\n", a.takeLatencies())
	}
	fmt.Printf("    memory               %6.0f MB (%s)\n", s.memory().total(), s.memory())
	return nil
}

// gatherStreams opens streams and waits until each is held.
func (s *stackProcess) gatherStreams(ctx context.Context, topic string, n int) (*audience, error) {
	a := &audience{arrived: make(chan struct{}, 1)}
	var tasks errgroup.Group
	tasks.SetLimit(16)
	token := ""
	for i := range n {
		if i%ofASubject == 0 {
			var err error
			if token, err = s.token(ctx, "streamer "+strconv.Itoa(i/ofASubject), `{"v":1,"allow":[{"topics":["bench/*"],"actions":["subscribe"]}]}`); err != nil {
				return a, errors.Join(err, tasks.Wait())
			}
		}
		m, own := &member{}, token
		a.members = append(a.members, m)
		tasks.Go(func() error { return s.openStream(ctx, a, m, topic, own) })
	}
	return a, tasks.Wait()
}

// openStream opens a stream, and listens to it once it has told its place.
func (s *stackProcess) openStream(ctx context.Context, a *audience, m *member, topic, token string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.topicURL(topic), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	m.stream = response.Body
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for placed := false; lines.Scan(); {
		placed = placed || bytes.HasPrefix(lines.Bytes(), []byte("id: "))
		if placed && len(lines.Bytes()) == 0 { // the end of the event with the place
			go a.follow(m, lines)
			return nil
		}
	}
	return errors.Join(fmt.Errorf("a stream got %s and is not held", response.Status), lines.Err())
}

// follow takes the changes of a stream until leave closes it.
func (a *audience) follow(m *member, lines *bufio.Scanner) {
	for lines.Scan() {
		if data, found := bytes.CutPrefix(lines.Bytes(), []byte("data: ")); found {
			a.receive(m, data, time.Now())
		}
	}
}
