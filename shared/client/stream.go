package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tmaxmax/go-sse"
	"github.com/watchroute/watchroute/events"
)

const (
	// sseType is the content type of Server-Sent Events.
	sseType = "text/event-stream"
	// topicsOfStream bounds the topics of one stream. The service accepts as many.
	topicsOfStream = 50
	// streamURLBytes bounds the URL of a stream.
	streamURLBytes = maxURLBytes * 3 / 4
	// streamsAtOnce bounds the streams of an exchange. By default the service holds 6 requests of a
	// subject, and goes on holding a request that the client has left.
	streamsAtOnce = 4
	// gatherTime is how long the client gathers topics for one stream.
	gatherTime = 200 * time.Millisecond
	// beginTime bounds the time until the first event of a stream.
	beginTime = 10 * time.Second
	// silentTime is how long a stream may be silent: two and a half times the service's heartbeat
	// of 15 s.
	silentTime = 37500 * time.Millisecond
	// soundTime is how long a stream must have worked for its end to be normal.
	soundTime = 30 * time.Second
	// streamTime bounds a stream, because API Gateway ends each after 15 minutes.
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html
	streamTime = 16 * time.Minute
	// returnPause is the pause before a stream is opened again, if the service has named no time.
	returnPause = 3 * time.Second
	// maxEventBytes bounds one event: a frame with its field names.
	maxEventBytes = 2 * events.MaxFrameBytes
)

var (
	errSilent  = errors.New("the stream says nothing")
	errEndless = errors.New("the stream does not end")
)

// streams are the streams of an exchange.
type streams struct {
	open     []*stream
	next     attempt       // next stream to open
	troubles int           // streams in a row that did not work
	blocked  time.Time     // until then no stream is opened because of them
	blockFor time.Duration // the next such time
}

// stream is an answer that brings the changes of topics as they happen.
type stream struct {
	follows map[events.Topic]*follow
	of      *pattern // the pattern that it is of, instead of topics
	key     string
	cancel  context.CancelCauseFunc
	opened  time.Time
	begun   bool // its first event has come
}

// streaming reports whether topics shall be followed by streams.
func (x *exchange) streaming(now time.Time) bool {
	return x.o.prefers(ServerSentEvents, LongPoll) && !now.Before(x.streams.blocked)
}

// leaveStreams ends the streams that no topic needs.
func (x *exchange) leaveStreams() {
	x.streams.open = slices.DeleteFunc(x.streams.open, func(s *stream) bool {
		unused := x.unused(s)
		if unused {
			s.cancel(nil)
		}
		return unused
	})
}

func (x *exchange) unused(s *stream) bool {
	if s.of != nil {
		return x.patterns[s.of.name] != s.of || s.of.stream != s
	}
	for _, f := range s.follows {
		if x.follows[f.topic] == f && f.stream == s {
			return false
		}
	}
	return true
}

// openStreams opens streams for topics that have none, and gives the time when more are due. Topics
// with the same view share streams.
func (x *exchange) openStreams(now time.Time) (next time.Time) {
	next = now.Add(time.Hour)
	alike, due := map[string][]*follow{}, map[string]time.Time{}
	for _, f := range x.follows {
		if v := f.streamKey(); f.stream == nil {
			alike[v] = append(alike[v], f)
			due[v] = later(later(due[v], f.since.Add(gatherTime)), x.streams.next.notBefore)
		}
	}
	for v, group := range alike {
		if now.Before(due[v]) {
			next = sooner(next, due[v])
			continue
		}
		group = inOrder(group, func(*follow) time.Time { return time.Time{} })
		for len(group) > 0 && len(x.streams.open) < streamsAtOnce {
			group = x.openStream(v, group)
		}
	}
	return next
}

// openStream opens a stream for as many of the topics as fit, and gives the others.
func (x *exchange) openStream(key string, group []*follow) (rest []*follow) {
	s := &stream{follows: map[events.Topic]*follow{}, key: key}
	query, _ := viewQuery(group[0].asked) // viewQuery has accepted it before
	size := len(x.base) + len(key)
	for i, f := range group {
		entry := url.Values{"topic": {string(f.topic)}, "after": {f.cursor.String()}, "view": {f.seen}}
		if size += len(entry.Encode()) + 1; i > 0 && (i == topicsOfStream || size > streamURLBytes) {
			rest = group[i:]
			break
		}
		if i > 0 { // the first is in the path
			query.Add("topic", string(f.topic))
		}
		query.Add("after", f.cursor.String())
		query.Add("view", f.seen)
		s.follows[f.topic], f.stream = f, s
	}
	x.startStream(s, call{method: http.MethodGet, path: topicPath(string(group[0].topic)), query: query, header: http.Header{}})
	return rest
}

// startStream requests a stream.
func (x *exchange) startStream(s *stream, c call) *stream {
	ctx, cancel := context.WithCancelCause(x.life)
	s.cancel, s.opened = cancel, time.Now()
	c.header.Set("Accept", sseType)
	c.header.Set("Accept-Encoding", "identity")
	x.streams.open = append(x.streams.open, s)
	x.task(func() func() {
		defer cancel(nil)
		again, err := x.read(ctx, s, c)
		return func() { x.ended(s, again, err) }
	})
	return s
}

// read hands on the events of a stream until it ends, and gives the pause before it is opened
// again.
func (x *exchange) read(ctx context.Context, s *stream, c call) (again time.Duration, err error) {
	watchdog := time.AfterFunc(beginTime, func() { s.cancel(errSilent) })
	defer watchdog.Stop()
	ctx, cancel := context.WithTimeoutCause(ctx, streamTime, errEndless)
	defer cancel()
	response, err := x.send(ctx, c)
	if err != nil {
		return returnPause, because(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || !isType(response.Header, sseType) || !slices.Contains([]string{"", "identity"}, response.Header.Get("Content-Encoding")) {
		return returnPause, &refusal{status: response.StatusCode}
	}
	begun := false
	response.Body = tap{response.Body, func(int) {
		if begun {
			watchdog.Reset(silentTime)
		}
	}}
	return parse(ctx, response, func(e sse.Event) {
		if e.LastEventID != "" && !begun {
			begun = true
			watchdog.Reset(silentTime)
		}
		taken := make(chan struct{})
		select {
		case x.done <- func() { x.event(s, e); close(taken) }:
			<-taken // back-pressure: events that come too fast wait in the network
		case <-ctx.Done():
		}
	})
}

// parse gives the events of an answer, and at its end the pause that the service asks for. A
// connection of package sse parses that pause. It gets the answer that is there already, and is
// stopped before it sends another request.
func parse(ctx context.Context, response *http.Response, event func(sse.Event)) (again time.Duration, err error) {
	once, stop := context.WithCancel(ctx)
	defer stop()
	reader := sse.Client{
		HTTPClient: &http.Client{Transport: answered{response}},
		Backoff:    sse.Backoff{InitialInterval: returnPause, Jitter: 1e-9}, // 0 would mean 0.5
		OnRetry:    func(ended error, wanted time.Duration) { again, err = min(wanted, longestPause), ended; stop() },
	}
	request := response.Request.Clone(once)
	connection := reader.NewConnection(request)
	connection.Buffer(nil, maxEventBytes)
	connection.SubscribeToAll(event)
	if other := connection.Connect(); err == nil {
		again, err = returnPause, other
	}
	return again, because(ctx, err)
}

// answered is a transport that returns an answer that is there already.
type answered struct{ response *http.Response }

func (a answered) RoundTrip(*http.Request) (*http.Response, error) { return a.response, nil }

// event handles an event of a stream.
func (x *exchange) event(s *stream, e sse.Event) {
	if e.LastEventID != "" && !s.begun {
		s.begun = true
		x.answered()
	}
	if e.Data == "" {
		return
	}
	frame, err := events.Decode([]byte(e.Data))
	if err != nil {
		return // from a later version of the service
	}
	if s.of != nil && !x.unused(s) {
		x.eventBelow(s.of, frame, e.LastEventID)
	}
	switch f := frame.(type) {
	case *events.Changes:
		for topic, followed := range s.follows {
			if x.follows[topic] == followed {
				x.bring(followed, sensible(slices.Clone(f.Changes), topic))
			}
		}
	case *events.Reset:
		if followed := s.follows[f.Topic]; followed != nil {
			x.lapse(followed)
		}
	case *events.Error:
		s.cancel(&refusal{status: f.Code.Status(), code: f})
	}
}

// ended handles the end of a stream, and decides when the next may be opened. The topics are polled
// meanwhile.
func (x *exchange) ended(s *stream, again time.Duration, err error) {
	now := time.Now()
	unused := x.unused(s)
	x.streams.open = slices.DeleteFunc(x.streams.open, func(o *stream) bool { return o == s })
	for _, f := range s.follows {
		if f.stream == s {
			f.leave(now)
		}
	}
	if s.of != nil && s.of.stream == s {
		s.of.leave(now)
	}
	if unused || x.err != nil {
		return
	}
	x.judge(s, err, now)
	if now.Sub(s.opened) < soundTime {
		again = max(again, returnPause)
	}
	if s.begun && x.streams.troubles == 0 {
		x.streams.next.failures = 0
	}
	x.streams.next.retry(now, func(failures int) time.Duration { return max(again, x.pausing(err)(failures)) })
	x.logger.Info("stream ended", "err", err, "again in", x.streams.next.notBefore.Sub(now))
}

// judge decides what the end of a stream means for the other streams.
func (x *exchange) judge(s *stream, err error, now time.Time) {
	lasted := now.Sub(s.opened)
	ended := errors.Is(err, io.EOF)
	refused := (*refusal)(nil)
	switch {
	case errors.As(err, &refused) && refused.code != nil:
		if refused.unauthorized() && s.begun { // while the stream was held; the next gets another token
			return
		}
		x.failed(err)
		if lapses(err) && s.of != nil {
			x.endedBelow(s.of, refused.code, now)
		} else if lapses(err) { // one of its topics, or streams as such, are refused
			for _, f := range s.follows {
				x.lapse(f)
			}
			x.trouble(now)
		}
	case ended && !s.begun: // there is no room for it now
	case ended && lasted >= time.Second, s.begun && lasted >= soundTime && !errors.Is(err, errSilent):
		x.streams.troubles, x.streams.blockFor = 0, x.o.BetterInterval
		x.mergeInto(s, now)
	default:
		x.trouble(now)
	}
}

// trouble notes that a stream did not work. After a few in a row, topics are polled, if Options
// allow it.
func (x *exchange) trouble(now time.Time) {
	t := &x.streams
	if t.troubles++; t.troubles >= blockedAfter && x.o.prefers(LongPoll, "") {
		t.blocked, t.troubles = now.Add(t.blockFor), 0
		x.logger.Warn("streams are held back, topics are polled", "for", t.blockFor)
		t.blockFor = min(2*t.blockFor, max(longestBetterInterval, x.o.BetterInterval))
	}
}

// mergeInto moves the topics of other streams into the next stream with those of a stream that has
// ended, if they have the same view and there is room.
func (x *exchange) mergeInto(ended *stream, now time.Time) {
	room := topicsOfStream - len(ended.follows)
	for _, s := range x.streams.open {
		if s.of != nil || ended.of != nil || s.key != ended.key || len(s.follows) > room {
			continue
		}
		room -= len(s.follows)
		for _, f := range s.follows {
			if f.stream == s {
				f.leave(now)
			}
		}
	}
}
