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

// Follower waits for changes of topics on behalf of one client that nobody can post to. It gives
// what is new of a topic until that is taken. A place that the client holds is good for another
// Follower, so nothing is lost with this one. It is not safe for concurrent use.
type Follower struct {
	feed    Feed
	viewer  Viewer
	follows []Follow // as they were given; of a topic the place is in topics
	topics  []*followed
	known   map[events.Topic]*followed
	turn    int  // of topics: which one's changes are read first
	looked  bool // for topics of the patterns
	pause   time.Duration
}

// followed is one topic: one that was given, or one of a pattern.
type followed struct {
	Query
	Place
	of  int  // the follow that it is of
	due bool // to be read without a wait
}

// News is what is new of a topic: changes, that they cannot be told, or a page of items.
type News struct {
	Missed
	// Page is what comes instead of changes. Of a pattern it is empty, and says that all its
	// topics' items were told.
	Page *Page
	From string // the Next of the page before
}

// Follow begins to follow topics and patterns, of which none may be given twice. A topic that
// several of them name is followed as the closest of them says. What the client has seen in
// another view than the one it has now is void.
func (f Feed) Follow(v Viewer, follows ...Follow) *Follower {
	follower := &Follower{feed: f, viewer: v, follows: slices.Clone(follows), known: map[events.Topic]*followed{}, pause: quietPause, looked: true}
	for i := range follower.follows {
		follow := &follower.follows[i]
		view, err := v.view(grant.Subscribe, follow.Query)
		if err != nil { // which the first read tells
			continue
		}
		if otherView(follow.View, markOf(view)) {
			follow.Place, follow.Below = Place{Void: true}, nil
		}
		follow.View = viewName(markOf(view))
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

// add follows a topic, if it is not followed by something else.
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

// owner gives which of the follows counts for a topic.
func (f *Follower) owner(topic events.Topic) (of int, ok bool) {
	for i, follow := range f.follows {
		if follow.Topic.Matches(topic) && (!ok || closer(follow.Topic, f.follows[of].Topic)) {
			of, ok = i, true
		}
	}
	return of, ok
}

// Follows gives how far the client has come, in the order in which it follows, and what it sees.
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

// maxNews is how many bytes of changes are given at a time when those of another topic are read.
// The changes of one topic may be as many again, see [events.MaxResumeBytes].
const maxNews = 1 << 20

// Now gives what there is after the places that the client has come to, without a wait: what is
// void, one page of items, and of each topic that may have changes its head is read, and the log
// as far as one answer may. What it has no room for comes the next time. What is wrong for the
// client is in the error, see [WireError].
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
			f.Take(News{Missed: missed})
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

// voided tells what is void.
func (f *Follower) voided() (news []News, err error) {
	for _, follow := range f.Follows() {
		if !follow.Void {
			continue
		}
		if !f.viewer.readable(follow.Topic) {
			return nil, errUnrecoverable
		}
		news = append(news, News{Missed: Missed{Topic: follow.Topic, View: follow.View, Reset: events.ResetView}})
	}
	return news, nil
}

// page reads the next page of items; nil if the client has all that it is to have. It ends the
// items of one topic before it begins with those of another.
func (f *Follower) page(ctx context.Context) (*News, error) {
	t, pattern := f.pending()
	switch {
	case pattern != nil:
		return &News{Missed: Missed{Topic: pattern.Topic, View: pattern.View}, Page: &Page{View: pattern.View}}, nil
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
	return &News{Missed: Missed{Topic: t.Topic, View: page.View}, Page: &page, From: t.Next}, nil
}

// pending finds whose items come next: a topic's, or the end of a pattern's.
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

// Take notes that the client has what is new of a topic, or the changes up to its Cursor.
func (f *Follower) Take(n News) {
	t := f.known[n.Topic]
	switch {
	case t == nil:
		f.takeBelow(n)
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

// takeBelow does the same for a pattern.
func (f *Follower) takeBelow(n News) {
	for i := range f.follows {
		if follow := &f.follows[i]; follow.Topic == n.Topic {
			follow.Place = Place{Items: n.Reset != ""}
		}
	}
}

// Next gives what Now gives, and waits until there is something. It gives nothing once the
// context ends, and later goes on from there.
//
// A wait reads the topics' heads, with eventual consistency: half a read unit for each topic a
// second, and more often after a change. With a pattern it reads the list of its topics as well,
// which is half a unit for every 4 KB, some sixty topics. It reads the revocations of the client
// before it gives what has come meanwhile.
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
		return news, nil // what is wrong is so the next time, too
	}
	if ctx.Err() != nil {
		return nil, nil
	}
	return nil, err
}

func (f *Follower) anyDue() bool {
	return slices.ContainsFunc(f.topics, func(t *followed) bool { return t.due || t.Items })
}

// Check gives ErrRevoked or ErrTokenExpired if the client may not see any more what it follows.
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

// rest lets a pause pass, which is longer each time. It is false if the context ends first.
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

// look finds which topics may have something, and the topics of patterns that are new. A look may
// be older than what the client has: then the topic is read once, consistently, which tells.
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
			if of := found[topic]; stands[topic] != (events.Cursor{}) { // or its first change is on its way
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

// listed reads which topics the patterns have that are not followed yet, and which follow counts
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
