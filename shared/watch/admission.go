package watch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
)

// Prober knows whether connections exist.
type Prober interface {
	// Probe gives ErrGone if the connection does not exist any more.
	Probe(context.Context, ConnectionID) error
}

// AdmissionStore keeps connections, and what was revoked.
type AdmissionStore interface {
	Connections
	// Connect keeps a new connection; doing so twice is no error.
	Connect(context.Context, Connection) error
	Revocations
}

// Admission decides who may have one more connection.
type Admission struct {
	Store  AdmissionStore
	Prober Prober
	// Limit is how many connections a subject may have. The anonymous one, who is
	// many, has no limit.
	Limit int
	// Allowance pays for each attempt to connect, which reads the rows of all connections of
	// the subject. If it is nil, attempts are not bounded.
	Allowance *Allowance
}

// Admit keeps a new connection. ErrTooManyConnections means that the subject is at its
// limit; ErrTooManyRequests that it has spent its allowance; ErrRevoked that its token was
// taken back since it was verified, when the connection was not there yet to be closed.
func (a Admission) Admit(ctx context.Context, c Connection) error {
	if c.Subject == Anonymous {
		return a.Store.Connect(ctx, c)
	}
	if err := a.Allowance.check(c.Key); err != nil {
		return err
	}
	metered, meter := Metered(ctx)
	err := a.makeRoom(metered, c.Subject)
	if err := errors.Join(err, a.Allowance.charge(ctx, c.Key, meter.spent()+keepingUnits)); err != nil {
		return err
	}
	if err := a.Store.Connect(ctx, c); err != nil {
		return err
	}
	if err := CheckRevoked(ctx, a.Store, c.Subject, c.Access); err != nil {
		return errors.Join(err, a.Store.Forget(ctx, c.Key, nil))
	}
	return nil
}

// keepingUnits is what it costs to keep a connection, in units of an allowance: its row is
// written, and two of revocations are read.
const keepingUnits = 2 + writePrice

// probes is how many of a subject's connections are looked at before it is turned away.
// Each look is one of the 10,000 requests a second that the account has for its posts, too.
// Were all looked at, the 500 connects a second that API Gateway takes would ask for 50,000.
const probes = 3

// makeRoom gives ErrTooManyConnections if the subject is at its limit. Connections whose
// end nobody reported do not count: at the limit a few of them, by chance, are looked at,
// until one is found gone. Who comes again finds others. Two who come at the same time may
// both be let in.
func (a Admission) makeRoom(ctx context.Context, subject string) error {
	known, err := a.Store.Connections(ctx, subject)
	if err != nil || len(known) < a.Limit {
		return err
	}
	for _, i := range rand.Perm(len(known))[:min(probes, len(known))] {
		gone, err := a.clear(ctx, known[i])
		if err != nil || gone {
			return err
		}
	}
	return fmt.Errorf("%d connections: %w", len(known), ErrTooManyConnections)
}

// clear forgets a connection if it is gone. One that cannot be looked at counts.
func (a Admission) clear(ctx context.Context, c Connection) (gone bool, err error) {
	if !errors.Is(a.Prober.Probe(ctx, c.ID), ErrGone) {
		return false, nil
	}
	return true, a.Store.Forget(ctx, c.Key, nil)
}
