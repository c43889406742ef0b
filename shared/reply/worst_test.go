package reply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// worst is the worst that can be stored, and a connection that watches as much of it as one
// can, by a token that says as much as one can.
type worst struct {
	*desk
	heavy  watch.Connection
	topics []events.Topic // that heavy watches, the next five among them

	large   events.Topic // whose items are as many bytes as one read gives
	escaped events.Topic // whose items are longer as JSON
	before  events.Topic // whose log has large states before, and whose items are as in large
	masked  events.Topic // whose log a mask makes longer
	pattern events.Topic // of 500 topics among 2,000
	wide    events.Topic // of topics with items as in escaped and large

	connection    row   // of heavy
	subscriptions []row // of heavy

	token   func(c watch.Connection, id, claim string) string // makes one, once auths are tried
	spent   map[string]cost                                   // by action, the most of each kind
	foreign cost                                              // of others since a request began
}

// newWorst stores it.
func newWorst(t *testing.T) *worst {
	t.Helper()
	w := &worst{
		desk: newDesk(t), spent: map[string]cost{},
		large: named("a/large"), escaped: named("a/escaped"), before: named("a/before"), masked: named("a/masked"),
		pattern: events.Topic(strings.Repeat("p", 242) + "/*"), wide: "w/*",
	}
	w.topics = []events.Topic{w.large, w.escaped, w.before, w.masked, w.pattern, w.wide}
	for n := range events.MaxSubscriptions - len(w.topics) {
		w.topics = append(w.topics, named(fmt.Sprintf("%c/%d", "ab"[n%2], n)))
	}
	w.join()
	w.putLarge(w.large)
	w.putLarge(w.before)
	w.putEscaped(w.escaped)
	w.putWide()
	w.log(w.before, times(130, watch.Entry{
		Change: events.Change{Op: events.Modified, ID: "i", Data: []byte(`{}`)},
		Before: []byte(`{"x":"` + strings.Repeat("x", events.MaxDataBytes-len(`{"x":""}`)) + `"}`),
	})...)
	w.log(w.masked, times(2_000, watch.Entry{
		Change: events.Change{Op: events.Added, ID: strings.Repeat(`"`, events.MaxItemIDBytes), Data: []byte(`{"l":[` + strings.Repeat(`{"a":1},`, 40) + `0]}`)},
	})...)
	w.list()
	return w
}

// named gives a topic of 256 bytes.
func named(name string) events.Topic {
	return events.Topic(name + "/" + strings.Repeat("x", events.MaxTopicBytes-len(name)-1))
}

// separator is three bytes, and would be six if JSON escaped it.
const separator = "\u2028"

// heavyClaim is as long as a claim may be, for patterns of topics.
func heavyClaim(patterns string) string {
	const form = `{"v":1,"allow":[{"topics":[%s],"actions":["subscribe","read","publish"],"filter":{"%s":[{"exists":false}]},"mask":{"omit":["%s"]}}]}`
	name := strings.Repeat(separator, (grant.MaxBytes-len(form)-len(patterns))/len(separator)/2)
	return fmt.Sprintf(form, patterns, name, name)
}

// heavyOptions are as long as what a client may ask for.
func heavyOptions() watch.Options {
	const form = `{"%s":[{"exists":false}]}`
	o := watch.Options{Filter: []byte(fmt.Sprintf(form, strings.Repeat(separator, (grant.MaxFilterBytes-len(form))/len(separator))))}
	for n := range grant.MaxFields {
		o.Fields = append(o.Fields, fmt.Sprintf("%0*d", grant.MaxFieldsBytes/grant.MaxFields-len(`"",`)-1, n))
	}
	return o
}

// join has heavy go on by another token, and watch the topics.
func (w *worst) join() {
	w.Helper()
	w.heavy = w.connect(strings.Repeat(`"`, grant.MaxSubjectBytes), "L0SM9cOFvHcCIhw=", heavyClaim(`"**"`))
	w.renew(w.heavy, "second")
	for _, topic := range w.topics {
		w.subscribe(w.heavy, topic, heavyOptions())
	}
	all := dynamodb.NewScanPaginator(w.db.Client, &dynamodb.ScanInput{TableName: aws.String("Subscriptions")})
	for all.HasMorePages() {
		page, err := all.NextPage(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		w.subscriptions = append(w.subscriptions, page.Items...)
	}
	key := row{"subject": text(w.heavy.Subject), "connectionId": text(string(w.heavy.ID))}
	out, err := w.db.Client.GetItem(w.Context(), &dynamodb.GetItemInput{TableName: aws.String("Connections"), Key: key})
	if err != nil {
		w.Fatal(err)
	}
	w.connection = out.Item
}

// like makes a connection that has and watches the same as heavy.
func (w *worst) like(key watch.Key) watch.Connection {
	rows := make([]row, len(w.subscriptions))
	for i, r := range w.subscriptions {
		rows[i] = maps.Clone(r)
		wildcard := strings.TrimSuffix(r["connectionId"].(*types.AttributeValueMemberS).Value, string(w.heavy.ID))
		rows[i]["subject"], rows[i]["connectionId"] = text(key.Subject), text(wildcard+string(key.ID))
	}
	w.put("Subscriptions", rows...)
	w.put("Connections", w.rowOf(key))
	c := w.heavy
	c.Key = key
	return c
}

// rowOf is the row of a connection like heavy.
func (w *worst) rowOf(key watch.Key) row {
	r := maps.Clone(w.connection)
	r["subject"], r["connectionId"] = text(key.Subject), text(string(key.ID))
	return r
}

// renew has a connection go by a token of another id.
func (w *worst) renew(c watch.Connection, id string) {
	access := c.Access
	access.TokenID = fmt.Sprintf("%*s", grant.MaxSubjectBytes, id)
	if err := w.store.Refresh(w.Context(), c.Key, access); err != nil {
		w.Fatal(err)
	}
}

// orderNow is that of a subscribe that is sent now, as package watch makes it.
func orderNow() watch.Order { return watch.Order(time.Now().UnixMilli()*1_024 + 512 - 1<<53) }

func (w *worst) subscribe(c watch.Connection, topic events.Topic, options watch.Options) {
	view, _ := c.Grant.Allows(grant.Subscribe, topic)
	view, err := view.Narrow(options.Filter, options.Fields)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.store.Subscribe(w.Context(), watch.Subscription{Key: c.Key, Topic: topic, Order: orderNow(), Options: options, View: view, Until: c.Ends()}); err != nil {
		w.Fatal(err)
	}
}

// present makes a connection that is present in a hundred topics, with the longest names. The member has
// as many other connections as can be, and its leases are to be renewed.
func (w *worst) present(id watch.ConnectionID) (c watch.Connection, topics []events.Topic) {
	w.Helper()
	claim := strings.Replace(heavyClaim(`"**"`), `"publish"`, `"join"`, 1)
	c = w.connect(strings.Repeat("m", grant.MaxSubjectBytes), string(id), claim)
	w.renew(c, "second")
	options, at := heavyOptions(), orderNow()
	options.Presence = strings.Repeat("n", events.MaxMemberNameBytes)
	until := number(fmt.Sprint(time.Now().Add(time.Minute).Unix()))
	for n := range events.MaxSubscriptions {
		topic := named(fmt.Sprintf("rooms/%d", n))[:events.MaxPresenceBytes]
		sub := watch.Subscription{Key: c.Key, Topic: topic, Order: at, Options: options, Until: c.Ends(), Lease: time.Now().Add(time.Minute)}
		view, _ := c.Grant.Allows(grant.Subscribe, topic)
		var err error
		if sub.View, err = view.Narrow(options.Filter, options.Fields); err != nil {
			w.Fatal(err)
		}
		if _, err := w.store.Subscribe(w.Context(), sub); err != nil {
			w.Fatal(err)
		}
		order := " " + strconv.FormatInt(int64(at), 36)
		by := row{string(id) + order: until}
		for other := range maxConnections - 1 {
			by[fmt.Sprintf("%016d", other)+order] = number(fmt.Sprint(time.Now().Add(time.Hour).Unix()))
		}
		w.put("Events", row{
			"topic": text("@presence/" + string(topic)), "id": text(c.Subject), "name": text(options.Presence), "since": text("2026-11-26T10:00:00.000Z"),
			"until": text("2026-11-26T10:10:00.000Z"), "expiresAt": until, "watchroute": &types.AttributeValueMemberM{Value: by},
		})
		topics = append(topics, topic)
	}
	return c, topics
}

// vanishing are sessions of a connection that is forgotten while its presence is renewed.
type vanishing struct {
	watch.Store
	w     *worst
	reads int
}

func (v *vanishing) Session(ctx context.Context, key watch.Key) (watch.Session, error) {
	if v.reads++; v.reads == 2 {
		v.w.meanwhile(func() {
			_, err := v.w.db.Client.DeleteItem(v.w.Context(), &dynamodb.DeleteItemInput{
				TableName: aws.String("Connections"), Key: row{"subject": text(key.Subject), "connectionId": text(string(key.ID))},
			})
			if err != nil {
				v.w.Fatal(err)
			}
		})
	}
	return v.Store.Session(ctx, key)
}

// maxItemBytes is the largest item that DynamoDB takes.
const maxItemBytes = 400 << 10

// putLarge has a read end with an item of 400 KB that comes when it has almost 1 MB.
func (w *worst) putLarge(topic events.Topic) {
	for id, size := range []int{1_000, maxItemBytes, maxItemBytes, 1<<20 - 2*maxItemBytes - 3_000, maxItemBytes, maxItemBytes} {
		w.putItem(topic, fmt.Sprint(id), strings.Repeat("x", size-len(topic)-len("topicid0x")))
	}
}

// putEscaped has items of 20 KB, which are 120 KB as JSON.
func (w *worst) putEscaped(topic events.Topic) {
	for n := range 30 {
		w.putItem(topic, fmt.Sprintf("%02d", n), strings.Repeat("\x01", 20_000))
	}
}

// putWide has one answer read of so many topics what it may, and the first show as much as an
// answer may.
func (w *worst) putWide() {
	base, _ := w.wide.Split()
	for n := range 7 {
		topic := base + "/" + events.Topic(fmt.Sprintf("%0*d", events.MaxTopicBytes-len(base)-1, n))
		w.log(topic, times(1, watch.Entry{Change: events.Change{Op: events.Added, ID: "i", Data: []byte(`{}`)}})...)
		if err := w.store.Announce(w.Context(), topic); err != nil {
			w.Fatal(err)
		}
	}
	topics, _, err := w.store.Below(w.Context(), w.wide, "", 10)
	if err != nil {
		w.Fatal(err)
	}
	w.putEscaped(topics[0])
	for _, topic := range topics[1:] {
		w.putLarge(topic)
	}
}

// putItem puts an item as somebody does who writes to the table.
func (w *worst) putItem(topic events.Topic, id, x string) {
	w.put("Events", row{"topic": text(string(topic)), "id": text(id), "x": text(x)})
}

// list has more topics of the pattern than an answer tells, each with a head.
func (w *worst) list() {
	base, _ := w.pattern.Split()
	var rows []row
	for n := range events.MaxCursors + 100 {
		name := fmt.Sprintf("%s/%07d", base, n)
		rows = append(rows,
			row{"topic": text(name), "seq": number("0"), "last": number("1"), "epoch": text("e"), "stream": text(string(stream)), "position": text("1")},
			row{"topic": text(string(base) + "/**"), "seq": number(fmt.Sprintf("%d%030d", 1_000+n, 1)), "name": text(name)})
	}
	w.put("Changes", rows...)
}

// row is one as package dynamo keeps it.
type row = map[string]types.AttributeValue

func text(s string) types.AttributeValue        { return &types.AttributeValueMemberS{Value: s} }
func number(digits string) types.AttributeValue { return &types.AttributeValueMemberN{Value: digits} }

func (d *desk) put(table string, rows ...row) {
	d.Helper()
	for some := range slices.Chunk(rows, 25) {
		var puts []types.WriteRequest
		for _, r := range some {
			puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: r}})
		}
		if _, err := d.db.Client.BatchWriteItem(d.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: puts}}); err != nil {
			d.Fatal(err)
		}
	}
}

// request is one of heavy, with all options and the longest id.
func request(r events.Request, o watch.Options) string {
	r.ID = strings.Repeat("\x01", events.MaxRequestIDBytes)
	r.Filter, r.Fields, r.Delta = o.Filter, o.Fields, o.Delta
	body, _ := events.Marshal(r) // of valid JSON
	return string(body)
}

// overtaken are sessions of which some are read just after another token has come.
type overtaken struct {
	watch.Store
	w     *worst
	c     watch.Connection
	reads int
	times int
}

func (o *overtaken) Session(ctx context.Context, key watch.Key) (watch.Session, error) {
	if o.reads++; o.reads > 1 && o.reads <= 1+o.times {
		o.w.meanwhile(func() { o.w.renew(o.c, fmt.Sprint("token ", time.Now().UnixNano())) })
	}
	return o.Store.Session(ctx, key)
}

// overtake has other tokens come while the next request subscribes.
func (w *worst) overtake(c watch.Connection, times int) {
	w.answerer.Store = &overtaken{Store: w.store, w: w, c: c, times: times}
}
