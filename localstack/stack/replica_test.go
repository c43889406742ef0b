package stack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/watchroute/watchroute/events"
)

// replica is what an onlooker knows of one topic. It is a second client, beside package client, and
// a stricter one: it takes changes early, late and again, carries them out in order, and gives an
// error where they break a promise of the service.
type replica struct {
	standing
	held  bool             // it is not known yet where to go on; changes wait
	early []events.Change  // that are not due yet
	past  []standing       // where it was before, in this view
	told  map[int64]string // each change as JSON, by its seq

	look   func() look          // the view at the moment
	lapsed func(id string) bool // the item had expired at some time, so its changes may be told or not
	seen   tally
}

// standing is what the items look like at a cursor. From a snapshot, they may already
// show some of the changes after it, up to ahead at most.
type standing struct {
	cursor events.Cursor
	ahead  int64
	items  map[string]any
}

// look is what of a view a replica has to know.
type look struct {
	delta bool // changes may come as patches
	whole bool // everything is shown, so that a write which changes nothing is told, too
}

// large stands for data that a watcher knows to be too large.
const large = "large"

// begin goes on from a snapshot.
func (r *replica) begin(from standing) error {
	r.standing, r.held = from, false
	return r.goOn()
}

// receive keeps a change, which may come before its turn or again.
func (r *replica) take(c events.Change) error {
	if err := r.repeats(c); err != nil {
		return err
	}
	r.early = append(r.early, c)
	return r.goOn()
}

// repeats checks that a repeated change is the same.
func (r *replica) repeats(c events.Change) error {
	last := c.Cursor().Seq
	if c.Op == events.Skipped {
		if want := (events.Change{Topic: c.Topic, Epoch: c.Epoch, Seq: c.Seq, To: c.To, Op: c.Op}); !reflect.DeepEqual(c, want) {
			return fmt.Errorf("is told of what is skipped: %+v", c)
		}
		if c.To > 0 {
			r.seen["run of skipped"]++
		}
	}
	for seq := c.Seq; seq <= last; seq++ {
		c.Seq, c.To = seq, 0
		told, err := json.Marshal(c)
		if err != nil {
			return err
		}
		if before, again := r.told[seq]; again {
			r.seen["repeated"]++
			if before != string(told) {
				return fmt.Errorf("is told\n%s, and before\n%s", told, before)
			}
		}
		r.told[seq] = string(told)
	}
	return nil
}

// goOn carries out the changes that are due.
func (r *replica) goOn() error {
	if r.held {
		return nil
	}
	due := func(c events.Change) bool { return c.Seq <= r.cursor.Seq+1 && c.Cursor().Seq > r.cursor.Seq }
	for i := slices.IndexFunc(r.early, due); i >= 0; i = slices.IndexFunc(r.early, due) {
		if err := r.apply(r.early[i]); err != nil {
			return err
		}
	}
	r.early = slices.DeleteFunc(r.early, func(c events.Change) bool { return c.Cursor().Seq <= r.cursor.Seq })
	return nil
}

// apply carries out a change.
func (r *replica) apply(c events.Change) error {
	if r.cursor.Epoch != "" && r.cursor.Epoch != c.Epoch {
		return fmt.Errorf("is told of another epoch: %+v at %v", c, r.cursor)
	}
	r.seen[string(c.Op)]++
	r.past = append(r.past, r.standing)
	r.cursor, r.items = c.Cursor(), maps.Clone(r.items)
	if c.Op == events.Skipped {
		return nil
	}
	was, has := r.items[c.ID]
	is, err := r.become(was, c)
	if err != nil {
		return err
	}
	if r.lapsed(c.ID) {
		r.seen["lapsed "+string(c.Op)]++
	} else if exact := c.Seq > r.ahead; exact && !r.fits(c, has, was, is) {
		return fmt.Errorf("has %v, and is told %+v with data %s, patch %s", was, c, c.Data, c.Patch)
	}
	r.items[c.ID] = is
	if c.Op == events.Removed {
		delete(r.items, c.ID)
	}
	return nil
}

// become gives the state that a change tells, the last one of a removed item.
func (r *replica) become(was any, c events.Change) (any, error) {
	switch {
	case c.Large && c.Data == nil && c.Patch == nil:
		r.seen["large"]++
		return large, nil
	case c.Patch != nil && c.Data == nil && c.Op == events.Modified && r.look().delta:
		r.seen["patch"]++
		return patched(was, c.Patch)
	case c.Patch == nil && c.Data != nil && !c.Large:
		return decoded(c.Data)
	}
	return nil, fmt.Errorf("is told %+v with data %s, patch %s", c, c.Data, c.Patch)
}

// patched applies a merge patch. An item that a snapshot no longer shows begins empty.
func patched(was any, patch json.RawMessage) (any, error) {
	if was == nil || was == large {
		was = object{}
	}
	before, err := json.Marshal(was)
	if err != nil {
		return nil, err
	}
	after, err := jsonpatch.MergePatch(before, patch)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, patch)
	}
	return decoded(after)
}

// decoded reads JSON and keeps its numbers digit for digit.
func decoded(data []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, fmt.Errorf("%w: %s", err, data)
	}
	return value, nil
}

// fits compares a change with the state before it. The change must be about an item that is there,
// or not yet; remove the item as it was last seen; and change something, unless the view is whole.
func (r *replica) fits(c events.Change, has bool, was, is any) bool {
	same := reflect.DeepEqual(was, is)
	switch {
	case has != (c.Op != events.Added), c.Expired:
		return false
	case c.Op == events.Removed:
		return same
	case c.Op == events.Modified:
		return !same || r.look().whole
	}
	return true
}

// TestReplicaKeepsOrder: changes that come early, again and in runs end in the same state as in order.
func TestReplicaKeepsOrder(t *testing.T) {
	const first, second, third = `{"seq":1,"op":"added","id":"i","data":{"n":1}}`, `{"seq":2,"op":"modified","id":"i","data":{"n":2}}`, `{"seq":3,"op":"removed","id":"i","data":{"n":2}}`
	for name, row := range map[string]struct {
		changes []string
		want    string // cursor, items, changes that wait
	}{
		"in order":               {[]string{first, second}, `e:2 {"i":{"n":2}} 0`},
		"to the end":             {[]string{first, second, third}, `e:3 {} 0`},
		"the last first":         {[]string{third, second, first}, `e:3 {} 0`},
		"one is missing":         {[]string{first, third}, `e:1 {"i":{"n":1}} 1`},
		"the first is missing":   {[]string{second, third}, `:0 {} 2`},
		"all again":              {[]string{first, second, first, second}, `e:2 {"i":{"n":2}} 0`},
		"early and again":        {[]string{second, second, first}, `e:2 {"i":{"n":2}} 0`},
		"skipped":                {[]string{first, `{"seq":2,"op":"skipped"}`}, `e:2 {"i":{"n":1}} 0`},
		"a run of skipped":       {[]string{first, `{"seq":2,"to":9,"op":"skipped"}`}, `e:9 {"i":{"n":1}} 0`},
		"runs that overlap":      {[]string{first, `{"seq":2,"to":5,"op":"skipped"}`, `{"seq":4,"to":7,"op":"skipped"}`}, `e:7 {"i":{"n":1}} 0`},
		"a run before its turn":  {[]string{`{"seq":2,"to":9,"op":"skipped"}`, first}, `e:9 {"i":{"n":1}} 0`},
		"a patch":                {[]string{first, `{"seq":2,"op":"modified","id":"i","patch":{"m":3}}`}, `e:2 {"i":{"m":3,"n":1}} 0`},
		"a patch of a large one": {[]string{`{"seq":1,"op":"added","id":"i","large":true}`, `{"seq":2,"op":"modified","id":"i","patch":{"m":3}}`}, `e:2 {"i":{"m":3}} 0`},
		"too large":              {[]string{first, `{"seq":2,"op":"modified","id":"i","large":true}`}, `e:2 {"i":"large"} 0`},
		"digits":                 {[]string{`{"seq":1,"op":"added","id":"i","data":{"n":12345678901234567890.50}}`}, `e:1 {"i":{"n":12345678901234567890.50}} 0`},
		"two items":              {[]string{first, `{"seq":2,"op":"added","id":"j","data":{}}`}, `e:2 {"i":{"n":1},"j":{}} 0`},
	} {
		r := newReplica(look{delta: true})
		if err := r.takeAll(row.changes...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := r.String(); got != row.want {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
	}
}

// TestReplicaFindsBrokenPromises: no other test would see that TestEveryViewIsExact has gone blind.
func TestReplicaFindsBrokenPromises(t *testing.T) {
	const added = `{"seq":1,"op":"added","id":"i","data":{"n":1}}`
	for name, row := range map[string]struct {
		second string
		want   string // what the error says
		but    look   // with this view it is no error
	}{
		"another change again":         {`{"seq":1,"op":"added","id":"i","data":{"n":2}}`, "and before", look{}},
		"skipped, which was told":      {`{"seq":1,"op":"skipped"}`, "and before", look{}},
		"skipped with an id":           {`{"seq":2,"op":"skipped","id":"i"}`, "what is skipped", look{}},
		"skipped with data":            {`{"seq":2,"op":"skipped","data":{}}`, "what is skipped", look{}},
		"another epoch":                {`{"epoch":"f","seq":2,"op":"modified","id":"i","data":{"n":2}}`, "another epoch", look{}},
		"added again":                  {`{"seq":2,"op":"added","id":"i","data":{"n":2}}`, "has map[n:1]", look{}},
		"modified without having been": {`{"seq":2,"op":"modified","id":"j","data":{"n":2}}`, "has <nil>", look{}},
		"removed without having been":  {`{"seq":2,"op":"removed","id":"j","data":{"n":2}}`, "has <nil>", look{}},
		"removed in another state":     {`{"seq":2,"op":"removed","id":"i","data":{"n":2}}`, "has map[n:1]", look{}},
		"expired, but not lapsed":      {`{"seq":2,"op":"removed","expired":true,"id":"i","data":{"n":1}}`, "has map[n:1]", look{}},
		"modified into the same":       {`{"seq":2,"op":"modified","id":"i","data":{"n":1}}`, "has map[n:1]", look{whole: true}},
		"a patch unasked":              {`{"seq":2,"op":"modified","id":"i","patch":{"n":2}}`, "patch {", look{delta: true}},
		"added by a patch":             {`{"seq":2,"op":"added","id":"j","patch":{"n":2}}`, "patch {", look{}},
		"data and a patch":             {`{"seq":2,"op":"modified","id":"i","data":{"n":2},"patch":{"n":2}}`, "patch {", look{}},
		"large, with data":             {`{"seq":2,"op":"modified","id":"i","large":true,"data":{"n":2}}`, "is told", look{}},
		"neither data nor a patch":     {`{"seq":2,"op":"modified","id":"i"}`, "is told", look{}},
	} {
		err := newReplica(look{}).takeAll(added, row.second)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: the error is %v, want %s", name, err, row.want)
		}
		if row.but == (look{}) {
			continue
		}
		if err := newReplica(row.but).takeAll(added, row.second); err != nil {
			t.Errorf("%s, with %+v: %v", name, row.but, err)
		}
	}
}

// TestReplicaGoesOnFromSnapshot: changes wait for it. Those up to ahead may be in it already, and
// so may any of an item that has lapsed.
func TestReplicaGoesOnFromSnapshot(t *testing.T) {
	changes := []string{`{"seq":1,"op":"added","id":"j","data":{}}`, `{"seq":4,"op":"added","id":"i","data":{"n":1}}`, `{"seq":5,"op":"modified","id":"i","data":{"n":2}}`}
	for name, row := range map[string]struct {
		ahead  int64
		lapsed bool
		fails  bool
	}{
		"exact":            {ahead: 3, fails: true},
		"one ahead":        {ahead: 4},
		"both ahead":       {ahead: 5},
		"lapsed":           {ahead: 3, lapsed: true},
		"lapsed and ahead": {ahead: 5, lapsed: true},
	} {
		r := newReplica(look{})
		r.held, r.lapsed = true, func(string) bool { return row.lapsed }
		if err := r.takeAll(changes...); err != nil || r.cursor.Seq != 0 {
			t.Errorf("%s: does not wait: %s, %v", name, r, err)
		}
		items := map[string]any{"i": map[string]any{"n": json.Number("1")}}
		err := r.begin(standing{cursor: events.Cursor{Epoch: "e", Seq: 3}, ahead: row.ahead, items: items})
		if (err != nil) != row.fails || !row.fails && r.String() != `e:5 {"i":{"n":2}} 0` {
			t.Errorf("%s: %s, %v", name, r, err)
		}
	}
}

// newReplica knows nothing yet.
func newReplica(by look) *replica {
	return &replica{standing: standing{items: map[string]any{}}, told: map[int64]string{}, seen: tally{},
		look: func() look { return by }, lapsed: func(string) bool { return false }}
}

// takeAll takes changes that are written as JSON, of the epoch e unless they have another.
func (r *replica) takeAll(changes ...string) error {
	for _, change := range changes {
		c := events.Change{Topic: "a", Epoch: "e"}
		if err := json.Unmarshal([]byte(change), &c); err != nil {
			return err
		}
		if err := r.take(c); err != nil {
			return err
		}
	}
	return nil
}

func (r *replica) String() string {
	items, _ := json.Marshal(r.items) // which came from JSON
	return fmt.Sprintf("%s %s %d", r.cursor, items, len(r.early))
}
