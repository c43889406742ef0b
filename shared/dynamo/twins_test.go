package dynamo_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/pattern"
	"pgregory.net/rapid"
)

// twins are a thing of which each of two worlds has its own.
type twins[T any] [2]T

// alike are twins that are the same.
func alike[T any](of T) twins[T] { return twins[T]{of, of} }

type attributes = map[string]types.AttributeValue

// class is what grants' filters look at.
type class int

const (
	open   class = iota // every filter lets it through
	half                // only those do that let more through
	closed              // none does
)

// rule is what a token lets through of items, and what it masks.
type rule struct {
	filter string
	shows  class // the last one that the filter lets through
	mask   string
}

// Filters and masks of grants. Some filters look at what the masks omit.
var (
	ruleFilters = []rule{
		{filter: ``, shows: closed},
		{filter: `{"class":["open"]}`, shows: open},
		{filter: `{"class":["open"]}`, shows: open},
		{filter: `{"class":[{"prefix":"open"},"half"]}`, shows: half},
		{filter: `{"level":[{"numeric":["<",5]}]}`, shows: open},
		{filter: `{"$or":[{"class":["open"],"secret":[{"exists":false}]},{"class":["open"]},{"o":{"kind":[{"prefix":"never"}]}}]}`, shows: open},
		{filter: weighty(`{"class":["open"]}`, 40), shows: open},
		{filter: weighty(`{"class":["open"]}`, 400), shows: open},
	}
	ruleMasks = []string{
		``,
		`{"omit":["secret","level","card","o.cost","o.key","rows.pin"]}`,
		`{"omit":["secret","level"],"replace":{"card":"****","o.cost":null,"o.key":0,"rows.pin":"` + strings.Repeat("*", 42) + `"}}`,
	}
)

// weighty is a filter that holds where another does. It has some hundreds of conditions, or
// as many as a client may have.
func weighty(filter string, conditions int) string {
	list := strings.Repeat(`{"equals-ignore-case":"never"},`, conditions/4)
	return `{"$or":[{"list":[` + strings.TrimSuffix(list, ",") + `]},` + filter + `]}`
}

// costlyList is how many elements are too many for a client's weighty filter.
const costlyList = 1 + grant.MaxStepsPerChange/56

// weight is how many conditions the rule's filter has.
func (r rule) weight() int {
	p, err := pattern.Parse(r.filter)
	if err != nil {
		return 1
	}
	return p.Weight()
}

func (r rule) String() string {
	text := `"actions":["subscribe","read","publish"]`
	if r.filter != "" {
		text += `,"filter":` + r.filter
	}
	if r.mask != "" {
		text += `,"mask":` + r.mask
	}
	return text
}

// item is what both worlds know of an item: what is shown of it.
type item struct {
	class class
	seen  attributes // without what masks may hide
	has   []string   // members that masks may hide, which are there
}

// sizes are how large things are in a scene: most are small.
type sizes struct {
	lists []int // elements of an item's list, which a client's weighty filter looks at
	notes []int // how often an item's note says the same
	least []int // bytes of JSON that a state has at least
	batch int   // writes at once
	much  bool  // a topic may change a lot at once
}

var small = sizes{lists: []int{0, 0, 3}, notes: []int{1, 200}, least: []int{0}, batch: 6}

// drawSizes draws them, given the data for which a grant's filter is too costly.
func drawSizes(t *rapid.T, costly []int) sizes {
	s := small
	switch kind := rapid.IntRange(0, 99).Draw(t, "sizes"); {
	case kind >= 90: // too much for a client's filter
		s.lists = []int{3, 3, costlyList * 9 / 10, costlyList}
		s.batch = 10
	case kind >= 75: // too much for a grant's filter
		s.least = append(costly, 0, 4_000)
	case kind >= 70: // too much for a frame, or for one with others
		s.notes = []int{1, 5_000}
		s.least = []int{0, 0, 10_000, events.MaxDataBytes, events.MaxDataBytes + 1}
	case kind == 69:
		s.much = true
	}
	return s
}

// costly tells whether there are lists that are too costly for a client's weighty filter.
func (s sizes) costly() bool { return slices.Contains(s.lists, costlyList) }

// drawItem draws what is shown of an item.
func drawItem(t *rapid.T, c class, size sizes) item {
	seen := attributes{"n": drawNumber(t)}
	if note := rapid.SampledFrom([]string{"", "", "x1", "x1", "é", "é", "long"}).Draw(t, "note"); note != "" {
		seen["note"] = str(strings.Repeat(note, rapid.SampledFrom(size.notes).Draw(t, "times")))
	}
	if elements := rapid.SampledFrom(size.lists).Draw(t, "list"); elements > 0 {
		seen["list"] = texts(slices.Repeat([]string{"ab"}, elements)...)
	}
	if ends := drawEnd(t); ends != "" && rapid.IntRange(0, 9).Draw(t, "ends") >= 6 {
		seen["expiresAt"] = number(ends)
	}
	has := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"card", "cost", "key", "rows", "pins"}), 0, 5, rapid.ID).Draw(t, "masked members")
	return item{class: c, seen: seen, has: has}
}

// edited is the item with another number, or only renewed or ended.
func (i item) edited(t *rapid.T) item {
	i.seen = maps.Clone(i.seen)
	if _, expires := i.seen["expiresAt"]; expires && rapid.Bool().Draw(t, "only the end") {
		delete(i.seen, "expiresAt")
		if ends := drawEnd(t); ends != "" {
			i.seen["expiresAt"] = number(ends)
		}
		return i
	}
	i.seen["n"] = drawNumber(t)
	return i
}

func drawNumber(t *rapid.T) types.AttributeValue {
	return number(rapid.SampledFrom([]string{"1", "2", "3", "2.5"}).Draw(t, "n"))
}

// began is the time in the worlds, for readers. Writes come a second after each other.
var began = time.Now().Truncate(time.Second)

// drawEnd draws when an item expires: never, some time ago, a few writes from now, in a long
// time, or at a time that counts for nothing. All texts take as many bytes in DynamoDB.
func drawEnd(t *rapid.T) string {
	in := func(seconds int64) string { return fmt.Sprint(began.Unix() + seconds) }
	return rapid.SampledFrom([]string{"", "1000000001", in(-86_400), in(-1), in(2), in(5), in(12), "4000000001"}).Draw(t, "expiresAt")
}

// serial is a member that sets a state apart from all others of its item.
const serial = "serial"

// draw draws a state in which tokens see the item, the n-th of all. masked says that they do
// not see all of it.
func (i item) draw(t *rapid.T, masked bool, n int) twins[padded] {
	seed := rapid.Uint64Range(0, 1_000).Draw(t, "seed of what is masked")
	bytes := drawBytes(t)
	var drawn twins[padded]
	for w := range drawn {
		r := rand.New(rand.NewPCG(seed, 0))
		if masked {
			r = rand.New(rand.NewPCG(seed, uint64(w)))
		}
		state, secret := i.state(r, bytes)
		secret[serial] = str(fmt.Sprintf("%04d", n))
		drawn[w] = padded{state, secret, wildLetter(r)}
	}
	return drawn
}

// state makes all members of a state that is shown.
func (i item) state(r *rand.Rand, bytes int) (state, secret attributes) {
	state, secret = maps.Clone(i.seen), wild(r, bytes)
	state["class"] = str([]string{"open", "half", "shut"}[i.class])
	state["level"] = number(fmt.Sprint(5 + r.IntN(5)))
	if i.class == open {
		state["level"] = number(fmt.Sprint(1 + r.IntN(4)))
	}
	state["secret"] = &types.AttributeValueMemberM{Value: secret}
	o := attributes{"kind": str("x")}
	for _, name := range i.has {
		value := wildValue(r, 1+r.IntN(20), 2)
		switch name {
		case "card":
			state[name] = value
		case "rows", "pins":
			rows := &types.AttributeValueMemberL{}
			for n := range 3 {
				row := attributes{"v": number(fmt.Sprint(n + 1))}
				if name == "pins" {
					row["pin"] = wildValue(r, 1+r.IntN(20), 1)
				}
				rows.Value = append(rows.Value, &types.AttributeValueMemberM{Value: row})
			}
			state["rows"] = rows
		default:
			o[name] = value
		}
	}
	state["o"] = &types.AttributeValueMemberM{Value: o}
	return state, secret
}

// drawHidden draws a state that no token sees, the n-th of all. It has any shape.
func drawHidden(t *rapid.T, n int) twins[padded] {
	var drawn twins[padded]
	for w := range drawn {
		r := rand.New(rand.NewPCG(rapid.Uint64Range(0, 1_000).Draw(t, "seed of what is hidden"), uint64(w)))
		state := wild(r, drawBytes(t))
		put := func(name string, values ...types.AttributeValue) {
			if n := rapid.IntRange(0, len(values)).Draw(t, name); n > 0 {
				state[name] = values[n-1]
			}
		}
		put("class", str("shut"), str("OPEN"), str(""), number("7"), texts("shut", "gone"), &types.AttributeValueMemberNULL{Value: true}, &types.AttributeValueMemberM{Value: wild(r, 10)})
		put("level", number("5"), number("77"), str("1"), texts("1", "2"))
		put("list", texts(slices.Repeat([]string{"neve"}, 500)...), texts(slices.Repeat([]string{"n"}, 900)...), str("neve"), texts())
		put("o", attributesOf("kind", str("nev")), str("o"), attributesOf("kind", wildValue(r, 30, 3)))
		if ends := drawEnd(t); ends != "" {
			state["expiresAt"] = number(ends)
		}
		state[serial] = str(fmt.Sprintf("%04d", n))
		drawn[w] = padded{state, state, wildLetter(r)}
	}
	return drawn
}

// drawBytes draws about how many bytes hidden members take.
func drawBytes(t *rapid.T) int {
	return rapid.SampledFrom([]int{10, 10, 40, 40, 200, 200, 900, 4_100}).Draw(t, "bytes")
}
