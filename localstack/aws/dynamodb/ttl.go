package dynamodb

import (
	"context"

	"github.com/tidwall/btree"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
	"github.com/watchroute/watchroute/shared/ttl"
)

type timeToLiveSpecification struct {
	AttributeName string
	Enabled       *bool
}

type updateTimeToLiveInput struct {
	TableName               *string
	TimeToLiveSpecification *timeToLiveSpecification
}

// updateTimeToLive switches the deletion of expired items on or off. Unlike
// DynamoDB it takes effect at once and may be done as often as one likes.
func (e *Engine) updateTimeToLive(_ context.Context, in *updateTimeToLiveInput) (any, error) {
	if err := checkTable(in.TableName); err != nil {
		return nil, err
	}
	s := in.TimeToLiveSpecification
	if err := s.check(); err != nil {
		return nil, err
	}
	t, err := e.tableOf(in.TableName)
	if err != nil {
		return nil, err
	}
	if err := t.writing(func() error { return t.switchTTL(s.AttributeName, *s.Enabled) }); err != nil {
		return nil, err
	}
	return struct{ TimeToLiveSpecification *timeToLiveSpecification }{s}, nil
}

func (s *timeToLiveSpecification) check() error {
	var c constraints
	if c.require("timeToLiveSpecification", s != nil); s != nil {
		c.require("timeToLiveSpecification.enabled", s.Enabled != nil)
		c.length("timeToLiveSpecification.attributeName", s.AttributeName, len(s.AttributeName), 1, maxKeyName)
	}
	return c.err()
}

// switchTTL switches time to live on or off. The caller holds the table's lock.
func (t *table) switchTTL(attribute string, on bool) error {
	switch {
	case !on && t.ttl.attribute == "":
		return invalid("TimeToLive is already disabled")
	case t.ttl.attribute != "" && t.ttl.attribute != attribute:
		return invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.ttl.attribute)
	case on && t.ttl.attribute != "":
		return invalid("TimeToLive is already enabled")
	case !on:
		t.ttl = timeToLive{}
		return nil
	}
	t.ttl = newTimeToLive(attribute)
	t.rows.tree.Scan(func(r *row) bool {
		t.ttl.replace(nil, r)
		return true
	})
	return nil
}

func (e *Engine) describeTimeToLive(_ context.Context, in *tableInput) (any, error) {
	t, err := e.tableOf(in.TableName)
	if err != nil {
		return nil, err
	}
	type description struct {
		AttributeName    string `json:",omitempty"`
		TimeToLiveStatus string
	}
	d := description{TimeToLiveStatus: "DISABLED"}
	err = t.reading(func() {
		if t.ttl.attribute != "" {
			d = description{AttributeName: t.ttl.attribute, TimeToLiveStatus: "ENABLED"}
		}
	})
	return struct{ TimeToLiveDescription description }{d}, err
}

// timeToLive knows when the rows of a table expire; the zero value is switched off.
type timeToLive struct {
	attribute string
	expiries  *btree.BTreeG[expiry]
}

// expiry is when a row expires, in epoch seconds.
type expiry struct {
	at  int64
	row *row
}

func newTimeToLive(attribute string) timeToLive {
	return timeToLive{attribute: attribute, expiries: btree.NewBTreeGOptions(func(a, b expiry) bool {
		switch {
		case a.at != b.at:
			return a.at < b.at
		case a.row == nil || b.row == nil: // a bound stands before all rows of its second
			return b.row != nil
		}
		return a.row.compare(b.row.location) < 0
	}, btree.Options{NoLocks: true})}
}

// replace notes that next took the place of old, either of which may be nil.
func (l *timeToLive) replace(old, next *row) {
	if l.attribute == "" {
		return
	}
	if at, ok := l.of(old); ok {
		l.expiries.Delete(expiry{at, old})
	}
	if at, ok := l.of(next); ok {
		l.expiries.Set(expiry{at, next})
	}
}

// of reads when a row expires: only a Number counts.
func (l *timeToLive) of(r *row) (at int64, ok bool) {
	v, found := image(r)[l.attribute]
	if !found || v.Kind != item.Number {
		return 0, false
	}
	return ttl.Seconds(v.S)
}
