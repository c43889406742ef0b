package watch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// numberingFactor is how many write units the numbering of a change takes at most for each write
// unit of its item. In a transaction with other changes it takes two for the new state, and two for
// the state before if that differs in all members.
const numberingFactor = 4

// Publishing is what a client asks to publish.
type Publishing struct {
	Topic     events.Topic
	Op        string       // empty to put the item, events.OpRemove to remove it
	Item      *events.Item // without an ID, a put makes one up
	ExpiresAt *int64       // as in Publication
	Key       string       // names the publication, so that a repetition changes nothing; may be empty
	OnlyNew   bool         // the item is put only if there is none
}

// Publish writes to the Events table. From there on the change is treated like every other.
// Publications that come in this way are not ordered among each other. What is wrong for the
// client is in the error, see [WireError]; ErrExists is that of OnlyNew.
func (t Topics) Publish(ctx context.Context, v Viewer, p Publishing) (Publication, error) {
	once := ulid.Make().String() // each is a publisher of its own
	return carry(ctx, t, v.Key, func(ctx context.Context, w *work) (Publication, error) {
		return w.publish(ctx, v.Access, p, standing{publisher: once})
	})
}

// standing is where a publication stands among others: those of one publisher are ordered.
type standing struct {
	publisher string
	order     Order
}

// publish publishes what a request of a connection asks for.
func (a *answer) publish(ctx context.Context, topic events.Topic) error {
	asked := Publishing{Topic: topic, Op: a.r.Op, Item: a.r.Item, ExpiresAt: a.r.ExpiresAt, Key: a.r.Key}
	p, err := a.work.publish(ctx, a.c.Access, asked, standing{string(a.c.ID), a.order})
	if err != nil {
		return err
	}
	a.out.send(&events.Published{ID: a.r.ID, Topic: topic, Item: events.Item{ID: p.Item.ID}, Mark: p.Mark})
	return nil
}

// publish checks what a client publishes, and writes it. The subject that publishes pays for
// the numbering, too.
func (w *work) publish(ctx context.Context, a Access, asked Publishing, at standing) (Publication, error) {
	if _, allowed := a.Grant.Allows(grant.Publish, asked.Topic); !allowed {
		return Publication{}, errForbidden
	}
	item, err := publishedItem(asked)
	if err == nil {
		err = w.topics.Limits.checkPublished(item)
	}
	if err == nil {
		err = checkExpiry(asked.ExpiresAt, time.Now())
	}
	if err != nil {
		return Publication{}, err
	}
	p, err := w.publication(ctx, asked, item, at)
	if err != nil {
		return p, err
	}
	if asked.Op == events.OpRemove {
		err = w.topics.Store.Remove(ctx, p)
	} else {
		err = w.topics.Store.Put(ctx, p)
	}
	if err != nil {
		return p, err
	}
	_, written := w.meter.Units()
	w.meter.Spend(0, numberingFactor*written)
	return p, nil
}

// Publication is what a client publishes.
type Publication struct {
	Topic events.Topic
	Item  events.Item // a removal has no data
	// ExpiresAt is when the item expires, in seconds since 1970, or 0 for never. Nil leaves it as
	// it is in the table, unless that time is over.
	ExpiresAt *int64
	OnlyNew   bool   // the item is put only if there is none in its place
	Mark      string // of the change, empty for a removal
	Publisher string // names the connection, whose orders can be compared; empty for a back end
	Order     Order
}

// publication gives what is published. An item that is removed can carry no mark.
func (w *work) publication(ctx context.Context, asked Publishing, item events.Item, at standing) (Publication, error) {
	p := Publication{Topic: asked.Topic, Item: item, Publisher: publisher(at.publisher), Order: at.order}
	if asked.Op == events.OpRemove {
		p.Item.Data = nil
		return p, nil
	}
	p.ExpiresAt, p.OnlyNew = asked.ExpiresAt, asked.OnlyNew
	about := []string{markKind, w.who.Subject, string(asked.Topic), item.ID, asked.Key}
	if asked.Key == "" {
		about = append(about, at.publisher, strconv.FormatInt(int64(at.order), 10))
	}
	mark, err := w.topics.Sealer.Mark(ctx, about...)
	if err != nil {
		return p, fmt.Errorf("mark a publication of %s: %w: %w", asked.Topic, ErrUnavailable, err)
	}
	p.Mark = mark
	return p, nil
}

// markKind tells marks of publications from other texts that are made with the secret.
const markKind = "mark of a publication"

// publisher is the name that a publisher has in the items that it publishes.
func publisher(id string) string {
	sum := sha256.Sum256([]byte(id))
	return base64.RawURLEncoding.EncodeToString(sum[:8])
}

// publishedItem checks what publish is given.
func publishedItem(r Publishing) (events.Item, error) {
	var item events.Item
	if r.Item != nil {
		item = events.Item{ID: r.Item.ID, Data: r.Item.Data}
	}
	switch {
	case r.Op != "" && r.Op != events.OpRemove:
		return item, &events.Error{Code: events.CodeBadRequest, Message: `op must be "remove" or left out`}
	case r.Item == nil:
		return item, &events.Error{Code: events.CodeBadRequest, Message: "item is missing"}
	case r.Op == "" && item.ID == "" && r.Key != "":
		return item, &events.Error{Code: events.CodeBadRequest, Message: "item has no id, which a publication with a key must have: each repetition would make another item"}
	case r.Op == "" && item.ID == "":
		item.ID = ulid.Make().String()
	}
	return item, CheckItem(item)
}

// CheckItem reports what is wrong with an item that a back end gives the service to put: its id, and
// its data, which must be a JSON object without the names that the table keeps for itself. The error
// is an *[events.Error].
func CheckItem(item events.Item) error {
	if err := events.CheckItemID(item.ID); err != nil {
		return &events.Error{Code: events.CodeBadItem, Message: err.Error()}
	}
	return checkData(item.Data)
}

// checkExpiry wants a time that DynamoDB will act on. It ignores times long past, and a time
// that is just over would have the item be hidden before anybody sees it.
func checkExpiry(seconds *int64, now time.Time) error {
	if seconds == nil || *seconds == 0 {
		return nil
	}
	if at := *seconds; at <= now.Unix() || at > now.Add(events.MaxExpiry).Unix() {
		return &events.Error{Code: events.CodeBadItem, Message: fmt.Sprintf("expiresAt is %d, it must be a time from now to ten years ahead, in seconds since 1970, or 0", at)}
	}
	return nil
}

// checkData wants an object without the names that the table keeps for itself.
func checkData(data json.RawMessage) error {
	if data == nil {
		return nil
	}
	var attributes map[string]json.RawMessage
	if err := json.Unmarshal(data, &attributes); err != nil || attributes == nil {
		return &events.Error{Code: events.CodeBadItem, Message: "item data is not a JSON object"}
	}
	if depth(data) > events.MaxDataDepth {
		return &events.Error{Code: events.CodeBadItem, Message: fmt.Sprintf("item data nests deeper than the %d levels that are allowed", events.MaxDataDepth)}
	}
	for _, name := range events.ReservedAttributes() {
		if _, ok := attributes[name]; ok {
			return &events.Error{Code: events.CodeBadItem, Message: fmt.Sprintf("item data has the reserved attribute %s", name)}
		}
	}
	return nil
}

// depth is how many objects and lists stand in each other in JSON that is valid.
func depth(data json.RawMessage) (deepest int) {
	d := json.NewDecoder(bytes.NewReader(data))
	for level := 0; ; {
		token, err := d.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			level++
			deepest = max(deepest, level)
		case json.Delim('}'), json.Delim(']'):
			level--
		}
	}
}
