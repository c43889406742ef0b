package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/shared/build"
	"golang.org/x/sync/errgroup"
)

const (
	manyTopics = 10_000
	// onlookers are the connections that watch the topics, as many topics each. Changes that are
	// written one after another are for different connections.
	onlookers  = 100
	topicsBase = "topics/"
	rounds     = 4
)

// topics prints how fast changes of many topics with one watcher each are pushed, and what a change
// costs. The first round writes the first change of each topic.
func topics(ctx context.Context, dir string) error {
	s, err := startStack(ctx, filepath.Join(dir, build.Executable))
	if err != nil {
		return err
	}
	w := &wall{arrived: make(chan struct{}, 1), seen: make([]int, manyTopics)}
	defer func() { s.stop(); w.leave() }()
	if err := w.gather(ctx, s); err != nil {
		return err
	}
	fmt.Printf("\n%d topics with one watcher each, %d connections, one write to each topic (load average %s)\n", manyTopics, onlookers, load())
	for round := 1; round <= rounds; round++ {
		if err := w.measure(ctx, s, round); err != nil {
			return err
		}
	}
	return nil
}

// wall are connections that watch many topics.
type wall struct {
	conns   []*websocket.Conn
	arrived chan struct{}

	mu    sync.Mutex
	seen  []int // the latest round of each topic
	round int
	count int // topics that have had the round
}

// gather connects and subscribes.
func (w *wall) gather(ctx context.Context, s *stackProcess) error {
	var tasks errgroup.Group
	tasks.SetLimit(16)
	w.conns = make([]*websocket.Conn, onlookers)
	for i := range w.conns {
		tasks.Go(func() error {
			conn, _, err := websocket.Dial(ctx, "ws://"+s.addr+"/live", nil)
			if err != nil {
				return err
			}
			conn.SetReadLimit(128 << 10)
			w.conns[i] = conn
			for topic := i; topic < manyTopics; topic += onlookers {
				if err := subscribePatiently(ctx, conn, topicsBase+strconv.Itoa(topic)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := tasks.Wait(); err != nil {
		return err
	}
	for _, conn := range w.conns {
		go w.listen(ctx, conn)
	}
	return nil
}

// subscribePatiently asks again for as long as the connection has asked too often.
func subscribePatiently(ctx context.Context, conn *websocket.Conn, topic string) error {
	for end := time.Now().Add(time.Minute); ; {
		answer, err := subscribe(ctx, conn, topic)
		switch {
		case err != nil:
			return err
		case bytes.Contains(answer, []byte(`"subscribed"`)):
			return nil
		case time.Now().After(end):
			return fmt.Errorf("subscribe is answered %s", answer)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (w *wall) listen(ctx context.Context, conn *websocket.Conn) {
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return // leave closed it
		}
		w.receive(frame)
	}
}

// receive notes the changes of a frame.
func (w *wall) receive(frame []byte) {
	topics, of := slices.Collect(numbers(frame, `"topic":"`+topicsBase)), slices.Collect(numbers(frame, `"round":"`))
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range min(len(topics), len(of)) {
		if topic := topics[i]; int(of[i]) == w.round && w.seen[topic] < w.round {
			w.seen[topic] = w.round
			w.count++
		}
	}
	select {
	case w.arrived <- struct{}{}:
	default:
	}
}

// measure writes a change to each topic, and waits until the watchers have them.
func (w *wall) measure(ctx context.Context, s *stackProcess, round int) error {
	w.mu.Lock()
	w.round, w.count = round, 0
	w.mu.Unlock()
	before, err := s.usage(ctx)
	if err != nil {
		return err
	}
	stack, functions := s.cpu()
	began := time.Now()
	if err := s.putEach(ctx, round); err != nil {
		return err
	}
	if err := w.await(ctx); err != nil {
		return err
	}
	took := time.Since(began)
	stackAfter, functionsAfter := s.cpu()
	after, err := s.usage(ctx)
	if err != nil {
		return err
	}
	used := after.without(before)
	each := func(d time.Duration) float64 { return ms(d) / manyTopics }
	fmt.Printf("  round %d   %6.0f changes/s, %.2f ms of CPU a change (functions %.2f, stack %.2f), %.2f read units, %.2f write units, %.2f posts, %d new TCP connections\n",
		round, manyTopics/took.Seconds(), each(stackAfter-stack+functionsAfter-functions), each(functionsAfter-functions), each(stackAfter-stack),
		used.readUnits/manyTopics, used.writeUnits/manyTopics-1, used.taken/manyTopics, int(used.connections))
	return nil
}

// putEach writes an item to each topic, as many at once as a request takes.
func (s *stackProcess) putEach(ctx context.Context, round int) error {
	var requests []types.WriteRequest
	for topic := range manyTopics {
		requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
			"topic": text(topicsBase + strconv.Itoa(topic)), "id": text("i"),
			"round": text(strconv.Itoa(round)), "text": text(strings.Repeat("x", 200)),
		}}})
	}
	for some := range slices.Chunk(requests, 25) {
		out, err := s.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"Events": some}})
		if err != nil {
			return err
		}
		if len(out.UnprocessedItems) > 0 {
			return fmt.Errorf("some of the items from %v on are not written", some[0].PutRequest.Item["topic"])
		}
	}
	return nil
}

// await waits until the watchers of all topics have the round.
func (w *wall) await(ctx context.Context) error {
	deadline := time.After(2 * time.Minute)
	for {
		w.mu.Lock()
		count := w.count
		w.mu.Unlock()
		if count == manyTopics {
			return nil
		}
		select {
		case <-w.arrived:
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return fmt.Errorf("%d of %d topics were pushed within two minutes", count, manyTopics)
		}
	}
}

func (w *wall) leave() {
	for _, conn := range w.conns {
		if conn != nil {
			_ = conn.CloseNow()
		}
	}
}

// clockTick is the unit of times in /proc.
//
// Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
const clockTick = 10 * time.Millisecond

// cpu gives the CPU time of the stack, and of all function processes, ended ones too. It reads
// /proc, which only Linux has. Elsewhere both are 0.
func (s *stackProcess) cpu() (stack, functions time.Duration) {
	stack, functions = cpuTimes(s.cmd.Process.Pid)
	for _, pid := range children(s.cmd.Process.Pid) {
		own, _ := cpuTimes(pid)
		functions += own
	}
	return stack, functions
}

// cpuTimes gives the CPU time of a process, and of its children that have ended.
func cpuTimes(pid int) (own, ended time.Duration) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	// After the command, which may hold spaces, fields[0] is the state. utime, stime, cutime and
	// cstime are fields 14 to 17 of the line.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	tick := func(field int) time.Duration {
		n, _ := strconv.Atoi(fields[field-3])
		return time.Duration(n) * clockTick
	}
	return tick(14) + tick(15), tick(16) + tick(17)
}
