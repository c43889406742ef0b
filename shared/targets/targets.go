// Package targets is the only place that knows how to put a message to an AWS queue, topic, bus or
// stream.
//
//	kind         order                                  repeats are known by
//	SQS, SNS     FIFO: of a topic, by its group         FIFO: the deduplication id, for 5 minutes;
//	             standard: none                         standard: the attribute message-id
//	EventBridge  none, though events are put in order   detail.message, or the id of a CloudEvent
//	Kinesis      of a topic, by its partition key       the cursors in the body
//
// Messages of SQS and SNS have the attributes message-id, topic, cursor and content-type. The group of
// a FIFO queue or topic is the topic, or its SHA-256 in hexadecimal if it is longer than 128 bytes.
//
// An event has the source watchroute, the ARN of the Events table as its resource, and as its detail
// type watchroute. and what the body is: changes, reset, snapshot or cloudevent. Its detail is the body.
// A frame also has the member message, and one of changes topic and cursor, so that rules can match
// them.
//
// Sources: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html,
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html,
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html and
// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html
package targets

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/delivery"
)

// Time is how long a call may take, with the SDK's own retries.
const Time = 15 * time.Second

// Message is what a target gets.
type Message struct {
	ID          string // the same in each attempt
	Topic       events.Topic
	Cursor      events.Cursor // up to which the message brings its topic; zero if it does not
	Type        string        // of the body: changes, reset, snapshot or cloudevent
	ContentType string
	Body        []byte // JSON of up to 256 KB; for EventBridge an object
}

// Client puts messages to targets. Safe for concurrent use.
type Client struct {
	source      string
	sqs         *sqs.Client
	sns         *sns.Client
	eventbridge *eventbridge.Client
	kinesis     *kinesis.Client
	sequences   sequences
}

// Open gives a client. source is the ARN of the Events table. It makes no call.
func Open(cfg aws.Config, source string) *Client {
	return &Client{
		source: source, sqs: sqs.NewFromConfig(cfg), sns: sns.NewFromConfig(cfg),
		eventbridge: eventbridge.NewFromConfig(cfg), kinesis: kinesis.NewFromConfig(cfg),
	}
}

// Send puts a message to the target of a destination. A failure is a *delivery.Failure, whose detail
// has AWS's words.
func (c *Client) Send(ctx context.Context, to delivery.Destination, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, Time)
	defer cancel()
	m.Body = textOf(m.Body)
	var err error
	switch to.Kind {
	case delivery.SQS:
		err = c.toQueue(ctx, to.Target, m)
	case delivery.SNS:
		err = c.toTopic(ctx, to.Target, m)
	case delivery.EventBridge:
		err = c.toBus(ctx, to.Target, m)
	case delivery.Kinesis:
		err = c.toStream(ctx, to.Target, m)
	default:
		return fmt.Errorf("%s is no kind of target", to.Kind)
	}
	return failure(to.Kind, err)
}

// textOf writes JSON in the characters of XML, which are all that SQS takes. U+FFFE and U+FFFF are within
// strings only, where they can be escaped.
func textOf(body []byte) []byte {
	body = bytes.ReplaceAll(body, []byte("\ufffe"), []byte(`\ufffe`))
	return bytes.ReplaceAll(body, []byte("\uffff"), []byte(`\uffff`))
}

// ordered reports whether a queue or a topic keeps order, which its name says.
func ordered(target string) bool { return strings.HasSuffix(target, ".fifo") }

// maxGroup bounds the name of a message group, in bytes.
const maxGroup = 128

// group is the group of a topic.
func group(topic events.Topic) *string {
	if len(topic) <= maxGroup {
		return aws.String(string(topic))
	}
	sum := sha256.Sum256([]byte(topic))
	return aws.String(hex.EncodeToString(sum[:]))
}

// attributes are those of a message for a queue or a topic.
func (m Message) attributes() map[string]string {
	all := map[string]string{"message-id": m.ID, "topic": string(m.Topic), "content-type": m.ContentType}
	if m.Cursor != (events.Cursor{}) {
		all["cursor"] = m.Cursor.String()
	}
	return all
}

func (c *Client) toQueue(ctx context.Context, url string, m Message) error {
	in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(string(m.Body)), MessageAttributes: map[string]sqstypes.MessageAttributeValue{}}
	for name, value := range m.attributes() {
		in.MessageAttributes[name] = sqstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	if ordered(url) {
		in.MessageGroupId, in.MessageDeduplicationId = group(m.Topic), &m.ID
	}
	_, err := c.sqs.SendMessage(ctx, in)
	return err
}

func (c *Client) toTopic(ctx context.Context, arn string, m Message) error {
	in := &sns.PublishInput{TopicArn: &arn, Message: aws.String(string(m.Body)), MessageAttributes: map[string]snstypes.MessageAttributeValue{}}
	for name, value := range m.attributes() {
		in.MessageAttributes[name] = snstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	if ordered(arn) {
		in.MessageGroupId, in.MessageDeduplicationId = group(m.Topic), &m.ID
	}
	_, err := c.sns.Publish(ctx, in)
	return err
}

// eventSource is that of events.
const eventSource = "watchroute"

// toBus puts one event. An event that is refused is answered with HTTP 200.
func (c *Client) toBus(ctx context.Context, arn string, m Message) error {
	detail, err := m.detail()
	if err != nil {
		return err
	}
	out, err := c.eventbridge.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []eventbridgetypes.PutEventsRequestEntry{{
		EventBusName: &arn, Source: aws.String(eventSource), DetailType: aws.String(eventSource + "." + m.Type),
		Resources: []string{c.source}, Detail: &detail,
	}}})
	if err != nil {
		return err
	}
	for _, entry := range out.Entries {
		if entry.ErrorCode != nil {
			return &smithy.GenericAPIError{Code: *entry.ErrorCode, Message: aws.ToString(entry.ErrorMessage)}
		}
	}
	if out.FailedEntryCount > 0 || len(out.Entries) != 1 {
		return errors.New("the event was not taken, without a reason")
	}
	return nil
}

// detail is the body, and for a frame what rules match.
func (m Message) detail() (string, error) {
	if len(m.Body) < 2 || m.Body[0] != '{' {
		return "", errors.New("the detail of an event must be an object")
	}
	var added any
	switch m.Type {
	case "cloudevent":
		return string(m.Body), nil
	case "changes":
		added = struct {
			Message string       `json:"message"`
			Topic   events.Topic `json:"topic"`
			Cursor  string       `json:"cursor"`
		}{m.ID, m.Topic, m.Cursor.String()}
	default: // which name their topic
		added = struct {
			Message string `json:"message"`
		}{m.ID}
	}
	first, err := events.Marshal(added)
	if err != nil {
		return "", err
	}
	return string(first[:len(first)-1]) + "," + string(m.Body[1:]), nil
}

// toStream puts a record. One process puts those of a topic one after the other, each with a greater
// number than the one before. Those of two processes are put at different times.
func (c *Client) toStream(ctx context.Context, arn string, m Message) error {
	key := string(m.Topic) // of at most 256 characters
	out, err := c.kinesis.PutRecord(ctx, &kinesis.PutRecordInput{
		StreamARN: &arn, PartitionKey: &key, Data: m.Body, SequenceNumberForOrdering: c.sequences.get(arn, key),
	})
	if err != nil {
		c.sequences.set(arn, key, nil) // the stream may be another by now
		return err
	}
	c.sequences.set(arn, key, out.SequenceNumber)
	return nil
}

// failure gives an error of AWS as package delivery knows it; nil for none.
func failure(kind delivery.Kind, err error) error {
	if err == nil {
		return nil
	}
	f := &delivery.Failure{Detail: fmt.Sprintf("%s: %s", kind, err)}
	if response := (*awshttp.ResponseError)(nil); errors.As(err, &response) {
		f.Status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		f.Detail = fmt.Sprintf("%s: %s: %s", kind, api.ErrorCode(), api.ErrorMessage())
	}
	if (retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}).IsErrorThrottle(err).Bool() {
		f.Status = 429 // as HTTP says it
	}
	return f
}
