package stack_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/watch"
)

// orders is the topic of the story that a clerk and an auditor watch. The clerk's grant
// shows what is of the EU, without saying so and without cards. The auditor's shows what
// costs 100 and more, without names.
const (
	orders      = "shop/orders"
	clerkRule   = `{"topics":["shop/*"],"actions":["subscribe","read"],"filter":{"region":["eu"]},"mask":{"omit":["customer.card","region"]}}`
	auditorRule = `{"topics":["shop/*"],"actions":["subscribe","read"],"filter":{"total":[{"numeric":[">=",100]}]},"mask":{"replace":{"customer.name":"***"}}}`
)

// sight is what a watcher is told of a change, and what instead if it asked for delta.
type sight struct{ whole, delta string }

func (s sight) with(delta bool) string {
	if delta {
		return cmp.Or(s.delta, s.whole)
	}
	return s.whole
}

// story is what happens to orders. An order without data is deleted.
var story = []struct {
	id, data       string
	clerk, auditor sight
}{
	{"o1", `{"customer":{"card":"4111","name":"Ann"},"region":"eu","total":50}`,
		sight{whole: `{"seq":1,"op":"added","id":"o1","data":{"customer":{"name":"Ann"},"total":50}}`},
		sight{whole: `{"seq":1,"op":"skipped"}`}},
	{"o1", `{"customer":{"card":"4111","name":"Ann"},"region":"eu","total":150}`,
		sight{`{"seq":2,"op":"modified","id":"o1","data":{"customer":{"name":"Ann"},"total":150}}`,
			`{"seq":2,"op":"modified","id":"o1","patch":{"total":150}}`},
		sight{whole: `{"seq":2,"op":"added","id":"o1","data":{"customer":{"card":"4111","name":"***"},"region":"eu","total":150}}`}},
	{"o1", `{"customer":{"card":"4222","name":"Ann"},"region":"eu","total":150}`,
		sight{whole: `{"seq":3,"op":"skipped"}`},
		sight{`{"seq":3,"op":"modified","id":"o1","data":{"customer":{"card":"4222","name":"***"},"region":"eu","total":150}}`,
			`{"seq":3,"op":"modified","id":"o1","patch":{"customer":{"card":"4222"}}}`}},
	{"o1", `{"customer":{"card":"4222","name":"Bea"},"region":"eu","total":150}`,
		sight{`{"seq":4,"op":"modified","id":"o1","data":{"customer":{"name":"Bea"},"total":150}}`,
			`{"seq":4,"op":"modified","id":"o1","patch":{"customer":{"name":"Bea"}}}`},
		sight{whole: `{"seq":4,"op":"skipped"}`}},
	{"o1", `{"customer":{"card":"4333","name":"Cleo"},"region":"us","total":150}`,
		sight{whole: `{"seq":5,"op":"removed","id":"o1","data":{"customer":{"name":"Bea"},"total":150}}`},
		sight{`{"seq":5,"op":"modified","id":"o1","data":{"customer":{"card":"4333","name":"***"},"region":"us","total":150}}`,
			`{"seq":5,"op":"modified","id":"o1","patch":{"customer":{"card":"4333"},"region":"us"}}`}},
	{"o2", `{"customer":{"card":"5111","name":"Dan"},"region":"us","total":10}`,
		sight{whole: `{"seq":6,"op":"skipped"}`},
		sight{whole: `{"seq":6,"op":"skipped"}`}},
	{"o1", `{"customer":{"card":"4444","name":"Cleo"},"region":"us","total":20}`,
		sight{whole: `{"seq":7,"op":"skipped"}`},
		sight{whole: `{"seq":7,"op":"removed","id":"o1","data":{"customer":{"card":"4333","name":"***"},"region":"us","total":150}}`}},
	{"o1", ``,
		sight{whole: `{"seq":8,"op":"skipped"}`},
		sight{whole: `{"seq":8,"op":"skipped"}`}},
	{"o3", `{"customer":{"card":"6111","name":"Eve"},"region":"eu","total":500}`,
		sight{whole: `{"seq":9,"op":"added","id":"o3","data":{"customer":{"name":"Eve"},"total":500}}`},
		sight{whole: `{"seq":9,"op":"added","id":"o3","data":{"customer":{"card":"6111","name":"***"},"region":"eu","total":500}}`}},
	{"o4", `{"customer":{"card":"7111","name":"Flo"},"region":"eu","total":20}`,
		sight{whole: `{"seq":10,"op":"added","id":"o4","data":{"customer":{"name":"Flo"},"total":20}}`},
		sight{whole: `{"seq":10,"op":"skipped"}`}},
	{"o5", `{"customer":{"card":"8111","name":"Gus"},"region":"us","total":200}`,
		sight{whole: `{"seq":11,"op":"skipped"}`},
		sight{whole: `{"seq":11,"op":"added","id":"o5","data":{"customer":{"card":"8111","name":"***"},"region":"us","total":200}}`}},
}

// inARow is how the clerk is told together what was skipped one by one.
var inARow = strings.NewReplacer(`{"seq":6,"op":"skipped"},{"seq":7,"op":"skipped"},{"seq":8,"op":"skipped"}`, `{"seq":6,"to":8,"op":"skipped"}`)

// What the two see of the items in the end.
const (
	clerkItems = `{"id":"o3","data":{"customer":{"name":"Eve"},"total":500}},` +
		`{"id":"o4","data":{"customer":{"name":"Flo"},"total":20}}`
	auditorItems = `{"id":"o3","data":{"customer":{"card":"6111","name":"***"},"region":"eu","total":500}},` +
		`{"id":"o5","data":{"customer":{"card":"8111","name":"***"},"region":"us","total":200}}`
)

// What a frame of the story has in any case, and what differs from run to run.
var (
	ofOrders = regexp.MustCompile(`"topic":"shop/orders","epoch":"[a-z2-7]*",`)
	ofItem   = regexp.MustCompile(`("id":"[^"]*"),"time":"[^"]*"`)
	atEpoch  = regexp.MustCompile(`"[a-z2-7]{8}:([0-9]+)"`)
	inView   = regexp.MustCompile(`"view":"[0-9a-f]{8}"`)
)

// wants reads frames, which must be these but for topic, epoch and time.
func (c *client) wants(frames ...string) {
	c.t.Helper()
	for _, want := range frames {
		if frame := alike(string(c.read())); frame != want {
			c.t.Fatalf("got\n%s, want\n%s", frame, want)
		}
	}
}

// alike removes the parts of a frame that differ from run to run.
func alike(frame string) string {
	frame = inView.ReplaceAllString(ofOrders.ReplaceAllString(frame, ""), `"view":"V"`)
	return atEpoch.ReplaceAllString(ofItem.ReplaceAllString(frame, "$1"), `"E:$1"`)
}

// asks sends a request, and wants these frames.
func (c *client) asks(request string, frames ...string) {
	c.t.Helper()
	c.send(request)
	c.wants(frames...)
}

func changesFrame(changes ...string) string {
	return `{"type":"changes","changes":[` + strings.Join(changes, ",") + `]}`
}

func itemsFrame(items string) string {
	return `{"type":"snapshot","id":"q","seq":11,"items":[` + items + `],"more":false}`
}

// viewer is one of the two.
type viewer struct {
	*running
	token, items string
	told         []sight
}

func (s *running) viewer(t *testing.T, name, rule, items string) *viewer {
	return &viewer{running: s, token: s.token(t, name, `{"v":1,"allow":[`+rule+`]}`, nil), items: items}
}

func (v *viewer) connect(t *testing.T) *client { return v.connectWith(t, v.token) }

// missed is the frame with all changes after one of them.
func (v *viewer) missed(after int, delta bool) string {
	var changes []string
	for _, told := range v.told[after:] {
		changes = append(changes, told.with(delta))
	}
	return inARow.Replace(changesFrame(changes...))
}

// TestTwoViewsOfATopic: a clerk and an auditor see of the same orders what their grants
// show, and the same whichever way they come to it.
func TestTwoViewsOfATopic(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *stack.Options) {
		tokensOnly(o)
		o.Template = edited(t, func(resources object) { // a stream is held after its client has left
			properties(resources, "Http")["ReservedConcurrentExecutions"] = 100
			http := environment(resources, "Http")
			http["MAX_HOLDS"], http["MAX_SUBJECT_HOLDS"] = "80", "80"
		})
	})
	clerk, auditor := s.viewer(t, "clerk", clerkRule, clerkItems), s.viewer(t, "auditor", auditorRule, auditorItems)
	for _, step := range story {
		clerk.told, auditor.told = append(clerk.told, step.clerk), append(auditor.told, step.auditor)
	}
	web := s.tellStory(t, clerk, auditor)
	epoch := clerk.connect(t).subscribe(orders).Epoch
	for name, v := range map[string]*viewer{"clerk": clerk, "auditor": auditor} {
		t.Run(name+" resumes", func(t *testing.T) { v.resumes(t, epoch) })
		t.Run(name+" pings", func(t *testing.T) { v.pings(t, epoch) })
		t.Run(name+" asks for the items", v.asksForItems)
		t.Run(name+" asks for the items over HTTP", v.asksForItemsOverHTTP)
	}
	for _, w := range web {
		t.Run("resumes over HTTP", func(t *testing.T) { w.resumes(t, epoch) })
	}
	t.Run("clerk comes with what the auditor was told", func(t *testing.T) { clerk.comesWithWhatIsOf(t, auditor, web[1:], epoch) })
	t.Run("auditor comes with what the clerk was told", func(t *testing.T) { auditor.comesWithWhatIsOf(t, clerk, web, epoch) })
	t.Run("clerk asks about cards and regions", func(t *testing.T) {
		clerk.filters(t, `{"region":["eu"]}`, ``)
		clerk.filters(t, `{"customer":{"card":[{"exists":true}]}}`, ``)
		clerk.filters(t, `{"customer":{"card":["6111","7111"]}}`, ``)
		clerk.filters(t, `{"customer":{"card":[{"exists":false}]}}`, `{"id":"o3","data":{"total":500}},{"id":"o4","data":{"total":20}}`)
	})
	t.Run("auditor asks about names", func(t *testing.T) {
		auditor.filters(t, `{"customer":{"name":["Eve","Gus"]}}`, ``)
		auditor.filters(t, `{"customer":{"name":[{"anything-but":"***"}]}}`, ``)
		auditor.filters(t, `{"customer":{"name":["***"]}}`, `{"id":"o3","data":{"total":500}},{"id":"o5","data":{"total":200}}`)
	})
}

// tellStory lets everyone watch the story by topic, with delta, by pattern, and over HTTP. It gives
// the watchers over HTTP.
func (s *running) tellStory(t *testing.T, viewers ...*viewer) (web []*webWatcher) {
	t.Helper()
	live := map[*viewer]map[bool][]*client{} // by whether it asked for delta
	for _, v := range viewers {
		plain, delta, below := v.connect(t), v.connect(t), v.connect(t)
		plain.asks(`{"action":"subscribe","id":"q","topic":"shop/orders"}`, `{"type":"subscribed","id":"q","seq":0,"view":"V"}`)
		delta.asks(`{"action":"subscribe","id":"q","topic":"shop/orders","delta":true}`, `{"type":"subscribed","id":"q","seq":0,"view":"V"}`)
		below.asks(`{"action":"subscribe","id":"q","topic":"shop/*"}`, `{"type":"subscribed","id":"q","topic":"shop/*","epoch":"","seq":0,"view":"V"}`)
		live[v] = map[bool][]*client{false: {plain, below}, true: {delta}}
	}
	for _, delta := range []bool{false, true} {
		for _, v := range viewers {
			web = append(web, v.watchOverHTTP(t, delta))
		}
	}
	store := s.store()
	for n, step := range story {
		for _, w := range web {
			w.poll(t)
		}
		if step.data == "" {
			s.delete(t, orders, step.id)
		} else if err := store.Put(t.Context(), watch.Publication{Topic: orders, Item: events.Item{ID: step.id, Data: json.RawMessage(step.data)}}); err != nil {
			t.Fatal(err)
		}
		for v, clients := range live {
			for delta, clients := range clients {
				for _, c := range clients {
					c.wants(changesFrame(v.told[n].with(delta)))
				}
			}
		}
		for _, w := range web {
			w.isTold(t, changesFrame(w.told[n].with(w.delta)))
		}
	}
	return web
}

// resumes comes back with a cursor.
func (v *viewer) resumes(t *testing.T, epoch string) {
	for _, after := range []int{0, 2, 5} {
		for _, delta := range []bool{false, true} {
			v.connect(t).asks(fmt.Sprintf(`{"action":"subscribe","id":"q","topic":"shop/orders","after":"%s:%d","delta":%t}`, epoch, after, delta),
				`{"type":"subscribed","id":"q","seq":11,"recovered":true,"view":"V"}`, v.missed(after, delta))
		}
	}
}

// pings with a cursor, while it watches the topic or a pattern that its grant covers.
func (v *viewer) pings(t *testing.T, epoch string) {
	for topic, answer := range map[string]string{
		"shop/orders": `{"type":"subscribed","id":"q","seq":11,"view":"V"}`,
		"shop/*":      `{"type":"subscribed","id":"q","topic":"shop/*","epoch":"","seq":0,"view":"V","cursors":{"shop/orders":"E:11"}}`,
	} {
		c := v.connect(t)
		c.asks(`{"action":"subscribe","id":"q","topic":"shop/**"}`, `{"type":"error","id":"q","code":"forbidden","message":"the token does not allow this","topic":"shop/**"}`)
		c.asks(fmt.Sprintf(`{"action":"subscribe","id":"q","topic":%q,"delta":true}`, topic), answer)
		c.asks(fmt.Sprintf(`{"action":"ping","id":"p","cursors":{"shop/orders":"%s:2"}}`, epoch),
			v.missed(2, true), `{"type":"pong","id":"p","cursors":{"shop/orders":"E:11"}}`)
	}
}

// asksForItems with the subscription and without one.
func (v *viewer) asksForItems(t *testing.T) {
	c := v.connect(t)
	c.asks(`{"action":"subscribe","id":"q","topic":"shop/orders","snapshot":true}`, `{"type":"subscribed","id":"q","seq":11,"view":"V"}`, itemsFrame(v.items))
	c.asks(`{"action":"snapshot","id":"q","topic":"shop/orders"}`, itemsFrame(v.items))
}

// filters asks for total alone, of what its own filter lets through.
func (v *viewer) filters(t *testing.T, filter, items string) {
	t.Helper()
	c := v.connect(t)
	own := `"filter":` + filter + `,"fields":["total"]`
	v.filtersOverHTTP(t, filter, items)
	c.asks(`{"action":"snapshot","id":"q","topic":"shop/orders",`+own+`}`, itemsFrame(items))
	c.asks(`{"action":"subscribe","id":"q","topic":"shop/orders","snapshot":true,`+own+`}`, `{"type":"subscribed","id":"q","seq":11,"view":"V"}`, itemsFrame(items))
	if items == "" { // nor do changes say anything
		c.asks(`{"action":"subscribe","id":"q","topic":"shop/orders","after":":0",`+own+`}`,
			`{"type":"subscribed","id":"q","seq":11,"recovered":true,"view":"V"}`, changesFrame(`{"seq":1,"to":11,"op":"skipped"}`))
	}
}
