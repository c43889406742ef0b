package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/watchroute/watchroute/events"
	"golang.org/x/sync/errgroup"
)

// postsAtOnce bounds the posts under way. API Gateway answers one in a few
// milliseconds, so that this reaches its account limit of 10,000 a second.
const postsAtOnce = 128

// readsAtOnce bounds the topics of a batch that are worked on at a time.
const readsAtOnce = 16

// Frame is an encoded frame on its way out. Its hash, which signing a post needs,
// is made once for all who get the frame.
type Frame struct {
	Body   []byte
	SHA256 string // of Body, in lower-case hexadecimal
}

// NewFrame hashes an encoded frame.
func NewFrame(body []byte) Frame {
	sum := sha256.Sum256(body)
	return Frame{Body: body, SHA256: hex.EncodeToString(sum[:])}
}

// Poster sends frames to connections.
type Poster interface {
	// Post sends one frame, retrying what may pass. ErrGone means that the
	// connection does not exist any more.
	Post(context.Context, ConnectionID, Frame) error
}

// Subscribers knows who watches a topic.
type Subscribers interface {
	// Subscribers reads who is subscribed to a topic at this moment. Expired
	// subscriptions are left out.
	Subscribers(context.Context, events.Topic) ([]ConnectionID, error)
	// Forget removes a connection with all its subscriptions, and its
	// subscriptions to topics even if the connection is not known.
	Forget(ctx context.Context, id ConnectionID, topics []events.Topic) error
}

// Numbered is what a batch brought to one topic.
type Numbered struct {
	Topic   events.Topic
	Entries []Entry
}

// Pushed counts what became of a batch's frames.
type Pushed struct {
	Frames int // frames taken by API Gateway
	Gone   int // connections found gone, and forgotten
	Lost   int // connections that missed frames; they see it from the gap in seq
}

// Pusher tells watchers of numbered changes.
type Pusher struct {
	Subscribers Subscribers
	Poster      Poster
}

// Push posts the topics' changes to everyone subscribed to them, each connection's
// frames in order and as few as fit. A watcher that cannot be reached never fails
// the others: it is counted in Pushed, and err, if not nil, joins what went wrong.
// Only topics whose subscribers could not be read are returned as unread; nothing
// of them was pushed.
func (p Pusher) Push(ctx context.Context, numbered []Numbered) (pushed Pushed, unread []events.Topic, err error) {
	watchers, unread, err := p.watchers(ctx, numbered)
	groups, encodeErr := group(numbered, watchers)
	err = errors.Join(err, encodeErr)
	pushed, postErr := p.post(ctx, groups)
	return pushed, unread, errors.Join(err, postErr)
}

// watchers reads the subscribers of each topic, as indices into numbered.
func (p Pusher) watchers(ctx context.Context, numbered []Numbered) (map[ConnectionID][]int, []events.Topic, error) {
	lists := make([][]ConnectionID, len(numbered))
	errs := make([]error, len(numbered))
	var tasks errgroup.Group
	tasks.SetLimit(readsAtOnce)
	for i, n := range numbered {
		tasks.Go(func() error {
			lists[i], errs[i] = p.Subscribers.Subscribers(ctx, n.Topic)
			return nil
		})
	}
	_ = tasks.Wait() // the tasks keep their errors in errs
	watchers := map[ConnectionID][]int{}
	var unread []events.Topic
	for i, list := range lists {
		if errs[i] != nil {
			unread = append(unread, numbered[i].Topic)
		}
		for _, id := range list {
			watchers[id] = append(watchers[id], i)
		}
	}
	return watchers, unread, errors.Join(errs...)
}

// view is what a set of connections watches of a batch: they get the same frames,
// which are encoded and hashed once.
type view struct {
	topics      []events.Topic
	frames      []Frame
	connections []ConnectionID
}

// group puts connections that watch the same topics of the batch together.
func group(numbered []Numbered, watchers map[ConnectionID][]int) ([]*view, error) {
	views := map[string]*view{}
	var all []*view
	var errs []error
	for id, indices := range watchers {
		key := viewKey(indices)
		v, ok := views[key]
		if !ok {
			var err error
			if v, err = newView(numbered, indices); err != nil {
				errs = append(errs, err)
			}
			views[key] = v
			all = append(all, v)
		}
		v.connections = append(v.connections, id)
	}
	return all, errors.Join(errs...)
}

func viewKey(indices []int) string {
	var key []byte
	for _, i := range indices {
		key = append(strconv.AppendInt(key, int64(i), 36), ' ')
	}
	return string(key)
}

func newView(numbered []Numbered, indices []int) (*view, error) {
	v := &view{}
	var changes []events.Change
	for _, i := range indices {
		v.topics = append(v.topics, numbered[i].Topic)
		for _, e := range numbered[i].Entries {
			changes = append(changes, e.Change)
		}
	}
	bodies, err := events.PackChanges(changes)
	if err != nil {
		return v, fmt.Errorf("push %d changes: %w", len(changes), err)
	}
	for _, body := range bodies {
		v.frames = append(v.frames, NewFrame(body))
	}
	return v, nil
}

// errorsKept bounds the errors of one batch that are reported one by one.
const errorsKept = 5

// post sends each view to its connections, several at a time.
func (p Pusher) post(ctx context.Context, views []*view) (Pushed, error) {
	var (
		tasks              errgroup.Group
		frames, gone, lost atomic.Int64
		mu                 sync.Mutex
		errs               []error
	)
	tasks.SetLimit(postsAtOnce)
	for _, v := range views {
		for _, id := range v.connections {
			tasks.Go(func() error {
				sent, err := p.postAll(ctx, id, v)
				frames.Add(int64(sent))
				switch {
				case errors.Is(err, ErrGone):
					gone.Add(1)
					err = p.Subscribers.Forget(ctx, id, v.topics)
				case err != nil:
					lost.Add(1)
				}
				mu.Lock()
				defer mu.Unlock()
				if err != nil && len(errs) < errorsKept {
					errs = append(errs, err)
				}
				return nil
			})
		}
	}
	_ = tasks.Wait() // the tasks keep their errors in errs
	return Pushed{Frames: int(frames.Load()), Gone: int(gone.Load()), Lost: int(lost.Load())}, errors.Join(errs...)
}

// postAll sends a view's frames to one connection, and stops at the first failure:
// what follows a lost frame would only show the gap earlier to be missed again.
func (p Pusher) postAll(ctx context.Context, id ConnectionID, v *view) (sent int, err error) {
	for _, frame := range v.frames {
		if err := p.Poster.Post(ctx, id, frame); err != nil {
			return sent, fmt.Errorf("post to %s: %w", id, err)
		}
		sent++
	}
	return sent, nil
}
