package dynamo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	streams "github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// world is a deployment with tables of its own, and a client that looks at it. What the
// client can observe is noted, without what is random.
type world struct {
	rapid.TB
	db      *dynamotest.Database
	arn     string            // of the stream of Events
	read    map[string]string // how far each shard was
	records int               // read so far
	now     time.Time
	log     *bytes.Buffer

	store    *dynamo.Store
	answerer watch.Answerer
	renewer  watch.Renewer
	fanout   watch.Fanout
	client   watch.Connection
	tokens   []grant.Grant             // that the client can send, by their number
	expires  map[string]bool           // items that time to live deletes
	lives    map[events.Topic][]string // epochs of topics
	heads    map[events.Topic]int64
	meter    *watch.Meter
	next     string // the bookmark that the latest snapshot ended at
	sent     int    // requests
	puts     int
	publish  bool // what is put

	mu    sync.Mutex
	notes []string
}

// newWorld makes one with empty tables.
func newWorld(t *testing.T, now time.Time) *world {
	db := dynamotest.Start(t)
	out, err := db.Client.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{
		TableName:           &dynamotest.Tables.Events,
		StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, db: db, arn: *out.TableDescription.LatestStreamArn, read: map[string]string{}, now: now, store: db.Store()}
	w.store.Now = func() time.Time { return now }
	return w
}

// begin connects a new client, with the first of the tokens. Nothing is left of the one
// before but rows that it does not see.
func (w *world) begin(t rapid.TB, subject string, tokens []grant.Grant, limits watch.Limits) {
	w.TB = t
	w.unread()
	w.records = 0
	w.tokens, w.log, w.next, w.notes = tokens, &bytes.Buffer{}, "", nil
	w.expires, w.lives, w.heads = map[string]bool{}, map[events.Topic][]string{}, map[events.Topic]int64{}
	logger := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	allowance := watch.NewAllowance(w, 1)
	w.answerer = watch.Answerer{
		Store:     metered{w.store, w},
		Sealer:    seal.Fixed(make([]byte, seal.MinSecretBytes)),
		Limits:    limits,
		Allowance: allowance,
		Logger:    logger,
	}
	w.renewer = watch.Renewer{Store: metered{w.store, w}, Tokens: w, Allowance: allowance, Logger: logger}
	w.fanout = watch.Fanout{Numberer: watch.Numberer{Log: lives{w.store, w}}, Pusher: watch.Pusher{Subscribers: w.store, Poster: w}, PushTime: time.Minute}
	w.client = watch.Connection{Key: watch.Key{Subject: subject, ID: "client"}, Connected: w.now, Access: w.access(0)}
	if err := w.store.Connect(context.Background(), w.client); err != nil {
		w.Fatal(err)
	}
}

// bystand has somebody else watch all there is, at some cost.
func (w *world) bystand(subject string, topics events.Topic, filter []byte) {
	other := watch.Connection{Key: watch.Key{Subject: subject, ID: "other"}, Connected: w.now}
	view, err := grant.View{}.Narrow(filter, nil)
	if err == nil {
		err = w.store.Connect(context.Background(), other)
	}
	if err == nil {
		_, err = w.store.Subscribe(context.Background(), watch.Subscription{Key: other.Key, Topic: topics, View: view, Until: other.Ends()})
	}
	if err != nil {
		w.Fatal(err)
	}
}

// note keeps what the client observes.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, fmt.Sprintf(format, args...))
}

// sealed are bookmarks, whose length alone tells something.
var sealed = regexp.MustCompile(`~[A-Za-z0-9_-]+`)

// noteFrame keeps a frame, without what is random in it.
func (w *world) noteFrame(how string, frame []byte) {
	text := sealed.ReplaceAllStringFunc(string(frame), func(bookmark string) string { return fmt.Sprintf("~%d bytes", len(bookmark)) })
	w.mu.Lock()
	for topic, epochs := range w.lives {
		for i, epoch := range epochs {
			text = strings.ReplaceAll(text, epoch, fmt.Sprintf("E%x%d", crc32.ChecksumIEEE([]byte(topic)), i))
		}
	}
	w.mu.Unlock()
	w.note("%s, %d bytes: %s", how, len(frame), text)
}

// Post notes what is pushed.
func (w *world) Post(_ context.Context, id watch.ConnectionID, frame watch.Frame) error {
	if id == w.client.ID {
		w.noteFrame("pushed", frame.Body)
	}
	return nil
}

// Close notes that the connection is closed.
func (w *world) Close(_ context.Context, id watch.ConnectionID) error {
	w.note("%s is closed", id)
	return nil
}

// Draw notes what the allowance is charged. Nobody's is ever spent, as minutes are not the
// same in both worlds.
func (w *world) Draw(_ context.Context, _ watch.Key, _ time.Time, units, _ int) error {
	w.note("%d units are drawn", units)
	return nil
}

// Authenticate takes a token's number for the token.
func (w *world) Authenticate(_ context.Context, token string) (string, watch.Access, error) {
	return w.client.Subject, w.access(int(token[0] - '0')), nil
}

// Check finds nothing revoked.
func (w *world) Check(context.Context, string, watch.Access) error { return nil }

func (w *world) access(token int) watch.Access {
	return watch.Access{Grant: w.tokens[token], TokenID: fmt.Sprint(token), Issued: w.now, Expires: w.now.Add(24 * time.Hour)}
}

// metered finds the meter of a request.
type metered struct {
	*dynamo.Store
	w *world
}

func (m metered) Session(ctx context.Context, key watch.Key) (watch.Session, error) {
	m.w.meter = watch.MeterOf(ctx)
	return m.Store.Session(ctx, key)
}

// lives learns the names of epochs.
type lives struct {
	*dynamo.Store
	w *world
}

func (l lives) Append(ctx context.Context, topic events.Topic, from, to watch.Head, entries []watch.Entry) error {
	l.w.mu.Lock()
	if !slices.Contains(l.w.lives[topic], to.Epoch) {
		l.w.lives[topic] = append(l.w.lives[topic], to.Epoch)
	}
	l.w.heads[topic] = to.Seq
	l.w.mu.Unlock()
	return l.Store.Append(ctx, topic, from, to, entries)
}

// peer is the client when it is answered.
type peer struct{ w *world }

func (p peer) Post(frame []byte) error {
	p.w.noteFrame("posted", frame)
	return nil
}

func (p peer) Close() error { return p.w.Close(context.Background(), p.w.client.ID) }

// ask sends a request.
func (w *world) ask(r events.Request) {
	body, err := json.Marshal(r)
	if err != nil {
		w.Fatal(err)
	}
	w.meter = &watch.Meter{}
	w.sent++
	m := watch.Message{Body: body, ID: "message", Time: w.now.Add(time.Duration(w.sent) * time.Second)}
	carryOut := w.answerer.Answer
	if r.Action == events.ActionAuth {
		carryOut = w.renewer.Answer
	}
	answer := carryOut(context.Background(), w.client, m, peer{w})
	w.noteFrame("answered", answer)
	reads, writes := w.meter.Units()
	w.note("%v read units, %v write units", reads, writes)
	w.next = ""
	var page struct {
		More bool
		Next string
	}
	if err := json.Unmarshal(answer, &page); err == nil && !page.More {
		w.next = page.Next
	}
}

// cursor gives one in a topic's latest life, or in an earlier one; without an epoch if there
// is none.
func (w *world) cursor(topic events.Topic, at position) string {
	c := events.Cursor{Seq: at.seq}
	if epochs := w.lives[topic]; at.ago < len(epochs) {
		c.Epoch = epochs[len(epochs)-1-at.ago]
	}
	return c.String()
}

// observed gives what was noted since it was last asked for.
func (w *world) observed() (notes []string) {
	notes, w.notes = w.notes, nil
	return notes
}

// put writes an item as anybody may who has access to the table, or as if it were published.
func (w *world) put(topic events.Topic, id string, state attributes) {
	row := attributes{"topic": str(string(topic)), "id": str(id)}
	if w.puts++; w.publish {
		row[events.PublicationAttribute] = &types.AttributeValueMemberM{Value: attributes{
			"mark": str(fmt.Sprintf("mark of %05d", w.puts)), "by": str("c1"), "order": &types.AttributeValueMemberN{Value: "1"},
		}}
	}
	for name, value := range state {
		row[name] = value
	}
	if _, err := w.db.Client.PutItem(context.Background(), &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Events, Item: row}); err != nil {
		w.Fatal(err)
	}
}

// remove deletes an item, or has time to live do so.
func (w *world) remove(topic events.Topic, id string, expired bool) {
	w.expires[string(topic)+" "+id] = expired
	key := attributes{"topic": str(string(topic)), "id": str(id)}
	if _, err := w.db.Client.DeleteItem(context.Background(), &dynamodb.DeleteItemInput{TableName: &dynamotest.Tables.Events, Key: key}); err != nil {
		w.Fatal(err)
	}
}

// writes reads what the stream has. Times and positions are the same in both worlds. sizes
// tells how large each record is.
func (w *world) writes() (writes []watch.Write, sizes []int64) {
	for _, record := range w.unread() {
		w.records++
		record.Change.SequenceNumber = fmt.Sprintf("%021d", w.records)
		record.Change.ApproximateCreationDateTime.Time = w.now.Add(time.Duration(w.records) * time.Second)
		topic, id := keyOf(w, record)
		if record.EventName == "REMOVE" && w.expires[topic+" "+id] {
			record.UserIdentity = &awsevents.DynamoDBUserIdentity{Type: "Service", PrincipalID: "dynamodb.amazonaws.com"}
		}
		sizes = append(sizes, record.Change.SizeBytes-int64(len(id))) // of the rows before and after, and the topic again
		write, err := dynamo.Write(record)
		if err != nil {
			continue // its id breaks the rules
		}
		sizes = append(sizes, int64(len(write.Before)), int64(len(write.Data)))
		writes = append(writes, write)
	}
	return writes, sizes
}

// keyOf reads which item a record is about.
func keyOf(t rapid.TB, record dynamo.Record) (topic, id string) {
	var keys struct{ Topic, ID struct{ S string } }
	if err := json.Unmarshal(record.Change.Keys, &keys); err != nil {
		t.Fatal(err)
	}
	return keys.Topic.S, keys.ID.S
}

// unread gives the records that were not read yet, in the order of the writes.
func (w *world) unread() (records []dynamo.Record) {
	now, cancel := context.WithCancel(context.Background())
	cancel() // what is there is read all the same
	shards, err := w.db.Streams.Shards(w.arn)
	for _, shard := range shards {
		var found []streams.Record
		found, _, err = w.db.Streams.Read(now, w.arn, shard.ID, w.read[shard.ID], 10_000)
		if err != nil && !errors.Is(err, context.Canceled) {
			break
		}
		err = nil
		for _, r := range found {
			w.read[shard.ID] = r.SequenceNumber
			var record dynamo.Record
			if err := json.Unmarshal(r.JSON, &record); err != nil {
				w.Fatal(err)
			}
			records = append(records, record)
		}
	}
	if err != nil {
		w.Fatal(err)
	}
	slices.SortFunc(records, func(a, b dynamo.Record) int {
		return strings.Compare(a.Change.SequenceNumber, b.Change.SequenceNumber)
	})
	return records
}

// deliver numbers writes, and pushes them.
func (w *world) deliver(stream watch.Stream, writes []watch.Write) {
	if len(writes) == 0 {
		return
	}
	outcome := w.fanout.Deliver(context.Background(), stream, writes)
	if outcome.Err != nil || len(outcome.Failed)+len(outcome.Stale)+outcome.Pushed.Lost > 0 {
		w.Fatalf("%+v", outcome)
	}
}
