package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// mostTopics is how many topics are told at once, unless fewer are asked for.
const mostTopics = 5000

// topic is what is told of a topic.
type topic struct {
	Name     events.Topic `json:"topic"`
	Epoch    string       `json:"epoch"` // empty if nothing is numbered yet
	Seq      int64        `json:"seq"`
	Items    int          `json:"items"`
	Watchers int          `json:"watchers"`          // that watch it by its name
	Refused  string       `json:"refused,omitempty"` // why it is no topic, so that its items are not told to anyone
}

// topics lists the topics that have items or changes, by name. If there are too many, some are left out.
func (o Options) topics(r *http.Request) (any, error) {
	most, err := number(r, "most", mostTopics, 1, mostTopics)
	if err != nil {
		return nil, err
	}
	text := strings.ToLower(r.URL.Query().Get("match"))
	match := func(key string) bool {
		return !strings.HasSuffix(key, "*") && strings.Contains(strings.ToLower(key), text)
	}
	tables := o.Tables()
	names, more := o.DB().Keys(tables.Changes, match, int(most))
	other, moreOf := o.DB().Keys(tables.Events, match, int(most))
	found := map[events.Topic]*topic{}
	for _, name := range append(names, other...) {
		if len(found) < int(most) || found[events.Topic(name)] != nil {
			found[events.Topic(name)] = newTopic(name)
		} else {
			more = true
		}
	}
	if err := o.heads(r, found); err != nil {
		return nil, err
	}
	o.countOf(found)
	list := make([]*topic, 0, len(found))
	for _, t := range found {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *topic) int { return cmp.Compare(a.Name, b.Name) })
	return map[string]any{"at": time.Now().UnixMilli(), "topics": list, "more": more || moreOf}, nil
}

// newTopic is a topic of which nothing is known yet. The table Events may have items of any name.
func newTopic(name string) *topic {
	t := &topic{Name: events.Topic(name)}
	if _, err := events.ParseTopic(name); err != nil {
		t.Refused = err.Error()
	}
	return t
}

// heads reads how far topics are.
func (o Options) heads(r *http.Request, found map[events.Topic]*topic) error {
	var names []events.Topic
	for name := range found {
		names = append(names, name)
	}
	heads, err := o.store().Heads(r.Context(), names)
	for name, head := range heads {
		found[name].Epoch, found[name].Seq = head.Epoch, head.Seq
	}
	return err
}

// countOf counts the items and the watchers of topics.
func (o Options) countOf(found map[events.Topic]*topic) {
	o.DB().Walk(o.Tables().Events, func(partition, _ string) {
		if t := found[events.Topic(partition)]; t != nil {
			t.Items++
		}
	})
	o.DB().Walk(o.Tables().Subscriptions, func(partition, sort string) {
		name, _, _ := strings.Cut(partition, "#")
		_, delivered := watch.ConnectionID(sort).Destination()
		if t := found[events.Topic(name)]; t != nil && !strings.HasPrefix(sort, "*") && !delivered {
			t.Watchers++
		}
	})
}

// number reads a number of the query.
func number(r *http.Request, name string, otherwise, least, most int64) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, refuse(http.StatusBadRequest, "%s is %.40q, not a number from %d to %d", name, text, least, most)
	}
	return n, nil
}
