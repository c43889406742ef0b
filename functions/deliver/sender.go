package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/cloudevents"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/targets"
	"github.com/watchroute/watchroute/shared/webhook"
)

// sender sends messages to webhooks and to what AWS has.
type sender struct {
	client  *webhook.Client
	keys    *keys
	targets *targets.Client
	source  string // of CloudEvents: the ARN of the Events table
}

// Send sends a message in the format of the destination.
func (s sender) Send(ctx context.Context, to delivery.Destination, m delivery.Message) error {
	contentType, body, err := encode(s.source, to.Format, m)
	if err != nil {
		return fmt.Errorf("encode message %s: %w", m.ID, err)
	}
	if to.Kind != delivery.Webhook {
		about := targets.Message{ID: m.ID, Topic: m.Ref.Topic, Type: "changes", ContentType: contentType, Body: body}
		switch {
		case m.Reset != nil:
			about.Type = "reset"
		case m.Items != nil:
			about.Type, about.Cursor = "snapshot", m.Items.Cursor
		default:
			if about.Cursor = m.Changes[len(m.Changes)-1].Cursor(); to.Format != delivery.Frames {
				about.Type = "cloudevent"
			}
		}
		return s.targets.Send(ctx, to, about)
	}
	return s.call(ctx, to, func(e webhook.Endpoint) error {
		return s.client.Post(ctx, e, webhook.Message{ID: m.ID, ContentType: contentType, Body: body})
	})
}

// Challenge asks the receiver whether it wants what comes.
func (s sender) Challenge(ctx context.Context, to delivery.Destination) error {
	return s.call(ctx, to, func(e webhook.Endpoint) error { return s.client.Challenge(ctx, e) })
}

// call makes one call, and gives its failure as package delivery knows it.
func (s sender) call(ctx context.Context, to delivery.Destination, do func(webhook.Endpoint) error) error {
	keys, err := s.keys.of(ctx, to)
	if err != nil {
		return err
	}
	err = do(webhook.Endpoint{URL: to.URL, Keys: keys})
	failure := (*webhook.Failure)(nil)
	if !errors.As(err, &failure) {
		return err
	}
	return &delivery.Failure{Status: failure.Status, Gone: failure.Gone, RetryAfter: failure.RetryAfter, Detail: failure.Error()}
}

// encode writes a message. A reset and the items after it are the frames that a WebSocket gets, in
// any format: CloudEvents has no such thing.
func encode(source string, format delivery.Format, m delivery.Message) (contentType string, body []byte, err error) {
	switch {
	case m.Reset != nil:
		body, err = events.Encode(m.Reset)
	case m.Items != nil:
		body, err = events.Encode(m.Items)
	case m.Test != nil:
		return encodeTest(source, format, m)
	case format == delivery.CloudEvent:
		contentType = cloudevents.TypeSingle
		shown := slices.DeleteFunc(slices.Clone(m.Changes), func(c events.Change) bool { return c.Op == events.Skipped })
		if len(shown) != 1 {
			return "", nil, fmt.Errorf("%d changes are to be one event", len(shown))
		}
		body, err = cloudevents.EncodeOne(source, shown[0])
	case format == delivery.CloudEvents:
		contentType = cloudevents.TypeBatch
		body, err = cloudevents.Encode(source, m.Changes)
	default:
		body, err = events.Encode(&events.Changes{Changes: m.Changes})
	}
	if contentType == "" {
		contentType = "application/json"
	}
	return contentType, body, err
}

// encodeTest writes the test that the owner has asked for as the receiver gets changes.
func encodeTest(source string, format delivery.Format, m delivery.Message) (contentType string, body []byte, err error) {
	contentType = "application/json"
	if body, err = events.Marshal(m.Test); err != nil || format == delivery.Frames {
		return contentType, body, err
	}
	contentType, test := cloudevents.TypeSingle, cloudevents.Test{ID: m.ID, Topic: m.Test.Topic, Time: m.Test.Time, Data: body}
	body, err = cloudevents.EncodeTest(source, test)
	if format == delivery.CloudEvents {
		contentType, body = cloudevents.TypeBatch, slices.Concat([]byte("["), body, []byte("]"))
	}
	return contentType, body, err
}

// keysFor is how long the versions of the service's secret are kept.
const keysFor = time.Minute

// keys derives the keys of destinations from the versions of the service's secret. After a rotation of
// this secret, or of a destination's own, both the new and the old one sign. The versions are read again
// at once if an owner was shown a secret of one that is not among them.
type keys struct {
	versions func(context.Context) ([][]byte, error)

	mu      sync.Mutex
	secrets [][]byte
	names   []string // of the versions, and of those that were looked for and are gone
	read    time.Time
}

// of gives the keys of a destination.
func (k *keys) of(ctx context.Context, to delivery.Destination) ([][]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.read) > keysFor || to.Shown != "" && !slices.Contains(k.names, to.Shown) {
		if err := k.reread(ctx); err != nil {
			return nil, err
		}
		k.names = append(k.names, to.Shown)
	}
	var all [][]byte
	for _, secret := range k.secrets {
		all = append(all, webhook.Key(secret, to.Signer(), to.Rotations))
		if to.Rotations > 0 && time.Since(to.Rotated) < delivery.Overlap {
			all = append(all, webhook.Key(secret, to.Signer(), to.Rotations-1))
		}
	}
	return all, nil
}

// reread reads the versions. What was looked for is forgotten once a minute.
func (k *keys) reread(ctx context.Context) error {
	secrets, err := k.versions(ctx)
	if err != nil {
		return fmt.Errorf("read the service's secret: %w", err)
	}
	if time.Since(k.read) > keysFor {
		k.names = nil
	}
	k.secrets, k.read = secrets, time.Now()
	for _, secret := range secrets {
		k.names = append(k.names, webhook.Version(secret))
	}
	return nil
}
