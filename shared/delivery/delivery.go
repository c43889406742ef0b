// Package delivery knows what a destination is owed, and when it is tried again.
//
// A destination, such as a webhook or a queue, watches a topic or a pattern. For each of its topics it
// has a standing: the cursor up to which it has everything, and what is being tried. Fan-out wakes it
// with a message that carries no change. The log is the truth: whoever is woken reads it after the
// cursor, sends what is there, and then moves the cursor. So a change is delivered at least once, and the
// changes of a topic in order.
//
// Clients register webhooks, to which nothing is sent before they have answered a challenge. Whoever
// deploys the service declares destinations of any kind, see [Declarer].
//
//	            wake                      taken, no more
//	asleep ─────────────► awake ──────────────────────────► asleep
//	                        │ ▲
//	                 failed │ │ the time for the next attempt has come (sweep)
//	                        ▼ │
//	                      retrying ──── answered 410, or failed for three days ───► stopped
//
// A standing is stopped while its destination is disabled, or is held back, and if its topic alone has
// failed for three days. Nobody wakes it then, and it keeps its cursor. A round starts it again.
//
// # The destination as a whole
//
// A destination keeps the topics that have begun to fail since it last took anything, up to ten. They
// decide what a failure means:
//
//   - A topic that has failed for three days, and is not among them, has failed alone: the destination
//     has taken something else in the meantime. Its standing is stopped. Otherwise the destination is
//     disabled.
//   - If there are ten, the destination fails as a whole. These ten are tried at their times. All others
//     are held back: their standings are stopped when they would be tried. So a dead destination with any
//     number of topics gives the sweep no more than these. Once in five minutes one that would be held
//     back is tried all the same. So a destination that is alive again, and has changes to get, does not
//     wait for the ten. When anything is taken, all are started again.
//
// In the same way, all topics of a pattern are held back until the destination has answered a challenge,
// which one standing asks for all.
//
// A message without a topic is for the destination as a whole. Whoever gets it makes the test that the
// owner has asked for, goes on with the round, and removes what is left of a destination that was
// removed. A round goes through all standings, however many there are, and starts those again that were
// stopped or have failed. It notes how far it has come, so that no request has to wait for it, and it goes on when it
// was cut off. For this the settings have a time for the sweep as well: while there is a round, when the
// message must have come; otherwise when the destination is forgotten.
//
// What is declared is not disabled after three days, but tried once a day.
//
// # What cannot be lost
//
// A mark in the standing says that a message is waiting. It is cleared before the log is read: a
// change that comes later sets it again, and sends another message. The queue drops a message with
// an id that it has seen within five minutes, so each wake has a new id.
//
// While a standing is not asleep, it has a time at which the sweep looks at it. A message that was
// never sent, or was given up by the queue, costs time and loses nothing.
//
// A message may come again while its first delivery still runs. Each delivery that begins gives the
// standing a new generation, so only the latest one moves the cursor.
//
// Before the first attempt, the standing records what is sent. A retry sends exactly this, with the
// same id.
package delivery

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// What can go wrong in the store.
var (
	// ErrUnknown is a destination, or a standing, that does not exist.
	ErrUnknown = errors.New("destination is not known")
	// ErrOvertaken is a standing that somebody else has changed in the meantime.
	ErrOvertaken = errors.New("the standing has changed")
	// ErrTooMany is a subject that has as many destinations as it may.
	ErrTooMany = errors.New("subject has too many destinations")
)

// Destination is a place that changes are delivered to.
type Destination struct {
	ID           string
	watch.Viewer // whose it is, and what it may see; Expires is when it ends
	watch.Query  // the topic or the pattern that it watches, with filter and fields
	Kind         Kind
	URL          string // of a webhook
	Target       string // of any other kind: the URL of a queue, the ARN of a topic, bus or stream
	Format       Format // of what is sent
	Batch        int    // changes in a message, at most
	Created      time.Time
	Disabled     Reason         // why nothing is sent; empty while it is live
	Verified     bool           // it has answered a challenge; nothing is sent before that
	Failing      []events.Topic // the first of those that have begun to fail since it took anything, at most MostFailing
	Probed       time.Time      // when a topic began to fail last, or one that is held back was tried all the same
	Round        Round          // that starts its standings again
	Test         Test           // the last that its owner has asked for
	Rotations    int64          // of its secret
	Rotated      time.Time      // when that was last; zero if never
	Shown        string         // names the version of the service's secret of which its owner was shown a secret last
	Version      int64          // counts the changes of the settings by the owner
	Shard        int            // of its subscription
	Name         string         // by which the deployer declares it; empty for a client's
	Edition      int64          // of declarations: the one that has made or changed it, see [Declaration]
}

// MostFailing is how many topics have to fail, while nothing is taken, so that the others are held back.
const MostFailing = 10

// holds reports whether a topic is held back.
func (d Destination) holds(topic events.Topic) bool {
	if !d.Verified {
		return topic != d.Query.Topic
	}
	return len(d.Failing) >= MostFailing && !slices.Contains(d.Failing, topic)
}

// Kind is what a destination is.
type Kind string

// The kinds of destinations. Clients register webhooks; the deployer declares any of them.
const (
	Webhook     Kind = "webhook"
	SQS         Kind = "sqs" // a queue, standard or FIFO
	SNS         Kind = "sns" // a topic, standard or FIFO
	EventBridge Kind = "eventbridge"
	Kinesis     Kind = "kinesis"
)

// Format is how changes are written.
type Format string

// The formats of a message's body.
const (
	Frames      Format = "changes"           // the frame that a WebSocket gets
	CloudEvent  Format = "cloudevents"       // one CloudEvent; a message has one change
	CloudEvents Format = "cloudevents-batch" // a list of CloudEvents
)

// Reason is why a destination is disabled. Its cursors stay in any case.
type Reason string

// Why a destination is disabled.
const (
	Paused  Reason = "paused"  // its owner wants nothing for now
	Gone    Reason = "gone"    // it answered 410
	Failing Reason = "failing" // it has failed for as long as is tried
	Ended   Reason = "ended"   // its token was revoked or its time is over
)

// Ref names a standing: a destination and one of its topics. What is delivered of it is in order.
// Without a topic it names the destination as a whole.
//
// The standing of a pattern is of no topic. It is there to challenge the destination.
type Ref struct {
	Destination string       `json:"destination"`
	Topic       events.Topic `json:"topic"`
}

// Standing is how far a destination has come in a topic.
type Standing struct {
	Ref
	Generation  int64     // counts the deliveries that have begun, and changes from outside, such as a replay
	Replays     int64     // counts how often it was put at another place
	watch.Place           // up to which it has everything
	Attempt     *Attempt  // what is being tried; nil if nothing is
	Failures    int       // attempts that have failed in a row
	Since       time.Time // of the first of them
	RetryAt     time.Time // when the next attempt is due; zero if none has failed
	Last        Result    // of the last attempt
	Phase       Phase
	GivenUp     bool // it was stopped because this topic alone has failed for as long as is tried
	Told        bool // operators have been told of a failure
}

// Phase is where a standing is between asleep and stopped.
type Phase int

// The phases of a standing.
const (
	Asleep   Phase = iota // there is nothing to deliver
	Called                // a message waits for it
	Running               // it is being delivered, or a message for it was lost
	Retrying              // it waits for its next attempt
	Stopped               // it is not woken, whatever there is to deliver
)

// Attempt is what is sent. Its beginning is the place of the standing.
type Attempt struct {
	ID    string        // of the message
	Until events.Cursor // of the last change in it; zero if it has none
}

// Result is what became of an attempt.
type Result struct {
	At     time.Time
	Status int    // HTTP's; 0 if there was no answer
	Error  string // in one line; empty if it was taken
}

// Store keeps destinations and their standings.
type Store interface {
	// Destination reads a destination. ErrUnknown means that it does not exist.
	Destination(ctx context.Context, id string) (Destination, error)
	// Verify notes that a destination has answered its challenge, and begins a round of all standings
	// if that has an id, unless the settings are newer than the version.
	Verify(ctx context.Context, id string, version int64, round string, look time.Time) error
	// NoteFailing adds a topic to those that fail, unless there are MostFailing, and notes the time.
	NoteFailing(ctx context.Context, id string, topic events.Topic, at time.Time) error
	// Probe notes that a topic which would be held back is tried. ok is false if another was since the
	// destination was read.
	Probe(ctx context.Context, d Destination, at time.Time) (ok bool, err error)
	// ClearFailing makes it none that fail. If there were MostFailing, it begins a round as well.
	ClearFailing(ctx context.Context, id string, round string, look time.Time) (begun bool, err error)
	// MoveRound notes how far a round has come. ErrOvertaken means that there is another by now.
	MoveRound(ctx context.Context, id string, r Round, look time.Time) error
	// EndRound ends the round of a destination, unless there is another by now. The sweep looks at the
	// destination when it is forgotten.
	EndRound(context.Context, Destination) error
	// NoteTest notes what became of a test, unless there is another by now.
	NoteTest(ctx context.Context, id string, t Test) error
	// Retire makes sure that a destination which was removed, or has ended long ago, stays so. gone is
	// false if it is neither.
	Retire(ctx context.Context, id string) (gone bool, err error)
	// ForgetDestination removes the last of a destination that is gone.
	ForgetDestination(ctx context.Context, id string) error
	// Standings reads the standings of a destination, after a topic or from the first.
	Standings(ctx context.Context, destination string, after events.Topic, most int) (standings []Standing, more bool, err error)
	// Disable sets why a destination gets nothing, and tells operators, unless its settings are newer
	// than the given ones.
	Disable(ctx context.Context, d Destination, why Reason) error

	// Mark marks a standing as waiting for a message with an id, unless it is marked already. A
	// standing that does not exist begins after the cursor. The sweep looks at it at the given time,
	// which is after the message has come.
	Mark(ctx context.Context, ref Ref, message string, after events.Cursor, look time.Time) (marked bool, err error)
	// Unmark takes back a mark if it is still that of the message.
	Unmark(ctx context.Context, ref Ref, message string) error
	// Begin takes the mark away and gives the standing, which has another generation now. So a
	// delivery that has begun before, and is still running, is overtaken. If the standing was asleep or
	// stopped, because the message has come twice, the sweep looks at it at the given time. ErrUnknown
	// means that it does not exist.
	Begin(ctx context.Context, ref Ref, look time.Time) (Standing, error)
	// Try records an attempt before it is made. Like Move, Fail and Stop, it gives ErrOvertaken if the
	// standing has another generation by now.
	Try(ctx context.Context, s Standing) error
	// Move moves a standing to a place, after which it has no attempt and no failure, and operators
	// are told so if they were told of one. If asleep is true and nobody has marked it, the sweep does
	// not look at it any more.
	Move(ctx context.Context, s Standing, to watch.Place, asleep bool, last Result) error
	// Fail records a failed attempt, and tells operators of it. The sweep looks at the standing at its
	// RetryAt, and the standing is marked until then, so that nobody wakes it.
	Fail(ctx context.Context, s Standing) error
	// Stop marks the standing, so that nobody wakes it, and the sweep does not look at it any more. It
	// notes whether the standing has given up.
	Stop(ctx context.Context, s Standing) error
	// Drop removes a standing, and what operators were told of it.
	Drop(ctx context.Context, ref Ref) error
	// Restart lets a standing begin anew at a place, or where it is if that is nil: without attempt
	// and failures, with another generation, and marked as waiting for a message. Put at a place, it
	// counts a replay.
	Restart(ctx context.Context, ref Ref, at *watch.Place, message string, look time.Time) error

	// Due reads standings of a part, and destinations, that the sweep has to look at, the longest due
	// first.
	Due(ctx context.Context, part int, now time.Time, most int) ([]Ref, error)
	// Claim marks a standing that is due as waiting for a message, and sets when the sweep looks at it
	// again. claimed is false if another sweep has just done so.
	Claim(ctx context.Context, ref Ref, message string, now, look time.Time) (claimed bool, err error)
}

// Parts is the number of parts in which the standings are that the sweep looks at.
const Parts = 8

// Message is what is sent to a destination once.
type Message struct {
	ID      string // the same in each attempt to send the same
	Ref     Ref
	Changes []events.Change
	Reset   *events.Reset    // in place of changes: what was sent of the topic is void
	Items   *events.Snapshot // in place of changes: items after a reset
	Test    *events.Test     // in place of changes: the owner tries whether messages come
}

// Sender sends messages to destinations.
type Sender interface {
	// Send sends a message once. A failure that says more is a *Failure.
	Send(context.Context, Destination, Message) error
	// Challenge asks a destination whether it wants what comes. A failure that says more is a *Failure.
	Challenge(context.Context, Destination) error
}

// Failure is an attempt that has failed.
type Failure struct {
	Status     int           // HTTP's; 0 if there was no answer
	Gone       bool          // the destination wants nothing any more
	RetryAfter time.Duration // for which it wants to be left alone; 0 if it does not say
	Detail     string        // in one line, for the owner
}

func (f *Failure) Error() string { return f.Detail }

// Queue carries the messages that wake. Those of one standing come in order, and one at a time.
type Queue interface {
	// Send puts a wake into the queue. id is new for each.
	Send(ctx context.Context, ref Ref, id string) error
}
