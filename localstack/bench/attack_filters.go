package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"golang.org/x/sync/errgroup"
)

// viewers are connections that each see something else of their topic. A subject may have
// 100 connections.
const viewers = 80

// form is a kind of filter of so many conditions, which is another one for each viewer. In a
// list l of zeros all conditions are looked for in vain, so that all of it is searched.
type form struct {
	name string
	most int // conditions, with which the filter is just below the 1,024 bytes that are allowed
	make func(viewer, conditions int) string
}

// forms are two kinds: one whose conditions the service could look up together, and one
// whose conditions it has to try one by one.
func forms() []form {
	return []form{{"alternatives", 78, alternatives}, {"comparisons", 44, comparisons}}
}

// alternatives makes {"$or":[{"l":[1001]},{"l":[1002]},…]}.
func alternatives(viewer, conditions int) string {
	var or []string
	for i := range conditions {
		or = append(or, fmt.Sprintf(`{"l":[%d]}`, 1001+viewer*conditions+i))
	}
	return `{"$or":[` + strings.Join(or, ",") + `]}`
}

// comparisons makes {"l":[{"numeric":["=",1001]},{"numeric":["=",1002]},…]}. JSON would
// escape "<", which takes more bytes.
func comparisons(viewer, conditions int) string {
	var list []string
	for i := range conditions {
		list = append(list, fmt.Sprintf(`{"numeric":["=",%d]}`, 1001+viewer*conditions+i))
	}
	return `{"l":[` + strings.Join(list, ",") + `]}`
}

// filter is that of a viewer: by turns of one form and of the other.
func (m *attacker) filter(viewer int) json.RawMessage {
	form := viewer % len(m.accepted)
	return json.RawMessage(forms()[form].make(viewer, m.accepted[form]))
}

// matchingFilter finds a 1 in the list, after all else was looked for.
func (m *attacker) matchingFilter(viewer int) json.RawMessage {
	head := strings.TrimSuffix(comparisons(viewer, m.accepted[1]-1), `]}`)
	return json.RawMessage(head + `,{"numeric":["=",1]}]}`)
}

// zeros is a list for filters to search.
func zeros(n int) *types.AttributeValueMemberL {
	list := make([]types.AttributeValue, n)
	for i := range list {
		list[i] = number(0)
	}
	return &types.AttributeValueMemberL{Value: list}
}

// findHeaviest finds out how many conditions the service accepts in each form of a filter.
func (m *attacker) findHeaviest(ctx context.Context) error {
	for _, form := range forms() {
		n, err := m.heaviest(ctx, form)
		if err != nil {
			return err
		}
		m.accepted = append(m.accepted, n)
		m.outcome.Notes = append(m.outcome.Notes, fmt.Sprintf("filters of %d bytes with %d %s", len(form.make(0, n)), n, form.name))
	}
	return nil
}

func (m *attacker) heaviest(ctx context.Context, form form) (conditions int, err error) {
	for n := form.most; n >= 2; n -= 4 {
		answer, err := m.sockets[0].call(ctx, events.Request{
			Action: events.ActionSubscribe, Topic: malloryTopics + "first", Filter: json.RawMessage(form.make(0, n)),
		})
		switch {
		case err != nil:
			return 0, err
		case answer == "subscribed":
			return n, nil
		case answer != string(events.CodeBadRequest):
			return 0, fmt.Errorf("subscribe with %d %s: answered %s", n, form.name, answer)
		}
	}
	return 0, fmt.Errorf("no filter of %s is accepted", form.name)
}

// connectViewers opens connections and subscribes each with a request of its own.
func (m *attacker) connectViewers(ctx context.Context, request func(viewer int) events.Request) error {
	if err := m.connect(ctx, viewers, 1); err != nil {
		return err
	}
	if err := m.findHeaviest(ctx); err != nil {
		return err
	}
	return m.subscribe(ctx, request)
}

// Attack “filters”: each viewer has its own topic, and one item comes to each. A half is
// published over WebSockets, and a half put straight into the table.

const listNumbers = 60_000

func filterTopic(viewer int) string { return fmt.Sprintf("%sfilters/%d", malloryTopics, viewer) }

func prepareFilters(ctx context.Context, m *attacker) error {
	return m.connectViewers(ctx, func(viewer int) events.Request {
		return events.Request{Topic: filterTopic(viewer), Filter: m.filter(viewer)}
	})
}

func attackFilters(ctx context.Context, m *attacker) error {
	const each = 2 * attackTime / viewers
	var tasks errgroup.Group
	tasks.Go(func() error {
		data := json.RawMessage(`{"l":[0` + strings.Repeat(",0", listNumbers-1) + `]}`)
		return m.askInTurn(ctx, each, m.sockets[:viewers/2], func(viewer int) events.Request {
			return events.Request{Action: events.ActionPublish, Topic: filterTopic(viewer), Item: &events.Item{Data: data}}
		})
	})
	tasks.Go(func() error {
		list := zeros(listNumbers)
		return m.putEach(ctx, each, func(n int) item {
			return item{filterTopic(viewers/2 + n%(viewers/2)), fmt.Sprint(n), attributes{"l": list}}
		})
	})
	return tasks.Wait()
}

// Attack “views”: all viewers see nearly all of large items, each in another way, and want
// to be told the little in which each version differs from the last.

const (
	viewTopics  = 4
	viewNumbers = 2_000 // in the list that is searched
	viewMembers = 1_300 // of 70 bytes each
)

func viewTopic(n int) string { return fmt.Sprintf("%sviews/%d", malloryTopics, n%viewTopics) }

func prepareViews(ctx context.Context, m *attacker) error {
	return m.connectViewers(ctx, func(viewer int) events.Request {
		fields := []string{"l", "members", "version"}
		for len(fields) < 32 {
			fields = append(fields, fmt.Sprintf("none%d-%d", viewer, len(fields)))
		}
		return events.Request{Topic: viewTopic(viewer), Filter: m.matchingFilter(viewer), Fields: fields, Delta: true}
	})
}

func attackViews(ctx context.Context, m *attacker) error {
	list := zeros(viewNumbers)
	list.Value[viewNumbers-1] = number(1)
	members := attributes{}
	for i := range viewMembers {
		members[fmt.Sprintf("m%04d", i)] = text(strings.Repeat("x", 60))
	}
	return m.putEach(ctx, 100*time.Millisecond, func(n int) item {
		return item{viewTopic(n), "1", attributes{"l": list, "members": &types.AttributeValueMemberM{Value: members}, "version": number(n)}}
	})
}

// Attack “snapshots”: a topic's items are read again and again, by filters that show none.

const (
	snapshotTopic   = malloryTopics + "items"
	snapshotItems   = 2_000 // which is what one answer reads
	snapshotNumbers = 200   // in the list of each
	readers         = 20
)

func prepareSnapshots(ctx context.Context, m *attacker) error {
	if err := m.connect(ctx, readers, 1); err != nil {
		return err
	}
	if err := m.findHeaviest(ctx); err != nil {
		return err
	}
	list := zeros(snapshotNumbers)
	return m.fill(ctx, []string{snapshotTopic}, snapshotItems, func(n int) (string, attributes) {
		return fmt.Sprint(n), attributes{"l": list}
	})
}

func attackSnapshots(ctx context.Context, m *attacker) error {
	return m.ask(ctx, time.Second, func(reader int) events.Request {
		return events.Request{Action: events.ActionSnapshot, Topic: snapshotTopic, Filter: m.filter(reader)}
	})
}
