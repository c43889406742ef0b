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

// MaxBatch is how many changes a message has at most.
const MaxBatch = 100

// Overlap is for how long messages are also signed with the secret before the last rotation.
const Overlap = 24 * time.Hour

// Registry keeps destinations for their owners.
type Registry interface {
	Store
	// AddDestination keeps a destination and lets it watch. ErrTooMany means that its subject has as
	// many as most.
	AddDestination(ctx context.Context, d Destination, most int) error
	// RemoveDestination removes all but the standings, which the sweep looks for at the given time.
	RemoveDestination(ctx context.Context, d Destination, look time.Time) error
	// ReplaceDestination replaces the settings of was by those that are the owner's, if they still have
	// its version. If not, the error is watch.ErrUnavailable. What has become of deliveries stays, but if
	// d has another round than was, the round begins; and if d is unverified, or not disabled, it is so.
	ReplaceDestination(ctx context.Context, d, was Destination, look time.Time) error
	// Destinations reads those of a subject.
	Destinations(ctx context.Context, subject string) ([]Destination, error)
	// EnableDestination lets a destination be sent something again, and begins a round of all standings,
	// unless its settings are newer than the version.
	EnableDestination(ctx context.Context, id string, version int64, round string, look time.Time) error
	// NoteShown notes of which version of the service's secret the owner is shown a secret, so that the
	// sender looks for this version.
	NoteShown(ctx context.Context, id, version string) error
	// AskTest notes that a test is to be made.
	AskTest(ctx context.Context, id string, version int64, t Test) error
	// Glance reads where topics stand, as of about a second ago.
	Glance(context.Context, []events.Topic) (map[events.Topic]events.Cursor, error)
	// Head reads where a topic stands.
	Head(context.Context, events.Topic) (watch.Head, error)
	// ChangedAt reads when the change with a number was made; kept is false if the log has it no more.
	ChangedAt(ctx context.Context, topic events.Topic, seq int64) (at time.Time, kept bool, err error)
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
// as it lives: the token says for how long. It is challenged at once, and gets the changes from now on
// when it has answered.
func (r Registrar) Create(ctx context.Context, v watch.Viewer, wanted Destination) (Destination, error) {
	d := wanted
	d.ID, d.Kind = newID(), Webhook
	d.Viewer = v
	d.Key.ID, d.Delivers = watch.DestinationID(d.ID), true
	d.Created = r.now().Truncate(time.Second) // as exactly as the store keeps when it ends
	d.Expires = d.Created.Add(v.Grant.DeliverFor())
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

// Change gives a destination other settings, and lets it live on for the time, and with the view, of the
// present token. Its topic stays. If it is to be sent something else, or to another URL, what is being
// tried is given up, and comes anew. Another URL is challenged.
func (r Registrar) Change(ctx context.Context, v watch.Viewer, d, wanted Destination) (Destination, error) {
	changed := wanted
	changed.Viewer = v
	changed.Key.ID, changed.Delivers = d.Key.ID, true
	changed.Expires = r.now().Truncate(time.Second).Add(v.Grant.DeliverFor())
	changed.Version = d.Version + 1
	if changed.Disabled == Ended {
		changed.Disabled = ""
	}
	if changed.URL != d.URL {
		changed.Verified = false
		watch.MeterOf(ctx).Spend(challengeUnits, 0)
	}
	if err := r.check(&changed); err != nil {
		return d, err
	}
	if err := r.replace(ctx, changed, d); err != nil {
		return d, err
	}
	return changed, nil
}

// replace replaces settings. If something else is sent, or a destination goes on, a round begins.
func (r Registrar) replace(ctx context.Context, to, was Destination) error {
	if to.Round = was.Round; to.sends() != was.sends() || to.Disabled != was.Disabled {
		to.Round = Round{ID: rand.Text(), All: true}
	}
	if err := r.Registry.ReplaceDestination(ctx, to, was, r.now().Add(lease)); err != nil {
		return err
	}
	if to.Round != was.Round {
		r.call(ctx, to.ID)
	}
	return nil
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
	return r.waker().restart(ctx, Ref{d.ID, d.Query.Topic}, &at)
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

// Remove removes a destination. What is being sent at this moment may still come. Its standings are
// removed afterwards.
func (r Registrar) Remove(ctx context.Context, d Destination) error {
	if err := r.Registry.RemoveDestination(ctx, d, r.now().Add(lease)); err != nil {
		return err
	}
	r.call(ctx, d.ID)
	return nil
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
	if err := r.Registry.EnableDestination(ctx, d.ID, d.Version, rand.Text(), r.now().Add(lease)); err != nil {
		return err
	}
	r.call(ctx, d.ID)
	return nil
}

// Test has a message sent to a destination now, as it gets others. What becomes of it is noted in the
// destination. It moves no cursor, and changes nothing about failures. It costs as much as a challenge,
// because the URL may be somebody else's, and is not sent to a URL that has not answered one.
func (r Registrar) Test(ctx context.Context, d Destination) (Test, error) {
	switch {
	case !d.Verified:
		return Test{}, refuse("the URL has not answered its challenge yet, and gets nothing else before: enable challenges it now")
	case d.Disabled == Ended || !r.now().Before(d.Expires):
		return Test{}, refuse("the destination has ended: renew it first")
	}
	watch.MeterOf(ctx).Spend(challengeUnits, 0)
	t := Test{ID: "msg_" + strings.ToLower(rand.Text()), Asked: r.now()}
	if err := r.Registry.AskTest(ctx, d.ID, d.Version, t); err != nil {
		return Test{}, err
	}
	if err := r.Queue.Send(ctx, Ref{Destination: d.ID}, rand.Text()); err != nil {
		return t, fmt.Errorf("%w: %w", watch.ErrUnavailable, err)
	}
	return t, nil
}

// Rotate gives a destination another secret. For [Overlap] its messages are signed with both.
func (r Registrar) Rotate(ctx context.Context, d Destination) (Destination, error) {
	changed := d
	changed.Rotations, changed.Rotated = d.Rotations+1, r.now()
	changed.Version++
	return changed, r.Registry.ReplaceDestination(ctx, changed, d, r.now().Add(lease))
}

// call sends a message for a destination as a whole. If it cannot be sent, the sweep sends another.
func (r Registrar) call(ctx context.Context, id string) {
	_ = r.Queue.Send(ctx, Ref{Destination: id}, rand.Text())
}

func (r Registrar) waker() Waker { return Waker{Store: r.Registry, Queue: r.Queue} }

// now is the time that the registrar goes by.
func (r Registrar) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}
