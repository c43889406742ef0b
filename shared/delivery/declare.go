package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// Declared is a destination as the deployer declares it with the service. It gets all that its topics
// show, narrowed by its filter and fields. It is not challenged, does not end by itself, and is tried
// for as long as it is declared.
type Declared struct {
	Name   string          `json:"name"`  // 1 to 64 letters, digits, hyphens and underscores; of one destination
	Topic  events.Topic    `json:"topic"` // or a pattern
	Filter json.RawMessage `json:"filter,omitempty"`
	Fields []string        `json:"fields,omitempty"`
	Format Format          `json:"format,omitempty"` // default: Frames
	Batch  int             `json:"batch,omitempty"`  // default: the most that the format may have
	Kind   Kind            `json:"kind"`
	Target string          `json:"target"` // the URL of a webhook or a queue, the ARN of any other
}

var declaredName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// CheckDeclared reports all that is wrong with what is declared, but for the targets.
func CheckDeclared(all []Declared) error {
	var errs []error
	names := map[string]bool{}
	for i, d := range all {
		_, err := d.destination()
		if wire := (*events.Error)(nil); errors.As(err, &wire) {
			err = errors.New(wire.Message)
		}
		switch {
		case !declaredName.MatchString(d.Name):
			err = errors.Join(fmt.Errorf("name is %q, not 1 to 64 letters, digits, hyphens and underscores", d.Name), err)
		case names[d.Name]:
			err = errors.Join(errors.New("another has the same name"), err)
		}
		names[d.Name] = true
		if err != nil {
			errs = append(errs, fmt.Errorf("destination %d, %q: %w", i, d.Name, err))
		}
	}
	return errors.Join(errs...)
}

// destination gives the destination that is declared, without what a store adds.
func (d Declared) destination() (Destination, error) {
	to := Destination{Name: d.Name, Kind: d.Kind, Target: d.Target, Format: d.Format, Batch: d.Batch, Verified: true}
	if d.Kind == Webhook {
		to.URL, to.Target = d.Target, ""
	}
	to.Query = watch.Query{Topic: d.Topic, Options: watch.Options{Filter: d.Filter, Fields: d.Fields}}
	to.Subject = watch.Deployer
	to.Grant, to.Delivers = grant.All(), true
	if _, err := events.ParsePattern(string(d.Topic)); err != nil {
		return to, err
	}
	if d.Topic.Reserved() {
		return to, fmt.Errorf("topic %s is reserved: destinations cannot follow it", d.Topic)
	}
	if !slices.Contains([]Kind{Webhook, SQS, SNS, EventBridge, Kinesis}, d.Kind) {
		return to, fmt.Errorf("kind is %q, not %s, %s, %s, %s or %s", d.Kind, Webhook, SQS, SNS, EventBridge, Kinesis)
	}
	return to, to.complete()
}

// Signer names the destination in the keys that sign its messages. One that is declared keeps its key
// for as long as its name is the same.
func (d Destination) Signer() string {
	if d.Name != "" {
		return "declared/" + d.Name // no id has a slash
	}
	return d.ID
}

// Declaration says which destinations were declared last, and what became of that.
//
// Each list that is carried out is an edition. Whatever an edition writes is written only while no other has
// ended, so a call that was late changes nothing. An edition that was cut off is carried out again.
type Declaration struct {
	Digest  string // of the list that was carried out; empty if nothing is declared
	Edition int64  // counts those carried out
	// Pending is the digest of another list that was seen at Since. It would end a destination, or
	// change one. Since is zero if there is none.
	Pending string
	Since   time.Time
}

// Declarations keep what the deployer declares.
type Declarations interface {
	Registry
	// Declaration reads it.
	Declaration(context.Context) (Declaration, error)
	// NoteDeclaration replaces it, if no edition has ended since it was read. If one has, the error is
	// ErrOvertaken.
	NoteDeclaration(ctx context.Context, was, now Declaration) error
}

// ErrExists is a destination that is there already.
var ErrExists = errors.New("destination is there already")

// Declarer keeps destinations as the deployer declares them.
type Declarer struct {
	Registry Declarations
	Queue    Queue
	Logger   *slog.Logger
	Now      func() time.Time // time.Now if nil
}

// maxDeclared bounds how many destinations are declared. The list itself is bounded more narrowly.
const maxDeclared = 1000

// confirmedAfter is how long a list that ends or changes a destination has to have been declared. The
// calls that bring lists come once a minute, and one of an earlier deployment may come late. Without a
// second look it would end what a later one has declared, and lose its cursors.
const confirmedAfter = 30 * time.Second

// Reconcile makes destinations as they are declared. One that is new begins with the next change of
// its topics. One that is declared otherwise goes on from its cursors; with another topic it is a new
// one. One that is not declared any more is removed. A list that removes or changes some is carried out
// when it is declared again, at least 30 s later, and no other has been meanwhile.
//
// It costs a read unit if nothing is to be done. It may be called at the same time and may be cut off:
// the next call with the same list does the rest.
func (d Declarer) Reconcile(ctx context.Context, declared []Declared) error {
	was, err := d.Registry.Declaration(ctx)
	if err != nil {
		return err
	}
	digest, err := digestOf(declared)
	if err != nil {
		return err
	}
	if digest == was.Digest {
		if was.Since.IsZero() {
			return nil
		}
		return d.note(ctx, was, Declaration{Digest: was.Digest, Edition: was.Edition})
	}
	plan, err := d.plan(ctx, declared, was.Edition+1)
	if err != nil {
		return err
	}
	pending := was.Pending == digest && !was.Since.IsZero()
	switch {
	case plan.loses() && !pending:
		return d.note(ctx, was, Declaration{Digest: was.Digest, Edition: was.Edition, Pending: digest, Since: d.registrar().now()})
	case plan.loses() && d.registrar().now().Before(was.Since.Add(confirmedAfter)):
		return nil
	}
	if err := d.carryOut(ctx, plan); err != nil {
		return settled(err)
	}
	return d.note(ctx, was, Declaration{Digest: digest, Edition: was.Edition + 1})
}

// note notes a declaration.
func (d Declarer) note(ctx context.Context, was, now Declaration) error {
	return settled(d.Registry.NoteDeclaration(ctx, was, now))
}

// settled is the error, unless another call has ended the edition. Then the next one looks anew.
func settled(err error) error {
	if errors.Is(err, ErrOvertaken) {
		return nil
	}
	return err
}

// digestOf is the same for the same list; empty for an empty one.
func digestOf(declared []Declared) (string, error) {
	if len(declared) == 0 {
		return "", nil
	}
	text, err := events.Marshal(declared)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), err
}

// plan is what an edition has to do.
type plan struct {
	remove []Destination
	change []replacement
	add    []Destination
}

type replacement struct{ from, to Destination }

// loses reports whether the plan ends or changes a destination.
func (p plan) loses() bool { return len(p.remove)+len(p.change) > 0 }

// plan compares what is declared with what there is. The error says what is wrong with the list.
func (d Declarer) plan(ctx context.Context, declared []Declared, edition int64) (p plan, err error) {
	if err := CheckDeclared(declared); err != nil {
		return p, fmt.Errorf("declared destinations: %w", err)
	}
	there, err := d.Registry.Destinations(ctx, watch.Deployer)
	if err != nil {
		return p, err
	}
	missing := map[string]Destination{}
	for _, one := range declared {
		missing[one.Name], _ = one.destination() // which is right, as CheckDeclared says
	}
	for _, from := range there {
		to, ok := missing[from.Name]
		switch {
		case !ok || to.Query.Topic != from.Query.Topic:
			from.Edition = edition
			p.remove = append(p.remove, from)
			continue // and it stays missing, if its topic is another
		case to.sends() != from.sends():
			p.change = append(p.change, replacement{from, from.declaredAs(to, edition)})
		}
		delete(missing, from.Name)
	}
	for _, one := range declared {
		to, ok := missing[one.Name]
		if !ok {
			continue
		}
		to.ID, to.Edition = declaredID(one.Name, edition), edition
		to.Key.ID = watch.DestinationID(to.ID)
		to.Created = d.registrar().now().Truncate(time.Second)
		p.add = append(p.add, to)
	}
	return p, nil
}

// declaredAs is a destination that is declared otherwise now. What has disabled it does not count any
// more.
func (d Destination) declaredAs(to Destination, edition int64) Destination {
	to.ID, to.Key.ID, to.Created, to.Shard = d.ID, d.Key.ID, d.Created, d.Shard
	to.Version, to.Edition = d.Version+1, edition
	return to
}

// declaredID derives an id from a name. It is another in each edition, because standings may be left of
// a destination of the same name that was removed.
func declaredID(name string, edition int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", edition, name))
	return (idPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])))[:len(newID())]
}

// carryOut does what is planned. Each step can be repeated.
func (d Declarer) carryOut(ctx context.Context, p plan) error {
	r := d.registrar()
	for _, one := range p.remove {
		if err := r.Remove(ctx, one); err != nil {
			return err
		}
		d.Logger.Info("destination removed, which is not declared any more", "name", one.Name, "destination", one.ID)
	}
	for _, one := range p.change {
		if err := r.replace(ctx, one.to, one.from); err != nil {
			return err
		}
		d.Logger.Info("destination changed, as it is declared", "name", one.to.Name, "destination", one.to.ID)
	}
	for _, one := range p.add {
		if err := r.Registry.AddDestination(ctx, one, maxDeclared); err != nil && !errors.Is(err, ErrExists) {
			return err
		}
		d.Logger.Info("destination declared", "name", one.Name, "destination", one.ID, "kind", one.Kind, "topic", one.Query.Topic)
	}
	return nil
}

func (d Declarer) registrar() Registrar {
	return Registrar{Registry: d.Registry, Queue: d.Queue, Now: d.Now}
}
