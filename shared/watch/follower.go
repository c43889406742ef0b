package watch

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// Follower waits for changes of topics on behalf of a client without a connection. It gives what is
// new of a topic until the caller takes it. The client holds the places, and another Follower can
// continue from them, so nothing is lost with this one. It is not safe for concurrent use.
type Follower struct {
	feed    Feed
	viewer  Viewer
	follows []Follow // as given; the places of topics are in topics
	topics  []*followed
	known   map[events.Topic]*followed
	turn    int  // index into topics: whose changes are read first
	looked  bool // the patterns were looked at for new topics
	pause   time.Duration
}

// followed is one topic: one that was given, or one of a pattern.
type followed struct {
	Query
	Place
	of  int  // index of the follow that it belongs to
	due bool // to be read without a wait
}

// News is what is new of a topic: changes, a reset because they are not available, or a page of
// items.
type News struct {
	Missed
	// Page is set if the client gets items instead of changes. For a pattern it is empty, and means
	// that the client has all items of its topics.
	Page *Page
	From string // the Next of the page before
}

// Follow begins to follow topics and patterns. None may be given twice. If several of them match a
// topic, the closest one counts. A place becomes void if the client has reached it with another
// view than its current one.
func (f Feed) Follow(v Viewer, follows ...Follow) *Follower {
	follower := &Follower{feed: f, viewer: v, follows: slices.Clone(follows), known: map[events.Topic]*followed{}, pause: quietPause, looked: true}
	for i := range follower.follows {
		follow := &follower.follows[i]
		view, err := v.view(grant.Subscribe, follow.Query)
		if err != nil { // the first read reports it
			continue
		}
		if otherView(follow.ViewID, view, follow.Options) {
			follow.Place, follow.Below = Place{Void: true}, nil
		}
		follow.ViewID = viewIDOrWhole(view, follow.Latest)
	}
	for i, follow := range follower.follows {
		if !follow.Topic.IsPattern() {
			follower.add(i, follow.Topic, follow.Place, !follow.stood)
			continue
		}
		follower.looked = follower.looked && follow.stood
		for _, topic := range slices.Sorted(maps.Keys(follow.Below)) {
			follower.add(i, topic, follow.Below[topic], false)
		}
	}
	return follower
}

// add follows a topic, unless another follow counts for it.
func (f *Follower) add(of int, topic events.Topic, at Place, due bool) {
	if owner, ok := f.owner(topic); !ok || owner != of || f.known[topic] != nil {
		return
	}
	follow := f.follows[of]
	t := &followed{Query: Query{Topic: topic, Options: follow.Options}, Place: at, of: of, due: due}
	if follow.Topic.IsPattern() {
		t.through = follow.Topic
	}
	f.topics, f.known[topic] = append(f.topics, t), t
}

// owner gives the follow that counts for a topic.
func (f *Follower) owner(topic events.Topic) (of int, ok bool) {
	for i, follow := range f.follows {
		if follow.Topic.Matches(topic) && (!ok || closer(follow.Topic, f.follows[of].Topic)) {
			of, ok = i, true
		}
	}
	return of, ok
}

// Follows gives how far the client has come, in the order of the follows, and the id of the view
// that it sees.
func (f *Follower) Follows() []Follow {
	follows := slices.Clone(f.follows)
	for i := range follows {
		follows[i].Below = nil
	}
	for _, t := range f.topics {
		follow := &follows[t.of]
		if t.through == "" {
			follow.Place = t.Place
			continue
		}
		if follow.Below == nil {
			follow.Below = map[events.Topic]Place{}
		}
		follow.Below[t.Topic] = t.Place
	}
	return follows
}

// maxNews is the size of the changes, in bytes, from which on no further topic is read. The changes
// of the last topic may add as much again, see [events.MaxResumeBytes].
const maxNews = 1 << 20

// Now gives what is new after the client's places, without a wait: what is void, one page of items,
// and changes. It reads the head of each topic that may have changes, and the log as far as one
// answer allows. The rest comes the next time. The error reports what is wrong for the client, see
// [WireError].
func (f *Follower) Now(ctx context.Context) (news []News, err error) {
	if !f.looked {
		if err := f.look(ctx); err != nil {
			return nil, err
		}
	}
	if news, err = f.voided(); err != nil || len(news) > 0 {
		return news, err
	}
	page, err := f.page(ctx)
	if err != nil {
		return nil, err
	}
	if page != nil {
		news = append(news, *page)
	}
	room := maxNews
	for range f.topics {
		t := f.topics[f.turn%len(f.topics)]
		f.turn++
		if !t.due || t.Items {
			continue
		}
		missed, err := f.feed.Changes(ctx, f.viewer, t.Query, t.After, "")
		if err != nil {
			return news, err
		}
		if len(missed.Changes) == 0 && missed.Reset == "" {
			f.Advance(News{Missed: missed})
			continue
		}
		news = append(news, News{Missed: missed})
		for _, c := range missed.Changes {
			room -= len(c.Data) + len(c.Patch) + changeBytes
		}
		if room < 0 {
			break
		}
	}
	return news, nil
}

// voided gives the topics and patterns whose places are void.
func (f *Follower) voided() (news []News, err error) {
	for _, follow := range f.Follows() {
		if !follow.Void {
			continue
		}
		if !f.viewer.readable(follow.Topic) {
			return nil, errUnrecoverable
		}
		news = append(news, News{Missed: Missed{Topic: follow.Topic, ViewID: follow.ViewID, Reset: events.ResetView}})
	}
	return news, nil
}

// page reads the next page of items, or gives nil if the client has all items. It finishes the
// items of one topic before it begins with those of another.
func (f *Follower) page(ctx context.Context) (*News, error) {
	t, pattern := f.pending()
	switch {
	case pattern != nil:
		return &News{Missed: Missed{Topic: pattern.Topic, ViewID: pattern.ViewID}, Page: &Page{ViewID: pattern.ViewID}}, nil
	case t == nil:
		return nil, nil
	case !f.viewer.readable(t.asked()):
		return nil, errUnrecoverable
	}
	if err := f.Check(ctx); err != nil {
		return nil, err
	}
	page, err := f.feed.Snapshot(ctx, f.viewer, PageQuery{Query: t.Query, Next: t.Next})
	if wire := (*events.Error)(nil); t.Next != "" && errors.As(err, &wire) && wire.Code == events.CodeBadCursor {
		// It was sealed for another subject or view, or with a secret that is gone.
		return &News{Missed: Missed{Topic: t.Topic, Reset: events.ResetView}}, nil
	}
	if err != nil {
		return nil, err
	}
	return &News{Missed: Missed{Topic: t.Topic, ViewID: page.ViewID}, Page: &page, From: t.Next}, nil
}

// pending finds whose items come next: those of a topic, or the end of a pattern's.
func (f *Follower) pending() (*followed, *Follow) {
	for _, t := range f.topics {
		if t.Items && t.Next != "" {
			return t, nil
		}
	}
	for i := range f.follows {
		for _, t := range f.topics {
			if t.of == i && t.Items {
				return t, nil
			}
		}
		if follow := &f.follows[i]; follow.Items && follow.Topic.IsPattern() {
			return nil, follow
		}
	}
	return nil, nil
}

// Advance notes that the client has the news of a topic, or the changes up to its Cursor.
func (f *Follower) Advance(n News) {
	t := f.known[n.Topic]
	switch {
	case t == nil:
		f.advanceBelow(n)
	case n.Page != nil && n.Page.Next != "":
		t.Place = Place{Items: true, Next: n.Page.Next}
	case n.Page != nil:
		t.Place, t.due = Place{After: n.Page.Cursor}, n.From != "" // a single page is as new as a look
	case n.Reset != "":
		t.Place = Place{Items: true}
	default:
		t.After, t.due = n.Cursor, n.More
	}
}

// advanceBelow notes the same for a pattern.
func (f *Follower) advanceBelow(n News) {
	for i := range f.follows {
		if follow := &f.follows[i]; follow.Topic == n.Topic {
			follow.Place = Place{Items: n.Reset != ""}
		}
	}
}

// Next gives what Now gives, and waits until there is something. It gives nothing when the context
// ends; a later call continues from there.
//
// While it waits, Next reads the topics' heads with eventual consistency. This costs half a read
// unit a second for each topic, and more after a change. For a pattern it also reads the list of
// its topics: half a unit for every 4 KB, about sixty topics. It checks the client's revocations
// before it gives anything that came during the wait.
func (f *Follower) Next(ctx context.Context) ([]News, error) {
	news, err := f.Now(ctx)
	for err == nil && len(news) == 0 && f.rest(ctx) {
		if err = f.look(ctx); err != nil || !f.anyDue() {
			continue
		}
		if err = f.Check(ctx); err == nil {
			news, err = f.Now(ctx)
		}
	}
	if len(news) > 0 {
		f.pause = busyPause
		return news, nil // an error that lasts comes again the next time
	}
	if ctx.Err() != nil {
		return nil, nil
	}
	return nil, err
}

func (f *Follower) anyDue() bool {
	return slices.ContainsFunc(f.topics, func(t *followed) bool { return t.due || t.Items })
}

// Check gives ErrRevoked or ErrTokenExpired if the client may no longer see what it follows.
func (f *Follower) Check(ctx context.Context) error {
	if expires := f.viewer.Expires; !expires.IsZero() && !time.Now().Before(expires) {
		return ErrTokenExpired
	}
	if f.viewer.Subject == Anonymous {
		return nil
	}
	_, err := carry(ctx, f.feed.Topics, f.viewer.Key, func(ctx context.Context, _ *work) (any, error) {
		return nil, CheckRevoked(ctx, f.feed.Revocations, f.viewer.Subject, f.viewer.Access)
	})
	return err
}

// rest waits for a pause that grows each time. It gives false if the context ends first.
func (f *Follower) rest(ctx context.Context) bool {
	timer := time.NewTimer(f.pause)
	defer timer.Stop()
	f.pause = min(f.pause*3/2, quietPause)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// look finds the topics that may have something new, and new topics of patterns. It may read older
// cursors than the client has. Such a topic is then read once with strong consistency.
func (f *Follower) look(ctx context.Context) error {
	_, err := carry(ctx, f.feed.Topics, f.viewer.Key, func(ctx context.Context, _ *work) (any, error) {
		found, err := f.listed(ctx)
		if err != nil {
			return nil, err
		}
		stands, err := f.feed.Stands.Glance(ctx, append(f.names(), slices.Sorted(maps.Keys(found))...))
		if err != nil {
			return nil, err
		}
		for _, t := range f.topics {
			t.due = t.due || stands[t.Topic] != t.After
		}
		for _, topic := range slices.Sorted(maps.Keys(found)) {
			if of := found[topic]; stands[topic] != (events.Cursor{}) { // its first change may be on its way
				f.add(of, topic, Place{Items: f.follows[of].Items || f.follows[of].Void}, true)
			}
		}
		f.looked = true
		return nil, nil
	})
	return err
}

func (f *Follower) names() []events.Topic {
	names := make([]events.Topic, len(f.topics))
	for i, t := range f.topics {
		names[i] = t.Topic
	}
	return names
}

// listed reads the topics of the patterns that are not followed yet, with the follow that counts
// for each.
func (f *Follower) listed(ctx context.Context) (map[events.Topic]int, error) {
	found := map[events.Topic]int{}
	for i, follow := range f.follows {
		if !follow.Topic.IsPattern() {
			continue
		}
		topics, more, err := f.feed.Stands.GlanceBelow(ctx, follow.Topic, events.MaxCursors)
		if err != nil {
			return nil, err
		}
		for _, topic := range topics {
			if of, _ := f.owner(topic); of == i && f.known[topic] == nil {
				found[topic] = i
			}
		}
		if more || len(f.topics)+len(found) > events.MaxCursors {
			return nil, errTooManyTopics
		}
	}
	return found, nil
}
