package watch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

const (
	// presencePeriod is the time in which the item of a member is renewed at most once.
	presencePeriod = events.PresenceLease / 2
	// fewMembers is when members get items again.
	fewMembers = events.MaxMembers * 3 / 4
	// joinsPerCount is how many members join, on average, until one of them counts all.
	joinsPerCount = 8
	// censusPause is how long a count is true at least, and how long it takes to count censusRows
	// subscriptions of a topic a second time. So counting takes at most about 8 read units a second.
	censusPause = 5 * time.Second
	censusRows  = 2_000
	// presenceFactor is what a member pays for the numbering of its coming and going, for each write
	// unit of its item.
	presenceFactor = 2 * numberingFactor
)

// Presences keeps who is present in topics. A presence ends with its subscription:
// [Subscriptions] and [Sessions] see to that.
type Presences interface {
	// Join has the member's item stand for the subscription, too, until sub.Lease. If how says that it
	// is a renewal, and the item stands for the subscription long enough, nothing is written.
	Join(ctx context.Context, sub Subscription, how Joining) error
	// PresentUntil reads until when the member's item stands for a subscription; zero if it does not. What
	// it reads may be a second old.
	PresentUntil(ctx context.Context, sub Subscription) (time.Time, error)
	// Members counts the items of members whose time is not over, up to somewhat more than most.
	Members(ctx context.Context, topic events.Topic, most int) (int, error)

	// Census reads whether the members of a topic are counted. What it reads may be a second old.
	Census(ctx context.Context, topic events.Topic) (Census, error)
	// BeginCensus is how a topic comes from a census to another one. It gives false if another caller
	// was faster. The zero Census says that there is none.
	BeginCensus(ctx context.Context, topic events.Topic, from, to Census) (bool, error)
	// Present counts the subjects that are present in a topic by subscriptions whose Lease ends after
	// an instant, and all subscriptions to it.
	Present(ctx context.Context, topic events.Topic, after time.Time) (members, subscriptions int, err error)
	// PutCount writes the item with the number of members, which holds until then, unless it has the
	// same number and holds until renewFrom.
	PutCount(ctx context.Context, topic events.Topic, members int, until, renewFrom time.Time) error
	// DropCount removes that item.
	DropCount(ctx context.Context, topic events.Topic) error
	// Attend keeps the Lease of a subscription that is there with the same Order.
	Attend(ctx context.Context, sub Subscription) error
}

// Joining is how a subscription comes into the item of a member.
type Joining struct {
	// Replaces is the order of the connection's earlier subscription with presence, which was replaced;
	// [Unordered] if there was none.
	Replaces Order
	// Ends is when the connection has ended at the latest. Until then the member may be present by it.
	Ends time.Time
	// Renewal says that the member is to be present until then at least. Zero for a member that comes.
	Renewal time.Time
}

// Census is that the members of a topic are counted, and have no items. The zero Census is that they
// have items. The service pays half a read unit for every 4 KB of the topic's subscriptions each time, and
// two or three write units. It counts at most every censusPause, and less often if there are many.
type Census struct {
	Since time.Time // when it began
	Next  time.Time // when they are counted again, at the earliest
}

// On reports whether members are counted.
func (c Census) On() bool { return !c.Next.IsZero() }

// leaseFrom is when a lease ends that begins now. Times to live have whole seconds.
func leaseFrom(now time.Time) time.Time { return now.Add(events.PresenceLease).Truncate(time.Second) }

// due reports whether a lease is to be renewed.
func due(lease, now time.Time) bool { return lease.Sub(now) <= presencePeriod }

// subscribeOptions are what a subscribe asks for, presence included.
func subscribeOptions(r events.Request) (Options, error) {
	options := optionsOf(r)
	if r.Presence == nil {
		return options, nil
	}
	if err := events.CheckMemberName(r.Presence.Name); err != nil {
		return options, &events.Error{Code: events.CodeBadRequest, Message: err.Error()}
	}
	options.Presence = r.Presence.Name
	return options, nil
}

// mayJoin checks whether a connection may be present in a topic.
func (c Connection) mayJoin(topic events.Topic) error {
	bad := func(format string, args ...any) error {
		return &events.Error{Code: events.CodeBadRequest, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case topic.IsPattern():
		return bad("presence is of one topic, not of a pattern")
	case topic.Reserved():
		return bad("presence is not of reserved topics")
	case len(topic) > events.MaxPresenceBytes:
		return bad("topic has %d bytes, at most %d are allowed with presence", len(topic), events.MaxPresenceBytes)
	case c.Subject == Anonymous:
		return &events.Error{Code: events.CodeForbidden, Message: "presence needs a token: a member is its subject"}
	}
	if _, allowed := c.allows(grant.Join, topic); !allowed {
		return errForbidden
	}
	if _, err := events.SubjectSegment(c.Subject); err != nil {
		return bad("presence: %v", err)
	}
	return nil
}

// enter makes a member present by a subscription that was kept. The caller then looks whether the
// subscription still counts: what ends it from then on finds the presence.
func (a *answer) enter(ctx context.Context, sub Subscription, kept Kept) error {
	if sub.Presence == "" {
		return nil
	}
	if kept.Census.On() && !a.takeCensus(ctx, sub.Topic, kept.Census) {
		return nil
	}
	if err := a.join(ctx, sub, Joining{Replaces: kept.Replaces, Ends: a.c.Ends()}); err != nil {
		return err
	}
	if rand.N(joinsPerCount) > 0 {
		return nil
	}
	members, err := a.presences.Members(Unmetered(ctx), sub.Topic, events.MaxMembers)
	switch {
	case err != nil:
		a.uncounted(sub.Topic, err)
	case members > events.MaxMembers:
		a.takeCensus(ctx, sub.Topic, Census{})
	}
	return nil
}

// join writes the member's item. The subject pays for the numbering, too.
func (a *answer) join(ctx context.Context, sub Subscription, how Joining) error {
	_, before := a.meter.Units()
	err := a.presences.Join(ctx, sub, how)
	_, after := a.meter.Units()
	a.meter.Spend(0, presenceFactor*(after-before))
	return err
}

// prolong keeps a member present in the topics that a ping names. A subscription that has ended
// meanwhile did not see its presence renewed.
func (a *answer) prolong(ctx context.Context, subs []Subscription, named map[events.Topic]events.Cursor) error {
	var renewed []Subscription
	for _, sub := range subs {
		if _, ok := named[sub.Topic]; !ok || sub.Presence == "" {
			continue
		}
		wrote, err := a.prolongIn(ctx, sub)
		if err != nil {
			return err
		}
		if wrote {
			renewed = append(renewed, sub)
		}
	}
	if len(renewed) == 0 {
		return nil
	}
	session, err := a.store.Session(ctx, a.c.Key)
	if err != nil && !errors.Is(err, ErrNotConnected) {
		return err
	}
	ended := slices.DeleteFunc(renewed, func(sub Subscription) bool { return err == nil && session.Orders[sub.Topic] == sub.Order })
	return errors.Join(err, a.store.Withdraw(ctx, a.c.Key, ended...))
}

// prolongIn renews the member's item of one topic if it is due, or the lease of the subscription if
// members are counted. It reports whether it wrote the item.
func (a *answer) prolongIn(ctx context.Context, sub Subscription) (wrote bool, err error) {
	census, err := a.presences.Census(ctx, sub.Topic)
	if err != nil {
		return false, err
	}
	now := time.Now()
	if census.On() {
		if due(sub.Lease, now) {
			sub.Lease = leaseFrom(now)
			err = a.presences.Attend(ctx, sub)
		}
		a.takeCensus(ctx, sub.Topic, census)
		return false, err
	}
	until, err := a.presences.PresentUntil(ctx, sub)
	if err != nil || !due(until, now) {
		return false, err
	}
	sub.Lease = leaseFrom(now)
	return true, a.join(ctx, sub, Joining{Replaces: Unordered, Ends: a.c.Ends(), Renewal: now.Add(presencePeriod)})
}

// takeCensus counts the members of a topic, if it is time to. The service pays for it: what a client pays
// does not depend on chance, or on who else is present. The client is answered also if it fails, because
// the next one counts again. It reports whether there were so few that they have items again.
func (a *answer) takeCensus(ctx context.Context, topic events.Topic, from Census) (ended bool) {
	now := time.Now()
	if from.Next.After(now) {
		return false
	}
	ended, err := a.count(Unmetered(ctx), topic, from, now)
	if err != nil {
		a.uncounted(topic, err)
	}
	return ended
}

func (a *answer) uncounted(topic events.Topic, err error) {
	a.logger.Warn("members not counted", "topic", topic, "err", err)
}

// count counts the members, unless another does. In the first lease of a census all who are subscribed
// count, because those who came before it have had no reason to renew the leases of their subscriptions.
func (a *answer) count(ctx context.Context, topic events.Topic, from Census, now time.Time) (ended bool, err error) {
	census := Census{Since: from.Since, Next: now.Add(censusPause)}
	if !from.On() {
		census.Since = now
	}
	mine, err := a.presences.BeginCensus(ctx, topic, from, census)
	if err != nil || !mine {
		return false, err
	}
	after := now
	if now.Before(census.Since.Add(events.PresenceLease)) {
		after = time.Time{}
	}
	members, subscriptions, err := a.presences.Present(ctx, topic, after)
	if err != nil {
		return false, err
	}
	if members < fewMembers {
		if err := a.presences.DropCount(ctx, topic); err != nil {
			return false, err
		}
		return a.presences.BeginCensus(ctx, topic, census, Census{})
	}
	if err := a.presences.PutCount(ctx, topic, members, leaseFrom(now), now.Add(presencePeriod)); err != nil || subscriptions <= censusRows {
		return false, err
	}
	longer := Census{Since: census.Since, Next: now.Add(censusPause * time.Duration((subscriptions+censusRows-1)/censusRows))}
	_, err = a.presences.BeginCensus(ctx, topic, census, longer)
	return false, err
}
