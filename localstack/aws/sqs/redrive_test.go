package sqs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

// TestWhatIsReceivedTooOftenIsSetAside: a message that nobody can handle does not come for
// ever, and is not lost either.
func TestWhatIsReceivedTooOftenIsSetAside(t *testing.T) {
	w := newWorld(t)
	source, err := w.CreateQueue(t.Context(), &client.CreateQueueInput{QueueName: aws.String("work"), Attributes: redrivePolicy(arn, `"2"`)})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := w.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: source.QueueUrl, MessageBody: aws.String("poison")})
	if err != nil {
		t.Fatal(err)
	}
	receive := func(url *string) []types.Message {
		out, err := w.ReceiveMessage(t.Context(), &client.ReceiveMessageInput{
			QueueUrl: url, VisibilityTimeout: 0, MaxNumberOfMessages: 10, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages { // the SDK leaves a timeout of 0 out
			if _, err := w.ChangeMessageVisibility(t.Context(), &client.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
		return out.Messages
	}
	for range 2 {
		if got := receive(source.QueueUrl); len(got) != 1 || got[0].Attributes["DeadLetterQueueSourceArn"] != "" {
			t.Fatalf("received %+v", got)
		}
		if got := receive(w.url); len(got) != 0 {
			t.Fatalf("set aside too early: %+v", got)
		}
	}
	if got := receive(source.QueueUrl); len(got) != 0 {
		t.Errorf("received once more: %+v", got)
	}
	got := receive(w.url)
	if len(got) != 1 || *got[0].MessageId != *sent.MessageId || *got[0].Body != "poison" {
		t.Fatalf("set aside is %+v", got)
	}
	if a := got[0].Attributes; a["DeadLetterQueueSourceArn"] != "arn:aws:sqs:us-east-1:000000000000:work" || a["ApproximateReceiveCount"] != "3" {
		t.Errorf("attributes %v", a)
	}
	if u := w.service.Usage().Queues; u["work"].Redriven != 1 || u["work"].Received != 2 || u["failures"].Sent != 0 {
		t.Errorf("usage %+v", u)
	}
}

// TestRedrivePolicyIsShownAndTakenAway: an empty text ends the policy, as on AWS.
func TestRedrivePolicyIsShownAndTakenAway(t *testing.T) {
	w := newWorld(t)
	policy := redrivePolicy(arn, "1")
	source, err := w.CreateQueue(t.Context(), &client.CreateQueueInput{QueueName: aws.String("work"), Attributes: policy})
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		out, err := w.GetQueueAttributes(t.Context(), &client.GetQueueAttributesInput{QueueUrl: source.QueueUrl, AttributeNames: []types.QueueAttributeName{"RedrivePolicy"}})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes["RedrivePolicy"]
	}
	if got := shown(); got != policy["RedrivePolicy"] {
		t.Errorf("the policy is %s", got)
	}
	if _, err := w.SetQueueAttributes(t.Context(), &client.SetQueueAttributesInput{QueueUrl: source.QueueUrl, Attributes: map[string]string{"RedrivePolicy": ""}}); err != nil {
		t.Fatal(err)
	}
	if got := shown(); got != "" {
		t.Errorf("the policy is still %s", got)
	}
	if _, err := w.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: source.QueueUrl, MessageBody: aws.String("x")}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		got, err := w.service.Receive(t.Context(), "arn:aws:sqs:us-east-1:000000000000:work", 1, 0)
		if err != nil || len(got) != 1 {
			t.Fatalf("received %+v, %v", got, err)
		}
	}
}

// TestDeadLettersOfAStandardQueueKeepTheirAge: they expire by the time they were sent at, also
// behind younger messages.
func TestDeadLettersOfAStandardQueueKeepTheirAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const dead = "arn:aws:sqs:us-east-1:000000000000:dead"
		w := &fifoWorld{t, sqs.New(sqs.Options{})}
		w.create("dead", nil)
		w.create("work", redrivePolicy(dead, "1"))
		send := func(queue string) {
			t.Helper()
			if err := w.service.Send(t.Context(), "arn:aws:sqs:us-east-1:000000000000:"+queue, queue); err != nil {
				t.Fatal(err)
			}
		}
		send("work")
		w.receive(1, map[string]any{"QueueUrl": "work"})
		time.Sleep(72 * time.Hour)
		send("dead")
		w.receive(1, map[string]any{"QueueUrl": "work"})
		seen := func(want string) {
			t.Helper()
			if got := texts(w.receive(10, map[string]any{"QueueUrl": "dead", "VisibilityTimeout": 0})); got != want {
				t.Errorf("dead letters %q, want %q", got, want)
			}
		}
		time.Sleep(24 * time.Hour) // the four days are over
		seen("dead work")
		time.Sleep(time.Nanosecond)
		seen("dead")
		time.Sleep(72 * time.Hour)
		seen("")
	})
}

// TestReceiptOfAnotherQueueNamesNothing: it deletes none of this queue's messages.
func TestReceiptOfAnotherQueueNamesNothing(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		w.create("other", nil)
		if err := w.service.Send(t.Context(), "arn:aws:sqs:us-east-1:000000000000:other", "o"); err != nil {
			t.Fatal(err)
		}
		w.fill("a1")
		m := w.expect(1, "a1")
		other := w.receive(1, map[string]any{"QueueUrl": "other"})
		w.delete(other...)
		if got := w.service.Usage().Queues[ordered].Deleted; got != 0 {
			t.Errorf("%d were deleted", got)
		}
		w.delete(m...)
	})
}

// TestReceiveByARN is how Lambda's pollers receive: they wait for a message as long as it
// takes, and hide it as long as they say.
func TestReceiveByARN(t *testing.T) {
	const work = "arn:aws:sqs:us-east-1:000000000000:q"
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, map[string]string{"VisibilityTimeout": "10"})
		if hide, err := b.service.VisibilityTimeout(work); err != nil || hide != 10*time.Second {
			t.Errorf("visibility timeout %v, %v", hide, err)
		}
		began := time.Now()
		time.AfterFunc(time.Hour, func() {
			b.call("SendMessage", map[string]any{"MessageBody": "x", "MessageAttributes": map[string]any{"a": map[string]string{"DataType": "String", "StringValue": "v"}}}, nil)
		})
		first, err := b.service.Receive(t.Context(), work, 3, 30*time.Second)
		if err != nil || len(first) != 1 || time.Since(began) != time.Hour {
			t.Fatalf("received %+v, %v, after %v", first, err, time.Since(began))
		}
		if got := first[0]; got.Attributes["ApproximateReceiveCount"] != "1" || *got.MessageAttributes["a"].StringValue != "v" {
			t.Errorf("received %+v", got)
		}
		second, err := b.service.Receive(t.Context(), work, 3, 30*time.Second)
		if err != nil || len(second) != 1 || time.Since(began) != time.Hour+30*time.Second {
			t.Fatalf("received again %+v, %v, after %v", second, err, time.Since(began))
		}
		if err := b.service.Delete(work, first[0].ReceiptHandle, second[0].ReceiptHandle); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if got, err := b.service.Receive(ctx, work, 3, 0); len(got) != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the deletion: %+v, %v", got, err)
		}
	})
}

// TestHideByARN shows some messages at once and hides others for longer. One that has been
// shown already is an error, and keeps none of the others.
func TestHideByARN(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		w.fill("a1 b1 c1")
		messages := w.expect(10, "a1 b1 c1")
		a, b, c := messages[0].ReceiptHandle, messages[1].ReceiptHandle, messages[2].ReceiptHandle
		if err := w.service.Hide(orderedARN, 0, a); err != nil {
			t.Error(err)
		}
		if err := w.service.Hide(orderedARN, time.Minute, a, b, c); err == nil || !strings.Contains(err.Error(), "The receipt handle has expired") {
			t.Errorf("hidden after it was shown: %v", err)
		}
		w.delete(w.expect(10, "a1")...)
		time.Sleep(time.Minute - time.Nanosecond)
		w.expect(10, "")
		time.Sleep(time.Nanosecond)
		w.expect(10, "b1 c1")
	})
}

// TestQueueOfAnARNIsGone: pollers of a queue that is deleted, or that never was, are told.
func TestQueueOfAnARNIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const work = "arn:aws:sqs:us-east-1:000000000000:q"
		b := newBubble(t, nil)
		gone := func(what string, err error) {
			if e := (*awsjson.Error)(nil); !errors.As(err, &e) || e.Type != "QueueDoesNotExist" {
				t.Errorf("%s: %v", what, err)
			}
		}
		time.AfterFunc(time.Second, func() { b.call("DeleteQueue", map[string]any{}, nil) })
		_, err := b.service.Receive(t.Context(), work, 1, 0)
		gone("deleted while it waits", err)
		_, err = b.service.Receive(t.Context(), work, 1, 0)
		gone("deleted", err)
		_, err = b.service.VisibilityTimeout(work)
		gone("visibility", err)
		gone("delete", b.service.Delete(work, "x"))
		gone("hide", b.service.Hide(work, 0, "x"))
		_, err = sqs.New(sqs.Options{Region: "eu-west-1"}).Receive(t.Context(), work, 1, 0)
		gone("of another Region", err)
	})
}
