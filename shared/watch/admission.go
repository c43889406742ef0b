package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Prober knows whether connections exist.
type Prober interface {
	// Probe gives ErrGone if the connection does not exist any more.
	Probe(context.Context, ConnectionID) error
}

// Admission decides who may have one more connection.
type Admission struct {
	Connections Connections
	Prober      Prober
	// Limit is how many connections a subject may have. The anonymous one, who is
	// many, has no limit.
	Limit int
}

// Admit gives ErrTooManyConnections if the subject is at its limit. Connections whose
// end nobody reported do not count: at the limit the oldest are looked at, until one
// is found gone. Two who come at the same time may both be let in.
func (a Admission) Admit(ctx context.Context, subject string) error {
	if subject == Anonymous {
		return nil
	}
	known, err := a.Connections.Connections(ctx, subject)
	if err != nil || len(known) < a.Limit {
		return err
	}
	slices.SortFunc(known, func(a, b Connection) int { return a.Connected.Compare(b.Connected) })
	for _, c := range known {
		gone, err := a.clear(ctx, c)
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
	return true, a.Connections.Forget(ctx, c.Key, nil)
}
