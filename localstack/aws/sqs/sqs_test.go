package sqs_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
	"github.com/watchroute/watchroute/shared/dynamo"
)

const arn = "arn:aws:sqs:us-east-1:000000000000:failures"

// world is a service with the queue "failures", and the SDK's client for it.
type world struct {
	*client.Client
	service *sqs.Service
	url     *string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := sqs.New(sqs.Options{BaseURL: "http://127.0.0.1:4566"})
	server := httptest.NewServer(s.Service())
	t.Cleanup(server.Close)
	c := client.New(client.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1, HTTPClient: dynamo.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	created, err := c.CreateQueue(t.Context(), &client.CreateQueueInput{QueueName: aws.String("failures")})
	if err != nil {
		t.Fatal(err)
	}
	return &world{c, s, created.QueueUrl}
}

func (w *world) send(t *testing.T, body string) *client.SendMessageOutput {
	t.Helper()
	out, err := w.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: w.url, MessageBody: &body})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) receive(t *testing.T, in client.ReceiveMessageInput) []types.Message {
	t.Helper()
	in.QueueUrl = w.url
	out, err := w.ReceiveMessage(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

func bodies(messages []types.Message) (all []string) {
	for _, m := range messages {
		all = append(all, *m.Body)
	}
	return all
}

func TestSendReceiveDelete(t *testing.T) {
	w := newWorld(t)
	sent, err := w.SendMessage(t.Context(), &client.SendMessageInput{
		QueueUrl: w.url, MessageBody: aws.String("one"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"reason": {DataType: aws.String("String"), StringValue: aws.String("bad_topic")},
			"raw":    {DataType: aws.String("Binary"), BinaryValue: []byte{1, 2}},
		},
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
			"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := w.receive(t, client.ReceiveMessageInput{
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if len(got) != 1 || *got[0].MessageId != *sent.MessageId || *got[0].Body != "one" {
		t.Fatalf("received %+v", got)
	}
	m := got[0]
	if *m.MessageAttributes["reason"].StringValue != "bad_topic" || string(m.MessageAttributes["raw"].BinaryValue) != "\x01\x02" {
		t.Errorf("attributes are %+v", m.MessageAttributes)
	}
	if *m.MD5OfMessageAttributes != *sent.MD5OfMessageAttributes {
		t.Errorf("attribute checksums are %s and %s", *sent.MD5OfMessageAttributes, *m.MD5OfMessageAttributes)
	}
	if m.Attributes["SenderId"] != "000000000000" || m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["AWSTraceHeader"] != "Root=1" ||
		len(m.Attributes["SentTimestamp"]) != 13 || len(m.Attributes["ApproximateFirstReceiveTimestamp"]) != 13 {
		t.Errorf("system attributes are %v", m.Attributes)
	}
	if again := w.receive(t, client.ReceiveMessageInput{}); len(again) != 0 {
		t.Errorf("a message in flight was received: %v", bodies(again))
	}
	for range 2 { // the second is no error
		if _, err := w.DeleteMessage(t.Context(), &client.DeleteMessageInput{QueueUrl: w.url, ReceiptHandle: m.ReceiptHandle}); err != nil {
			t.Fatal(err)
		}
	}
	u := w.service.Usage().Queues["failures"]
	if want := (sqs.QueueUsage{Requests: 5, Sent: 1, Received: 1, Deleted: 1}); u != want {
		t.Errorf("usage is %+v, want %+v", u, want)
	}
	w.service.ResetUsage()
	if u := w.service.Usage().Queues["failures"]; u != (sqs.QueueUsage{}) {
		t.Errorf("usage after the reset is %+v", u)
	}
}

func TestSendByARN(t *testing.T) {
	w := newWorld(t)
	if err := w.service.Send(t.Context(), arn, `{"version":"1.0"}`); err != nil {
		t.Fatal(err)
	}
	if got := bodies(w.receive(t, client.ReceiveMessageInput{})); !slices.Equal(got, []string{`{"version":"1.0"}`}) {
		t.Errorf("received %q", got)
	}
	var e *awsjson.Error
	if err := w.service.Send(t.Context(), arn+"2", "x"); !errors.As(err, &e) || e.Type != "QueueDoesNotExist" {
		t.Errorf("unknown queue: %v", err)
	}
}

func TestQueues(t *testing.T) {
	w := newWorld(t)
	if *w.url != "http://127.0.0.1:4566/000000000000/failures" {
		t.Errorf("queue URL is %s", *w.url)
	}
	for _, name := range []string{"b", "a", "failures"} { // the last exists with these settings
		if _, err := w.CreateQueue(t.Context(), &client.CreateQueueInput{QueueName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	found, err := w.GetQueueUrl(t.Context(), &client.GetQueueUrlInput{QueueName: aws.String("a")})
	if err != nil || !strings.HasSuffix(*found.QueueUrl, "/000000000000/a") {
		t.Errorf("GetQueueUrl: %+v, %v", found, err)
	}
	var names []string
	pages := client.NewListQueuesPaginator(w, &client.ListQueuesInput{MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, url := range page.QueueUrls {
			names = append(names, url[strings.LastIndexByte(url, '/')+1:])
		}
	}
	if !slices.Equal(names, []string{"a", "b", "failures"}) {
		t.Errorf("queues are %q", names)
	}
	if _, err := w.DeleteQueue(t.Context(), &client.DeleteQueueInput{QueueUrl: w.url}); err != nil {
		t.Fatal(err)
	}
	left, err := w.ListQueues(t.Context(), &client.ListQueuesInput{QueueNamePrefix: aws.String("f")})
	if err != nil || len(left.QueueUrls) != 0 {
		t.Errorf("after the deletion there are %+v, %v", left, err)
	}
}

func TestAttributes(t *testing.T) {
	w := newWorld(t)
	w.send(t, "visible")
	w.send(t, "in flight")
	w.receive(t, client.ReceiveMessageInput{})
	if _, err := w.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: w.url, MessageBody: aws.String("later"), DelaySeconds: 900}); err != nil {
		t.Fatal(err)
	}
	_, err := w.SetQueueAttributes(t.Context(), &client.SetQueueAttributesInput{
		QueueUrl: w.url, Attributes: map[string]string{"VisibilityTimeout": "7", "Policy": "{}"},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.GetQueueAttributes(t.Context(), &client.GetQueueAttributesInput{QueueUrl: w.url, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"QueueArn": arn, "VisibilityTimeout": "7", "Policy": "{}", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
		"ApproximateNumberOfMessages": "1", "ApproximateNumberOfMessagesNotVisible": "1", "ApproximateNumberOfMessagesDelayed": "1",
	} {
		if out.Attributes[name] != want {
			t.Errorf("%s is %q, want %q", name, out.Attributes[name], want)
		}
	}
	one, err := w.GetQueueAttributes(t.Context(), &client.GetQueueAttributesInput{QueueUrl: w.url, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	if err != nil || len(one.Attributes) != 1 || one.Attributes["QueueArn"] != arn {
		t.Errorf("one attribute: %+v, %v", one, err)
	}
	if _, err := w.PurgeQueue(t.Context(), &client.PurgeQueueInput{QueueUrl: w.url}); err != nil {
		t.Fatal(err)
	}
	if got := w.receive(t, client.ReceiveMessageInput{}); len(got) != 0 {
		t.Errorf("a purged queue has %q", bodies(got))
	}
}

func TestBatches(t *testing.T) {
	w := newWorld(t)
	var entries []types.SendMessageBatchRequestEntry
	for i := range 9 {
		entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(fmt.Sprint("body ", i))})
	}
	entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String("bad"), MessageBody: aws.String("\x00")})
	sent, err := w.SendMessageBatch(t.Context(), &client.SendMessageBatchInput{QueueUrl: w.url, Entries: entries})
	if err != nil {
		t.Fatal(err)
	}
	if len(sent.Successful) != 9 || len(sent.Failed) != 1 || *sent.Failed[0].Id != "bad" || *sent.Failed[0].Code != "InvalidMessageContents" || !sent.Failed[0].SenderFault {
		t.Fatalf("sent %+v, failed %+v", sent.Successful, sent.Failed)
	}
	got := w.receive(t, client.ReceiveMessageInput{MaxNumberOfMessages: 10})
	if len(got) != 9 || *got[8].Body != "body 8" {
		t.Fatalf("received %q", bodies(got))
	}
	deletions := []types.DeleteMessageBatchRequestEntry{{Id: aws.String("bad"), ReceiptHandle: aws.String("nonsense")}}
	for i, m := range got {
		deletions = append(deletions, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
	}
	deleted, err := w.DeleteMessageBatch(t.Context(), &client.DeleteMessageBatchInput{QueueUrl: w.url, Entries: deletions})
	if err != nil || len(deleted.Successful) != 9 || len(deleted.Failed) != 1 || *deleted.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Fatalf("deleted %+v, %v", deleted, err)
	}
}
