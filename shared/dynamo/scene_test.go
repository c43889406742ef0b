package dynamo_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// scene is what both worlds go through in one check.
type scene struct {
	*rapid.T
	worlds twins[*world]
	prefix string // of all topics
	wide   bool   // tokens are for topics of any depth
	rules  []rule // of the tokens
	size   sizes
	topics []topic
	stream string
	states int // drawn so far
	swaps  int
	seen   tally
}

// topic is one in which items change.
type topic struct {
	name  twins[events.Topic]
	slots []*slot
}

// slot is a row of the table.
type slot struct {
	id    twins[string]
	there bool
	dark  bool  // nobody with the tokens sees it
	bad   bool  // its id breaks the rules
	shown *item // what is shown of it; nil for nothing
}

func newScene(t *rapid.T, worlds twins[*world], prefix string, seen tally) *scene {
	s := &scene{T: t, worlds: worlds, prefix: prefix, wide: rapid.Bool().Draw(t, "wide"), stream: "stream/2026-11-24", seen: seen}
	var tokens []grant.Grant
	var costly []int
	for range 2 {
		r := rapid.SampledFrom(ruleFilters).Draw(t, "filter")
		r.mask = rapid.SampledFrom(ruleMasks).Draw(t, "mask")
		s.rules = append(s.rules, r)
		tokens = append(tokens, s.grant(r))
		if most := grant.FullMustWeight * events.MaxDataBytes / r.weight(); most < events.MaxDataBytes {
			costly = append(costly, most, most+1, most+1_000)
		}
	}
	s.size = drawSizes(t, costly)
	limits := watch.Limits{SnapshotItems: rapid.SampledFrom([]int{0, 1, 2, 3, 5}).Draw(t, "items of a page")}
	published := rapid.Bool().Draw(t, "published")
	for _, w := range worlds {
		w.publish = published
		w.begin(t, prefix, tokens, limits)
		w.bystand("other of "+prefix, events.Topic(prefix+"/**"), []byte(`{"list":[{"prefix":"z"}]}`))
	}
	deep := alike("/mixed/deeper")
	for w := range deep {
		if !s.wide { // then it is hidden
			deep[w] = fmt.Sprintf("/mixed/hidden%03d", rapid.IntRange(0, 999).Draw(t, "deep topic"))
		}
	}
	s.topics = []topic{s.topic(alike("/mixed"), false), s.topic(alike("/more"), false), s.topic(alike("/dark"), true), s.topic(deep, !s.wide)}
	return s
}

// grant is a token's.
func (s *scene) grant(r rule) grant.Grant {
	topics := s.prefix + "/*"
	if s.wide {
		topics = s.prefix + "/**"
	}
	g, err := grant.Parse([]byte(`{"v":1,"allow":[{"topics":["`+topics+`"],`+r.String()+`}]}`), "s")
	if err != nil {
		s.Fatal(err)
	}
	return g
}

// shows tells whether a token shows items of a class.
func (s *scene) shows(c class) bool {
	return slices.ContainsFunc(s.rules, func(r rule) bool { return c <= r.shows })
}

// masked tells whether all tokens mask what masks may hide.
func (s *scene) masked() bool {
	return !slices.ContainsFunc(s.rules, func(r rule) bool { return r.mask == "" })
}

// topic draws the ids of rows. Those that are not shown are other ones in each world, at the
// same place in the order of all.
func (s *scene) topic(name twins[string], dark bool) topic {
	var t topic
	for w := range name {
		t.name[w] = events.Topic(s.prefix + name[w])
	}
	for _, place := range []string{"a1", "b1", "c1", "d1"} {
		slot := &slot{dark: !s.shows(closed) && (dark || place == "a1" || place == "c1"), id: alike(place)}
		if slot.dark {
			bytes := rapid.SampledFrom([]int{1, 9, 200}).Draw(s.T, "bytes of an id")
			for w := range slot.id {
				slot.id[w] += wildText(rand.New(rand.NewPCG(rapid.Uint64Range(0, 1_000).Draw(s.T, "hidden id"), uint64(w))), bytes)
			}
		}
		t.slots = append(t.slots, slot)
	}
	bad := &slot{dark: true, bad: true}
	for w := range bad.id {
		bad.id[w] = "b0" + []string{"\x01", "\x7f" + strings.Repeat("x", 20), strings.Repeat("é", 200)}[rapid.IntRange(0, 2).Draw(s.T, "bad id")]
	}
	t.slots = append(t.slots, bad)
	return t
}

// act changes items.
func (s *scene) act() {
	hides := !s.shows(closed)
	switch {
	case hides && s.size.much:
		s.size.much = false // once
		s.flood()
	case hides && s.masked() && rapid.IntRange(0, 4).Draw(s.T, "swap") == 4:
		s.swap()
	default:
		for range rapid.IntRange(1, s.size.batch).Draw(s.T, "writes") {
			t := s.topics[rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2, 3}).Draw(s.T, "topic")]
			s.change(t, t.slots[rapid.SampledFrom([]int{0, 1, 1, 1, 2, 3, 4}).Draw(s.T, "row")])
		}
		s.deliver()
	}
}

// change puts an item, or removes it.
func (s *scene) change(t topic, at *slot) {
	if at.there && rapid.IntRange(0, 3).Draw(s.T, "remove") == 3 {
		expired := rapid.Bool().Draw(s.T, "expired")
		for w, world := range s.worlds {
			world.remove(t.name[w], at.id[w], expired)
		}
		at.there, at.shown = false, nil
		return
	}
	states := s.draw(at)
	for w, world := range s.worlds {
		if at.bad { // rows with longer ids have less data
			states[w]["more"] = str(strings.Repeat("x", len(at.id[1-w])))
		}
		world.put(t.name[w], at.id[w], states[w])
	}
	at.there = true
}

// draw draws a row's next state. Of one that is shown perhaps only what is masked changes.
func (s *scene) draw(at *slot) twins[attributes] {
	next := item{class: closed}
	if !at.dark {
		next.class = rapid.SampledFrom([]class{open, open, open, half, closed}).Draw(s.T, "class")
	}
	how := rapid.SampledFrom([]string{"anew", "edited", "edited", "only masked"}).Draw(s.T, "how")
	switch {
	case at.dark || !s.shows(next.class):
		at.shown = nil
		return s.evened(s.hidden())
	case at.shown == nil || how == "anew":
		next = drawItem(s.T, next.class, s.size)
	case how == "edited":
		next = at.shown.edited(s.T)
	default:
		next = *at.shown
	}
	at.shown = &next
	return s.evened(s.visible(next))
}

func (s *scene) visible(i item) twins[padded] {
	s.states++
	return i.draw(s.T, s.masked(), s.states)
}

func (s *scene) hidden() twins[padded] {
	s.states++
	return drawHidden(s.T, s.states)
}

// evened makes twins equally large.
func (s *scene) evened(drawn twins[padded]) twins[attributes] {
	even(rapid.SampledFrom(s.size.least).Draw(s.T, "bytes of JSON"), drawn[0], drawn[1])
	return twins[attributes]{drawn[0].state, drawn[1].state}
}

// swap changes an item that is shown in the one world, but for nothing that is, and a hidden
// one in the other.
func (s *scene) swap() {
	s.swaps++
	t, size := s.topics[0], s.size
	if size.costly() {
		size.lists = []int{costlyList}
	}
	shown := drawItem(s.T, open, size)
	rows := [4]twins[padded]{s.visible(shown), s.hidden(), s.visible(shown), s.hidden()} // before and after
	even(rapid.SampledFrom(s.size.least).Draw(s.T, "bytes of JSON"), slices.Concat(rows[0][:], rows[1][:], rows[2][:], rows[3][:])...)
	put := func(w, row int) {
		id := fmt.Sprintf("s%d-00", s.swaps)
		if row%2 == 1 {
			id = fmt.Sprintf("s%d-%d1", s.swaps, 1+w)
		}
		s.worlds[w].put(t.name[w], id, rows[row][w].state)
	}
	for w := range s.worlds {
		put(w, 0)
		put(w, 1)
	}
	s.deliver()
	for w := range s.worlds {
		put(w, 2+w)
	}
	s.deliver()
}

// flood changes a hidden item so often that a page of the log ends, or all that an answer may
// read of it, and has the client ask for what it missed.
func (s *scene) flood() {
	t := s.topics[0]
	large := *s
	large.size.least = []int{events.MaxDataBytes, events.MaxDataBytes - 20_000}
	letters := rapid.Permutation([]string{"x", "é", "😀"}).Draw(s.T, "letters")
	for range rapid.SampledFrom([]int{9, 40, 45}).Draw(s.T, "large writes") {
		drawn := s.hidden()
		for w := range drawn {
			drawn[w].letter = letters[w]
		}
		for w, state := range large.evened(drawn) {
			s.worlds[w].put(t.name[w], t.slots[0].id[w], state)
		}
	}
	t.slots[0].there = true
	s.deliver()
	s.ask(events.Request{Action: events.ActionSubscribe, Topic: string(t.name[0])}, map[string]position{"": {}})
}

// deliver has what was written delivered, perhaps in the ways in which Lambda does at times.
func (s *scene) deliver() {
	if rapid.IntRange(0, 19).Draw(s.T, "another stream") == 19 {
		s.stream += "+"
	}
	var writes twins[[]watch.Write]
	var sizes twins[[]int64]
	for w, world := range s.worlds {
		writes[w], sizes[w] = world.writes()
	}
	if !slices.Equal(sizes[0], sizes[1]) {
		s.Fatalf("the worlds are no twins: rows have %d and %d bytes", sizes[0], sizes[1])
	}
	how := rapid.SampledFrom([]string{"at once", "at once", "in halves", "twice"}).Draw(s.T, "delivered")
	half := len(writes[0]) / 2
	for w, world := range s.worlds {
		for _, batch := range map[string][][]watch.Write{
			"at once": {writes[w]}, "in halves": {writes[w][:half], writes[w][half:]}, "twice": {writes[w], writes[w]},
		}[how] {
			world.deliver(watch.Stream(s.stream), batch)
		}
	}
	s.same("delivered " + how)
}
