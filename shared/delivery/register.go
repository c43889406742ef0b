package delivery

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// Life is how long a destination lives that a client has registered and nobody renews.
const Life = 30 * 24 * time.Hour

// MaxBatch is how many changes a message has at most.
const MaxBatch = 100

// Registry keeps destinations for their owners.
type Registry interface {
	Store
	// AddDestination keeps a destination and lets it watch. ErrTooMany means that its subject has as
	// many as most.
	AddDestination(ctx context.Context, d Destination, most int) error
	RemoveDestination(context.Context, Destination) error
	// ReplaceDestination replaces the settings, if they still have the version. If not, the error is
	// watch.ErrUnavailable.
	ReplaceDestination(ctx context.Context, d Destination, version int64) error
	// Destinations reads those of a subject.
	Destinations(ctx context.Context, subject string) ([]Destination, error)
	EnableDestination(ctx context.Context, id string, version int64) error
	// Glance reads where topics stand, as of about a second ago.
	Glance(context.Context, []events.Topic) (map[events.Topic]events.Cursor, error)
	// Head reads where a topic stands.
	Head(context.Context, events.Topic) (watch.Head, error)
	// Standings reads the standings of a destination, after a topic or from the first.
	Standings(ctx context.Context, destination string, after events.Topic, most int) (standings []Standing, more bool, err error)
}

// Registrar lets clients manage their destinations. A destination of another subject does not exist
// for them.
type Registrar struct {
	Registry Registry
	Queue    Queue
	Check    func(url string) error // refuses a URL for what it says itself, by a sentence for the client
	Most     int                    // destinations of a subject
	Now      func() time.Time       // time.Now if nil
}

// Create registers a destination. It sees what the token allows to deliver of the topic, for as long
// as it lives. It is challenged at once, and gets the changes from now on when it has answered.
func (r Registrar) Create(ctx context.Context, v watch.Viewer, wanted Destination) (Destination, error) {
	d := wanted
	d.ID, d.Kind = newID(), Webhook
	d.Viewer = v
	d.Key.ID, d.Delivers = watch.DestinationID(d.ID), true
	d.Created = r.now().Truncate(time.Second) // as exactly as the store keeps when it ends
	d.Expires = d.Created.Add(Life)
	if err := r.check(&d); err != nil {
		return d, err
	}
	err := r.Registry.AddDestination(ctx, d, r.Most)
	if errors.Is(err, ErrTooMany) { // some of them may have ended
		if _, err := r.Registry.Destinations(ctx, d.Subject); err != nil {
			return d, err
		}
		err = r.Registry.AddDestination(ctx, d, r.Most)
	}
	if err != nil {
		return d, wire(err)
	}
	if err := r.begin(ctx, d); err != nil {
		return d, errors.Join(err, r.Undo(ctx, d.ID))
	}
	return d, nil
}

// Change gives a destination other settings, and lets it live as long again, with the view of the
// present token. Its topic stays. If it is to be sent something else, or to another URL, what is being
// tried is given up, and comes anew. Another URL is challenged.
func (r Registrar) Change(ctx context.Context, v watch.Viewer, d, wanted Destination) (Destination, error) {
	changed := wanted
	changed.Viewer = v
	changed.Key.ID, changed.Delivers = d.Key.ID, true
	changed.Expires = r.now().Truncate(time.Second).Add(Life)
	changed.Version = d.Version + 1
	if changed.Disabled == Ended {
		changed.Disabled = ""
	}
	if changed.URL != d.URL {
		changed.Verified, changed.Challenged = false, time.Time{}
		watch.MeterOf(ctx).Spend(challengeUnits, 0)
	}
	if err := r.check(&changed); err != nil {
		return d, err
	}
	if err := r.Registry.ReplaceDestination(ctx, changed, d.Version); err != nil {
		return d, err
	}
	if changed.sends() == d.sends() && changed.Disabled == d.Disabled {
		return changed, nil
	}
	return changed, r.each(ctx, changed, func(s Standing) error { return r.restart(ctx, s.Ref, nil) })
}

// sends is the same for destinations that are sent the same.
func (d Destination) sends() string {
	return fmt.Sprintf("%q %q %q %q %q %d %q %q", d.Kind, d.URL, d.Target, d.Format, d.Filter, d.Batch, d.Fields, d.Grant)
}

// Undo removes a destination that its owner has not been told of, also when the request is over.
func (r Registrar) Undo(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	d, err := r.Registry.Destination(ctx, id)
	if err != nil {
		return err
	}
	return r.Remove(ctx, d)
}

// idPrefix begins the id of a destination.
const idPrefix = "dst_"

func newID() string { return idPrefix + strings.ToLower(rand.Text()) }

// isID reports whether a text can be the id of a destination. Other texts may be keys of other rows,
// or too long for a key.
func isID(text string) bool {
	rest, ok := strings.CutPrefix(text, idPrefix)
	return ok && len(text) == len(newID()) && strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// challengeUnits is what a challenge costs of its subject's allowance, in read units: so much that one
// subject challenges about a URL a second, which may be somebody else's.
const challengeUnits = 2_000

// begin lets a destination begin where its topic stands, and wakes it. The topics of a pattern begin
// with their next change. The destination watches already, so no change is lost in between.
func (r Registrar) begin(ctx context.Context, d Destination) error {
	watch.MeterOf(ctx).Spend(challengeUnits, 0)
	at := watch.Place{}
	if !d.Query.Topic.IsPattern() {
		head, err := r.Registry.Head(ctx, d.Query.Topic)
		if err != nil {
			return err
		}
		at.After = head.Cursor
	}
	return r.restart(ctx, Ref{d.ID, d.Query.Topic}, &at)
}

// check completes the settings and refuses what is wrong in them.
func (r Registrar) check(d *Destination) error {
	if err := d.complete(); err != nil {
		return err
	}
	if err := r.Check(d.URL); err != nil {
		return refuse("url: %s", err)
	}
	return nil
}

// complete completes the settings and refuses what is wrong in them, whatever the target is.
func (d *Destination) complete() error {
	if d.Format == "" {
		d.Format = Frames
	}
	if !slices.Contains([]Format{Frames, CloudEvent, CloudEvents}, d.Format) {
		return refuse("format is %s, %s or %s", Frames, CloudEvent, CloudEvents)
	}
	most := MaxBatch
	if d.Format == CloudEvent {
		most = 1
	}
	if d.Batch == 0 {
		d.Batch = most
	}
	if d.Batch < 1 || d.Batch > most {
		return refuse("batch is from 1 to %d with the format %s", most, d.Format)
	}
	if d.Kind == EventBridge && d.Format == CloudEvents {
		return refuse("format %s is a list, and an event of %s has an object", CloudEvents, EventBridge)
	}
	_, err := (watch.Feed{}).Begin(d.Viewer, d.Query, true)
	return err
}

func refuse(format string, args ...any) error {
	return &events.Error{Code: events.CodeBadRequest, Message: fmt.Sprintf(format, args...)}
}

// wire translates the errors of destinations for a client.
func wire(err error) error {
	switch {
	case errors.Is(err, ErrUnknown):
		return &events.Error{Code: events.CodeNotFound, Message: "there is no such destination"}
	case errors.Is(err, ErrTooMany):
		return &events.Error{Code: events.CodeTooManyDestinations, Message: "there are as many destinations as may be: remove one first"}
	}
	return err
}

// List gives the destinations of a client's subject.
func (r Registrar) List(ctx context.Context, v watch.Viewer) ([]Destination, error) {
	return r.Registry.Destinations(ctx, v.Subject)
}

// Get gives a destination of a client's subject.
func (r Registrar) Get(ctx context.Context, v watch.Viewer, id string) (Destination, error) {
	if !isID(id) {
		return Destination{}, wire(ErrUnknown)
	}
	d, err := r.Registry.Destination(ctx, id)
	if err == nil && d.Subject != v.Subject {
		return Destination{}, wire(ErrUnknown)
	}
	return d, wire(err)
}

// standingsRead is how many standings are read or changed at once.
const standingsRead = 100

// Standings gives how far a destination has come, up to a hundred topics after one, or the first.
func (r Registrar) Standings(ctx context.Context, d Destination, after events.Topic) (standings []Standing, more bool, err error) {
	return r.Registry.Standings(ctx, d.ID, after, standingsRead)
}

// Behind gives how many changes a destination has not had of its topics, as of about a second ago: half a
// read unit for each. Of a topic that is numbered anew it is 0.
func (r Registrar) Behind(ctx context.Context, standings []Standing) (map[events.Topic]int64, error) {
	topics := make([]events.Topic, 0, len(standings))
	for _, s := range standings {
		if !s.Topic.IsPattern() {
			topics = append(topics, s.Topic)
		}
	}
	heads, err := r.Registry.Glance(ctx, topics)
	behind := map[events.Topic]int64{}
	for _, s := range standings {
		head := heads[s.Topic]
		if head.Epoch == s.After.Epoch || s.After == (events.Cursor{}) {
			behind[s.Topic] = max(0, head.Seq-s.After.Seq)
		}
	}
	return behind, err
}

// Remove removes a destination. What is being sent at this moment may still come.
func (r Registrar) Remove(ctx context.Context, d Destination) error {
	if err := r.Registry.RemoveDestination(ctx, d); err != nil {
		return err
	}
	return r.each(ctx, d, func(s Standing) error { return r.Registry.Drop(ctx, s.Ref) })
}

// Pause disables a destination until it is enabled. Its cursors stay.
func (r Registrar) Pause(ctx context.Context, d Destination) error {
	return r.Registry.Disable(ctx, d, Paused)
}

// Enable lets a destination go on from its cursors, whatever has disabled it, and at once where a
// retry would have to wait.
func (r Registrar) Enable(ctx context.Context, d Destination) error {
	if !d.Verified {
		watch.MeterOf(ctx).Spend(challengeUnits, 0)
	}
	if err := r.Registry.EnableDestination(ctx, d.ID, d.Version); err != nil {
		return err
	}
	return r.each(ctx, d, func(s Standing) error { return r.restart(ctx, s.Ref, nil) })
}

// Replay delivers again what comes after a cursor of a topic.
func (r Registrar) Replay(ctx context.Context, d Destination, topic events.Topic, after events.Cursor) error {
	if !d.Query.Topic.Matches(topic) {
		return refuse("the destination does not watch this topic")
	}
	return r.restart(ctx, Ref{d.ID, topic}, &watch.Place{After: after})
}

// restart lets a standing begin anew and wakes it. If the message cannot be sent, the sweep sends
// another within a few minutes.
func (r Registrar) restart(ctx context.Context, ref Ref, at *watch.Place) error {
	message := rand.Text()
	if err := r.Registry.Restart(ctx, ref, at, message, r.now().Add(lease)); err != nil {
		return err
	}
	_ = r.Queue.Send(ctx, ref, message)
	return nil
}

// each does something to each standing of a destination.
func (r Registrar) each(ctx context.Context, d Destination, do func(Standing) error) error {
	var last events.Topic
	for {
		standings, more, err := r.Registry.Standings(ctx, d.ID, last, standingsRead)
		if err != nil {
			return err
		}
		for _, s := range standings {
			if err := do(s); err != nil {
				return err
			}
			last = s.Topic
		}
		if !more {
			return nil
		}
	}
}

// now is the time that the registrar goes by.
func (r Registrar) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}
