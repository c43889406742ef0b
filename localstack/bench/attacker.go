package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/trickle"
	"github.com/watchroute/watchroute/shared/watch"
	"golang.org/x/sync/errgroup"
)

const (
	// attackTime bounds each attack.
	attackTime = 6 * time.Second
	// answerTime bounds how long mallory waits for answers after that. The service's
	// functions have 10 seconds for each.
	answerTime = 12 * time.Second
	// pieceBytes is where a message is cut into WebSocket frames, of which API Gateway takes
	// up to 32 KB.
	pieceBytes = 16 << 10
)

// attacker is mallory in her own process.
type attacker struct {
	addr, token string
	unwatched   bool // she subscribes to nothing
	db          *dynamodb.Client
	sockets     []*socket
	accepted    []int // how many conditions the service accepts in each of the forms of filters
	outcome     *outcome
}

// socket is one of her connections.
type socket struct {
	conn  *websocket.Conn
	room  chan struct{} // has an element for each request that may be sent before another is answered
	quiet bool          // its frames are read and thrown away
}

func newAttacker(addr, token string, unwatched bool) *attacker {
	return &attacker{addr: addr, token: token, unwatched: unwatched, db: openDatabase(addr), outcome: newOutcome("attack")}
}

// connect opens n connections that may have so many requests under way.
func (m *attacker) connect(ctx context.Context, n, underWay int) error {
	for range n {
		if err := m.dial(ctx, http.DefaultClient, underWay); err != nil {
			return err
		}
	}
	return nil
}

// spentPause is how long mallory waits before she asks again when she has spent her allowance
// while she gets ready.
const spentPause = watch.AllowancePeriod / 5

func (m *attacker) dial(ctx context.Context, client *http.Client, underWay int) error {
	header := http.Header{"Authorization": {"Bearer " + m.token}}
	dial := func() (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(ctx, "ws://"+m.addr+"/live", &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
	}
	conn, response, err := dial()
	for err != nil && response != nil && response.StatusCode == http.StatusTooManyRequests && ctx.Err() == nil {
		time.Sleep(spentPause)
		conn, response, err = dial()
	}
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	conn.SetReadLimit(1 << 20)
	s := &socket{conn: conn, room: make(chan struct{}, underWay)}
	for range underWay {
		s.room <- struct{}{}
	}
	m.sockets = append(m.sockets, s)
	return nil
}

// slowRate is how many bytes a second a slow connection reads.
const slowRate = 8 << 10

// connectSlowly opens n connections that read at slowRate.
func (m *attacker) connectSlowly(ctx context.Context, n int) error {
	client := trickle.Client(slowRate)
	for range n {
		if err := m.dial(ctx, client, 1); err != nil {
			return err
		}
		m.sockets[len(m.sockets)-1].quiet = true
	}
	return nil
}

// call sends a request before the attack, until the allowance pays for it, and gives what it
// is answered.
func (s *socket) call(ctx context.Context, request events.Request) (answer string, err error) {
	answer, err = s.ask(ctx, request)
	for err == nil && answer == string(events.CodeTooManyRequests) && ctx.Err() == nil {
		time.Sleep(spentPause)
		answer, err = s.ask(ctx, request)
	}
	return answer, err
}

func (s *socket) ask(ctx context.Context, request events.Request) (string, error) {
	frame, err := json.Marshal(request)
	if err != nil {
		return "", err
	}
	if err := s.write(ctx, frame); err != nil {
		return "", err
	}
	for {
		_, data, err := s.conn.Read(ctx)
		if err != nil {
			return "", err
		}
		if answer, is := answerOf(data); is {
			return answer, nil
		}
	}
}

// subscribe subscribes each connection to a topic or a pattern, unless nothing is to be
// watched.
func (m *attacker) subscribe(ctx context.Context, request func(socket int) events.Request) error {
	if m.unwatched {
		return nil
	}
	for i, s := range m.sockets {
		r := request(i)
		r.Action = events.ActionSubscribe
		answer, err := s.call(ctx, r)
		if err == nil && answer != "subscribed" {
			err = fmt.Errorf("answered %s", answer)
		}
		if err != nil {
			return fmt.Errorf("subscribe to %s: %w", r.Topic, err)
		}
	}
	return nil
}

// write sends a message in pieces that API Gateway takes.
func (s *socket) write(ctx context.Context, message []byte) error {
	w, err := s.conn.Writer(ctx, websocket.MessageText)
	if err != nil {
		return err
	}
	for len(message) > 0 {
		n, err := w.Write(message[:min(len(message), pieceBytes)])
		if err != nil {
			return err
		}
		message = message[n:]
	}
	return w.Close()
}

// listen reads what comes over all connections from now on.
func (m *attacker) listen(ctx context.Context) {
	for _, s := range m.sockets {
		go m.read(ctx, s)
	}
}

func (m *attacker) read(ctx context.Context, s *socket) {
	for {
		_, r, err := s.conn.Reader(ctx)
		if err != nil {
			return // leave closed it, or its requests have no answers
		}
		if s.quiet {
			_, _ = io.Copy(io.Discard, r) // the next Reader fails too
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return
		}
		m.receive(s, data)
	}
}

// receive counts an answer, which makes room for another request.
func (m *attacker) receive(s *socket, frame []byte) {
	if bytes.Contains(frame, []byte(`"costly":`)) {
		m.outcome.add(func(o *outcome) { o.Costly++ })
	}
	answer, is := answerOf(frame)
	if !is {
		return
	}
	m.outcome.count(answer, 1)
	select {
	case s.room <- struct{}{}:
	default: // it answers what was sent before the attack
	}
}

// ask sends requests over each connection until ctx ends: one in each interval, if there
// is room for it.
func (m *attacker) ask(ctx context.Context, interval time.Duration, request func(socket int) events.Request) error {
	var tasks errgroup.Group
	for i := range m.sockets {
		tasks.Go(func() error {
			return m.askInTurn(ctx, interval, m.sockets[i:i+1], func(int) events.Request { return request(i) })
		})
	}
	return tasks.Wait()
}

// askInTurn sends requests over some connections, one after the other, until ctx ends.
func (m *attacker) askInTurn(ctx context.Context, interval time.Duration, sockets []*socket, request func(socket int) events.Request) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for i := 0; ; i = (i + 1) % len(sockets) {
		select {
		case <-sockets[i].room:
		case <-ctx.Done():
			return nil
		}
		if err := m.send(context.WithoutCancel(ctx), sockets[i], request(i)); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// send sends a request, which has no answer if the connection is gone.
func (m *attacker) send(ctx context.Context, s *socket, request events.Request) error {
	frame, err := json.Marshal(request)
	if err != nil {
		return err
	}
	m.outcome.add(func(o *outcome) { o.Sent++ })
	_ = s.write(ctx, frame)
	return nil
}

// awaitAnswers waits for those that are still due, and counts what does not come.
func (m *attacker) awaitAnswers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for m.outcome.unanswered() > 0 && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	m.outcome.count(noAnswer, m.outcome.unanswered())
}

// item is one that mallory writes.
type item struct {
	topic, id string
	data      attributes
}

type attributes = map[string]types.AttributeValue

// put writes an item straight into the table, as a backend does on her behalf.
func (m *attacker) put(ctx context.Context, i item) error {
	row := attributes{"topic": text(i.topic), "id": text(i.id)}
	maps.Copy(row, i.data)
	if _, err := m.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("Events"), Item: row}); err != nil {
		return fmt.Errorf("put an item of %s: %w", i.topic, err)
	}
	return nil
}

// fill writes some items to each topic, and waits until they are numbered.
func (m *attacker) fill(ctx context.Context, topics []string, each int, data func(n int) (id string, data attributes)) error {
	before := make([]int, len(topics))
	tasks, tasksCtx := errgroup.WithContext(ctx)
	tasks.SetLimit(8)
	for i, topic := range topics {
		var err error
		if before[i], err = head(ctx, m.db, topic); err != nil {
			return err
		}
		for n := range each {
			tasks.Go(func() error {
				id, data := data(n)
				return m.put(tasksCtx, item{topic, id, data})
			})
		}
	}
	err := tasks.Wait()
	for i, topic := range topics {
		if err == nil {
			err = awaitHead(ctx, m.db, topic, before[i]+each)
		}
	}
	return err
}

// putEach writes one item in each interval until ctx ends.
func (m *attacker) putEach(ctx context.Context, interval time.Duration, item func(n int) item) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := 0; ; n++ {
		if err := m.put(context.WithoutCancel(ctx), item(n)); err != nil {
			return err
		}
		m.outcome.add(func(o *outcome) { o.Put++ })
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (m *attacker) leave() {
	for _, s := range m.sockets {
		_ = s.conn.CloseNow()
	}
}
