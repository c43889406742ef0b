package watch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/watch"
)

// connections gives n connections of a subject, the youngest first: c<n>, …, c1.
func connections(subject string, n int) []watch.Connection {
	var all []watch.Connection
	for ; n > 0; n-- {
		key := watch.Key{Subject: subject, ID: watch.ConnectionID(fmt.Sprint("c", n))}
		all = append(all, watch.Connection{Key: key, Connected: time.Unix(int64(n), 0)})
	}
	return all
}

func TestAdmit(t *testing.T) {
	type answers = map[watch.ConnectionID]error
	type ids = []watch.ConnectionID
	unknown := errors.New("throttled")
	for name, c := range map[string]struct {
		subject   string
		open      int // connections, of 3 that are allowed
		answers   answers
		want      error
		probed    int // at most, and all of them if nothing is forgotten
		forgotten ids
	}{
		"below the limit":          {"s", 2, answers{"c1": watch.ErrGone}, nil, 0, nil},
		"at the limit":             {"s", 3, nil, watch.ErrTooManyConnections, 3, nil},
		"far over the limit":       {"s", 9, nil, watch.ErrTooManyConnections, 3, nil},
		"one is gone":              {"s", 3, answers{"c2": watch.ErrGone}, nil, 3, ids{"c2"}},
		"one cannot be looked at":  {"s", 3, answers{"c1": unknown}, watch.ErrTooManyConnections, 3, nil},
		"nor can one, one is gone": {"s", 3, answers{"c1": unknown, "c2": watch.ErrGone}, nil, 3, ids{"c2"}},
		"the anonymous are many":   {watch.Anonymous, 9, nil, nil, 0, nil},
		"others do not count":      {"other", 3, nil, nil, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			of := c.subject
			if of == "other" {
				of = "s"
			}
			m := &memoryWatchers{connections: connections(of, c.open), answers: c.answers}
			err := watch.Admission{Store: m, Prober: m, Limit: 3}.Admit(t.Context(), watch.Connection{Key: watch.Key{Subject: c.subject, ID: "new"}})
			if !errors.Is(err, c.want) {
				t.Errorf("err = %v, want %v", err, c.want)
			}
			if n := len(m.probed); n > c.probed || n < c.probed && c.forgotten == nil || !slices.Equal(m.forgotten, c.forgotten) {
				t.Errorf("looked at %q and forgot %q, want %d and %q", m.probed, m.forgotten, c.probed, c.forgotten)
			}
		})
	}
}

// TestAdmitFindsWhoIsGone: one of many is found by who comes again.
func TestAdmitFindsWhoIsGone(t *testing.T) {
	m := &memoryWatchers{connections: connections("s", 20), answers: map[watch.ConnectionID]error{"c7": watch.ErrGone}}
	a := watch.Admission{Store: m, Prober: m, Limit: 20}
	for range 1_000 {
		if a.Admit(t.Context(), watch.Connection{Key: watch.Key{Subject: "s", ID: "new"}}) == nil {
			return
		}
	}
	t.Errorf("turned away after %d looks", len(m.probed))
}

// TestAdmitKeeps whom it lets in, and nobody else.
func TestAdmitKeeps(t *testing.T) {
	c := watch.Connection{Key: watch.Key{Subject: "s", ID: "new"}, Access: watch.Access{TokenID: "t", Issued: time.Unix(100, 0)}}
	anyone := c
	anyone.Subject = watch.Anonymous
	for name, test := range map[string]struct {
		who  watch.Connection
		in   *memoryWatchers
		want error
		kept bool
	}{
		"let in":                {c, &memoryWatchers{}, nil, true},
		"at the limit":          {c, &memoryWatchers{connections: connections("s", 3)}, watch.ErrTooManyConnections, false},
		"revoked meanwhile":     {c, &memoryWatchers{revoked: []watch.Revocation{{Subject: "s", TokenID: "t", Before: time.Unix(100, 0)}}}, watch.ErrRevoked, false},
		"another token revoked": {c, &memoryWatchers{revoked: []watch.Revocation{{Subject: "s", TokenID: "u", Before: time.Unix(100, 0)}}}, nil, true},
		"nobody knows":          {c, &memoryWatchers{unknown: errRead}, errRead, false},
		"without a token":       {anyone, &memoryWatchers{unknown: errRead}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := test.in
			if err := (watch.Admission{Store: m, Prober: m, Limit: 3}).Admit(t.Context(), test.who); !errors.Is(err, test.want) {
				t.Errorf("err = %v, want %v", err, test.want)
			}
			put := slices.ContainsFunc(m.connections, func(c watch.Connection) bool { return c.ID == "new" })
			if kept := put && len(m.forgotten) == 0; kept != test.kept {
				t.Errorf("put %v and forgot %q, want it kept: %v", put, m.forgotten, test.kept)
			}
		})
	}
}

// unread are connections that cannot be read.
type unread struct{ *memoryWatchers }

func (unread) Connections(context.Context, string) ([]watch.Connection, error) { return nil, errRead }

// TestAdmitNeedsTheCount: whose connections cannot be counted is not let in.
func TestAdmitNeedsTheCount(t *testing.T) {
	m := &memoryWatchers{}
	if err := (watch.Admission{Store: unread{m}, Prober: m, Limit: 3}).Admit(t.Context(), watch.Connection{Key: watch.Key{Subject: "s"}}); !errors.Is(err, errRead) || len(m.connections) > 0 {
		t.Errorf("err = %v, kept %v", err, m.connections)
	}
}
