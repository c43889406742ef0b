package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/targets"
	"github.com/watchroute/watchroute/shared/webhook"
)

// received is a message as the receiver got it.
type received struct {
	header http.Header
	body   []byte
}

// receiver is a destination's server, and the sender that calls it.
type receiver struct {
	sender
	t       *testing.T
	to      delivery.Destination
	secrets [][]byte
	err     error // of reading the versions of the service's secret
	reads   int   // of them
	got     []received
	answer  http.HandlerFunc
}

var oldSecret, newSecret = []byte(strings.Repeat("o", 32)), []byte(strings.Repeat("n", 32))

func newReceiver(t *testing.T, format delivery.Format) *receiver {
	t.Helper()
	r := &receiver{t: t, secrets: [][]byte{oldSecret}, answer: func(http.ResponseWriter, *http.Request) {}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, asked *http.Request) {
		body, err := io.ReadAll(asked.Body)
		if err != nil {
			t.Error(err)
		}
		r.got = append(r.got, received{asked.Header, body})
		asked.Body = io.NopCloser(strings.NewReader(string(body)))
		r.answer(w, asked)
	}))
	t.Cleanup(server.Close)
	r.to = delivery.Destination{ID: "dst_1", Kind: delivery.Webhook, URL: server.URL, Format: format}
	r.sender = sender{
		client: webhook.New(webhook.Options{AllowLoopback: true}), source: "https://api.example/prod",
		keys: &keys{versions: func(context.Context) ([][]byte, error) { r.reads++; return r.secrets, r.err }},
	}
	return r
}

// last is what came last.
func (r *receiver) last() received {
	r.t.Helper()
	if len(r.got) == 0 {
		r.t.Fatal("nothing came")
	}
	return r.got[len(r.got)-1]
}

// verify reports what the reference library says to a message, with a version of the secret.
func (r *receiver) verify(m received, secret []byte, destination string) error {
	r.t.Helper()
	reference, err := standardwebhooks.NewWebhook(webhook.Secret(webhook.Key(secret, destination, 0)))
	if err != nil {
		r.t.Fatal(err)
	}
	return reference.Verify(m.body, m.header)
}

// changed is a change of topic a.
func changed(seq int64, op events.Op) events.Change {
	c := events.Change{Topic: "a", Epoch: "e", Seq: seq, Op: op, Time: events.Time(time.UnixMilli(1_700_000_000_000))}
	if op != events.Skipped {
		c.ID, c.Data = "i", json.RawMessage(`{"n":1}`)
	}
	return c
}

func changes(all ...events.Change) delivery.Message {
	return delivery.Message{ID: "msg_1", Ref: delivery.Ref{Destination: "dst_1", Topic: "a"}, Changes: all}
}

// TestABodyIsAsItsFormatSays, and the reference library takes its signature.
func TestABodyIsAsItsFormatSays(t *testing.T) {
	const one = `{"specversion":"1.0","id":"a@e:1","source":"https://api.example/prod","type":"watchroute.added","subject":"i","time":"2023-11-14T22:13:20.000Z","topic":"a","sequence":"00000000000000000001","datacontenttype":"application/json","data":{"n":1}}`
	reset := delivery.Message{ID: "msg_1", Reset: &events.Reset{Topic: "a", Reason: events.ResetExpired}}
	items := delivery.Message{ID: "msg_1", Items: &events.Snapshot{Topic: "a", Cursor: events.Cursor{Epoch: "e", Seq: 1}, Items: []events.Item{{ID: "i", Data: json.RawMessage(`{"n":1}`)}}}}
	asked := events.Time(time.UnixMilli(1_700_000_000_000))
	test := delivery.Message{ID: "msg_1", Test: &events.Test{Type: events.TypeTest, Destination: "dst_1", Topic: "a/*", Time: asked}}
	const tried = `{"type":"test","destination":"dst_1","topic":"a/*","time":"2023-11-14T22:13:20.000Z"}`
	const triedEvent = `{"specversion":"1.0","id":"msg_1","source":"https://api.example/prod","type":"watchroute.test","time":"2023-11-14T22:13:20.000Z","topic":"a/*","datacontenttype":"application/json","data":` + tried + `}`
	for _, format := range []delivery.Format{delivery.Frames, delivery.CloudEvent, delivery.CloudEvents} {
		contentTypes := map[delivery.Format]string{delivery.Frames: "application/json", delivery.CloudEvent: "application/cloudevents+json", delivery.CloudEvents: "application/cloudevents-batch+json"}
		for name, c := range map[string]struct {
			message     delivery.Message
			contentType string
			holds       []string // of the body
		}{
			"changes": {changes(changed(1, events.Added)), contentTypes[format], map[delivery.Format][]string{
				delivery.Frames: {`"type":"changes"`, `"seq":1`, `"data":{"n":1}`}, delivery.CloudEvent: {one}, delivery.CloudEvents: {"[" + one + "]"},
			}[format]},
			"test": {test, contentTypes[format], map[delivery.Format][]string{
				delivery.Frames: {tried}, delivery.CloudEvent: {triedEvent}, delivery.CloudEvents: {"[" + triedEvent + "]"},
			}[format]},
			"reset": {reset, "application/json", []string{`"type":"reset"`, `"reason":"expired"`, `"topic":"a"`}},
			"items": {items, "application/json", []string{`"type":"snapshot"`, `"epoch":"e","seq":1`, `"data":{"n":1}`}},
		} {
			r := newReceiver(t, format)
			if err := r.Send(t.Context(), r.to, c.message); err != nil {
				t.Errorf("%s as %s: %v", name, format, err)
				continue
			}
			got := r.last()
			if got.header.Get("Content-Type") != c.contentType || got.header.Get("Webhook-Id") != "msg_1" || !json.Valid(got.body) {
				t.Errorf("%s as %s is %v %s", name, format, got.header, got.body)
			}
			for _, part := range c.holds {
				if !strings.Contains(string(got.body), part) {
					t.Errorf("%s as %s is %s, without %s", name, format, got.body, part)
				}
			}
			if err := r.verify(got, oldSecret, "dst_1"); err != nil {
				t.Errorf("%s as %s: the reference library says %v", name, format, err)
			}
			if r.verify(got, newSecret, "dst_1") == nil || r.verify(got, oldSecret, "dst_2") == nil {
				t.Errorf("%s as %s is signed for others", name, format)
			}
		}
	}
}

// TestACloudEventMessageHasOneEvent: hidden changes around it are left out, and two that are shown are
// a failure. It would be worse to send one and to count both as delivered.
func TestACloudEventMessageHasOneEvent(t *testing.T) {
	r := newReceiver(t, delivery.CloudEvent)
	if err := r.Send(t.Context(), r.to, changes(changed(1, events.Skipped), changed(2, events.Added), changed(3, events.Skipped))); err != nil {
		t.Fatal(err)
	}
	if body := string(r.last().body); !strings.Contains(body, `"id":"a@e:2"`) || body[0] != '{' {
		t.Errorf("it is %s", body)
	}
	for name, m := range map[string]delivery.Message{
		"two": changes(changed(1, events.Added), changed(2, events.Modified)), "none": changes(changed(1, events.Skipped)), "nothing": changes(),
	} {
		if err := r.Send(t.Context(), r.to, m); err == nil || len(r.got) != 1 {
			t.Errorf("%s is sent: %v, %d messages", name, err, len(r.got))
		}
	}
}

// TestTwoKeysSignAfterARotation of the service's secret, until the version before is gone.
func TestTwoKeysSignAfterARotation(t *testing.T) {
	r := newReceiver(t, delivery.Frames)
	r.secrets = [][]byte{newSecret, oldSecret}
	if err := r.Send(t.Context(), r.to, changes(changed(1, events.Added))); err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string][]byte{"new": newSecret, "old": oldSecret} {
		if err := r.verify(r.last(), secret, "dst_1"); err != nil {
			t.Errorf("for who has the %s secret: %v", name, err)
		}
	}
	r.secrets = [][]byte{newSecret}
	if err := r.Send(t.Context(), r.to, changes(changed(1, events.Added))); err != nil || r.reads != 1 {
		t.Errorf("within a minute the secret is read %d times, %v", r.reads, err)
	}
	r.keys.read = time.Now().Add(-keysFor - time.Second)
	if err := r.Send(t.Context(), r.to, changes(changed(1, events.Added))); err != nil || r.reads != 2 {
		t.Errorf("after a minute the secret is read %d times, %v", r.reads, err)
	}
	if r.verify(r.last(), oldSecret, "dst_1") == nil {
		t.Error("the old secret still signs")
	}
}

// TestAShownSecretSignsFromThenOn, also if the service's secret was rotated since it was read. One that is
// gone is looked for once.
func TestAShownSecretSignsFromThenOn(t *testing.T) {
	r := newReceiver(t, delivery.Frames)
	send := func(shown string, reads int) {
		t.Helper()
		r.to.Shown = shown
		if err := r.Send(t.Context(), r.to, changes(changed(1, events.Added))); err != nil || r.reads != reads {
			t.Errorf("the secret was read %d times, want %d, %v", r.reads, reads, err)
		}
	}
	send("", 1)
	send(webhook.Version(oldSecret), 1)
	r.secrets = [][]byte{newSecret, oldSecret}
	send(webhook.Version(newSecret), 2)
	for name, secret := range map[string][]byte{"new": newSecret, "old": oldSecret} {
		if err := r.verify(r.last(), secret, "dst_1"); err != nil {
			t.Errorf("for who has the %s secret: %v", name, err)
		}
	}
	send(webhook.Version([]byte("gone")), 3)
	send(webhook.Version([]byte("gone")), 3)
	send(webhook.Version(newSecret), 3)
}

// TestBothSecretsOfADestinationSignForADay after its own was rotated, and then the new one alone.
func TestBothSecretsOfADestinationSignForADay(t *testing.T) {
	for name, c := range map[string]struct {
		ago  time.Duration
		want []int64 // rotations whose secrets sign
	}{"at once": {0, []int64{2, 1}}, "after 23 hours": {23 * time.Hour, []int64{2, 1}}, "after a day": {24 * time.Hour, []int64{2}}} {
		r := newReceiver(t, delivery.Frames)
		r.secrets = [][]byte{newSecret, oldSecret} // the service's was rotated, too
		r.to.Rotations, r.to.Rotated = 2, time.Now().Add(-c.ago)
		if err := r.Send(t.Context(), r.to, changes(changed(1, events.Added))); err != nil {
			t.Fatal(err)
		}
		for rotations := range int64(4) {
			for _, secret := range r.secrets {
				reference, err := standardwebhooks.NewWebhook(webhook.Secret(webhook.Key(secret, "dst_1", rotations)))
				if err != nil {
					t.Fatal(err)
				}
				if err := reference.Verify(r.last().body, r.last().header); (err == nil) != slices.Contains(c.want, rotations) {
					t.Errorf("%s, the secret of rotation %d: %v", name, rotations, err)
				}
			}
		}
	}
}

// TestWithoutKeysNothingIsSent, neither a message nor a challenge, and the next attempt reads anew.
func TestWithoutKeysNothingIsSent(t *testing.T) {
	r := newReceiver(t, delivery.Frames)
	r.err = errors.New("access denied")
	if err := r.Send(t.Context(), r.to, changes(changed(1, events.Added))); !errors.Is(err, r.err) {
		t.Errorf("Send gives %v", err)
	}
	if err := r.Challenge(t.Context(), r.to); !errors.Is(err, r.err) {
		t.Errorf("Challenge gives %v", err)
	}
	r.err, r.secrets = nil, nil
	if err := r.Send(t.Context(), r.to, changes(changed(1, events.Added))); err == nil {
		t.Error("a message is sent that nothing signs")
	}
	if len(r.got) != 0 {
		t.Errorf("it sent %v", r.got)
	}
	r.secrets, r.keys.read = [][]byte{oldSecret}, time.Time{}
	if err := r.Send(t.Context(), r.to, changes(changed(1, events.Added))); err != nil || len(r.got) != 1 {
		t.Errorf("Send gives %v after %d messages", err, len(r.got))
	}
}

// TestAnAnswerBecomesAFailure that says what the schedule has to know.
func TestAnAnswerBecomesAFailure(t *testing.T) {
	for status, want := range map[int]delivery.Failure{
		410: {Status: 410, Gone: true, RetryAfter: 0}, 429: {Status: 429, RetryAfter: 2 * time.Minute}, 500: {Status: 500}, 302: {Status: 302},
	} {
		r := newReceiver(t, delivery.Frames)
		r.answer = func(w http.ResponseWriter, _ *http.Request) {
			if status == 429 {
				w.Header().Set("Retry-After", "120")
			}
			w.Header().Set("Location", r.to.URL+"/elsewhere")
			w.WriteHeader(status)
		}
		err := r.Send(t.Context(), r.to, changes(changed(1, events.Added)))
		got := (*delivery.Failure)(nil)
		if !errors.As(err, &got) {
			t.Errorf("%d gives %v", status, err)
			continue
		}
		if got.Status != want.Status || got.Gone != want.Gone || got.RetryAfter != want.RetryAfter || got.Detail == "" || len(r.got) != 1 {
			t.Errorf("%d gives %+v after %d calls", status, got, len(r.got))
		}
	}
}

// TestAChallengeIsAnsweredByWhoKnowsIt.
func TestAChallengeIsAnsweredByWhoKnowsIt(t *testing.T) {
	r := newReceiver(t, delivery.CloudEvents)
	failure := (*delivery.Failure)(nil)
	if err := r.Challenge(t.Context(), r.to); !errors.As(err, &failure) || failure.Status != 200 {
		t.Errorf("who does not repeat it gives %v", err)
	}
	r.answer = func(w http.ResponseWriter, asked *http.Request) { _, _ = io.Copy(w, asked.Body) }
	if err := r.Challenge(t.Context(), r.to); err != nil {
		t.Errorf("who repeats it gives %v", err)
	}
	if err := r.verify(r.last(), oldSecret, "dst_1"); err != nil {
		t.Errorf("the reference library says %v", err)
	}
}

// TestEachKindGetsItsBody: what AWS has gets no webhook, and is told what the body is.
func TestEachKindGetsItsBody(t *testing.T) {
	r := newReceiver(t, delivery.Frames)
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, asking *http.Request) {
		body, err := io.ReadAll(asking.Body)
		if err != nil {
			t.Error(err)
		}
		asked = append(asked, string(body))
	}))
	t.Cleanup(server.Close)
	r.sender.targets = targets.Open(aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1, HTTPClient: dynamo.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}, "arn:events")
	reset := delivery.Message{ID: "msg_1", Ref: delivery.Ref{Topic: "a"}, Reset: &events.Reset{Topic: "a", Reason: events.ResetExpired}}
	items := delivery.Message{ID: "msg_1", Ref: delivery.Ref{Topic: "a"}, Items: &events.Snapshot{Topic: "a", Cursor: events.Cursor{Epoch: "e", Seq: 4}}}
	three := changes(changed(1, events.Added), changed(2, events.Modified), changed(3, events.Skipped))
	for _, c := range []struct {
		kind    delivery.Kind
		format  delivery.Format
		message delivery.Message
		holds   []string
	}{
		{delivery.EventBridge, delivery.Frames, three, []string{`watchroute.changes`, `\"message\":\"msg_1\",\"topic\":\"a\",\"cursor\":\"e:3\",\"type\":\"changes\"`, `"arn:events"`}},
		{delivery.EventBridge, delivery.CloudEvent, changes(changed(1, events.Added)), []string{`watchroute.cloudevent`, `\"id\":\"a@e:1\"`}},
		{delivery.EventBridge, delivery.CloudEvent, reset, []string{`watchroute.reset`, `\"type\":\"reset\"`}},
		{delivery.EventBridge, delivery.Frames, items, []string{`watchroute.snapshot`, `\"type\":\"snapshot\"`}},
		{delivery.SQS, delivery.Frames, items, []string{`e:4`, `application/json`}},
		{delivery.SQS, delivery.CloudEvents, three, []string{`e:3`, `application/cloudevents-batch+json`, `a@e:2`}},
		{delivery.SQS, delivery.CloudEvents, reset, []string{`application/json`, `reset`}},
	} {
		asked = nil
		_ = r.Send(t.Context(), delivery.Destination{Kind: c.kind, Target: "arn:target", Format: c.format, Name: "x"}, c.message) // which is not answered well
		if len(asked) != 1 || len(r.got) != 0 {
			t.Errorf("%s as %s: asked was %q", c.kind, c.format, asked)
			continue
		}
		for _, part := range c.holds {
			if !strings.Contains(asked[0], part) {
				t.Errorf("%s as %s is %s, without %s", c.kind, c.format, asked[0], part)
			}
		}
	}
}

// TestADeclaredWebhookKeepsItsKey by its name, whatever its id is.
func TestADeclaredWebhookKeepsItsKey(t *testing.T) {
	r := newReceiver(t, delivery.Frames)
	r.to.Name = "orders"
	if err := r.Send(t.Context(), r.to, changes(changed(1, events.Added))); err != nil {
		t.Fatal(err)
	}
	if err := r.verify(r.last(), oldSecret, "declared/orders"); err != nil {
		t.Errorf("the reference library says %v", err)
	}
}
