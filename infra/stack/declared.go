package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskinesis"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/webhook"
)

// Destination is a place that changes are delivered to. It begins with the next change of its topics
// after it was deployed, and within a minute of that. Deployed otherwise, it goes on where it stands, within
// three minutes; with another topic or name it is a new one. It is removed when it is not declared any more.
//
// Each message comes at least once. A target that fails is tried for as long as it is declared, at last
// once a day, and nothing is lost meanwhile; see `deliver`'s log line "declared destination fails".
// Exactly one target has to be set.
type Destination struct {
	// Name is 1 to 64 letters, digits, hyphens and underscores, and no other destination's. Required.
	Name string

	// Topic is a topic such as orders/7, or a pattern: orders/* or orders/**. Required.
	Topic string

	// Filter is an event pattern, as in a subscribe, of up to 1 KB: {"status": ["paid"]}. Items that it
	// does not match are not seen. Default: none.
	Filter map[string]any

	// Fields are the members of items that are delivered. Default: all.
	Fields []string

	// Format is changes, cloudevents, or cloudevents-batch, which a Bus cannot get. Default: changes.
	Format string

	// Batch is how many changes a message has at most: 1 to 100, and 1 with the format cloudevents.
	// Default: the most.
	Batch int

	// WebhookURL is called by https. The URL is not challenged. Messages are signed with a key that
	// belongs to the Name.
	WebhookURL string

	// Queue gets messages of SQS. A FIFO queue has a message group for each topic, in which they are in
	// order. A standard queue keeps no order.
	Queue awssqs.IQueue

	// SNSTopic gets messages of SNS, FIFO or standard as with a Queue.
	SNSTopic awssns.ITopic

	// Bus gets events of EventBridge, which keeps no order. What is put to a bus that does not exist is
	// lost, because EventBridge takes it.
	Bus awsevents.IEventBus

	// Stream gets records of Kinesis. The partition key is the topic, so its changes are in order.
	Stream awskinesis.IStream
}

// target is what a destination has set.
type target struct {
	kind   delivery.Kind
	text   *string // how deliver names it
	arn    *string // nil for a webhook
	action string  // that deliver needs
	key    awskms.IKey
	most   int // characters of text, if it is known at deployment only
}

// targets gives all that a destination has set.
func (d Destination) targets() (all []target) {
	if d.WebhookURL != "" {
		all = append(all, target{kind: delivery.Webhook, text: &d.WebhookURL, most: 2_048})
	}
	if d.Queue != nil {
		all = append(all, target{delivery.SQS, d.Queue.QueueUrl(), d.Queue.QueueArn(), "sqs:SendMessage", d.Queue.EncryptionMasterKey(), 160})
	}
	if d.SNSTopic != nil {
		all = append(all, target{delivery.SNS, d.SNSTopic.TopicArn(), d.SNSTopic.TopicArn(), "sns:Publish", d.SNSTopic.MasterKey(), 320})
	}
	if d.Bus != nil {
		all = append(all, target{delivery.EventBridge, d.Bus.EventBusArn(), d.Bus.EventBusArn(), "events:PutEvents", nil, 330})
	}
	if d.Stream != nil {
		all = append(all, target{delivery.Kinesis, d.Stream.StreamArn(), d.Stream.StreamArn(), "kinesis:PutRecord", d.Stream.EncryptionKey(), 200})
	}
	return all
}

// maxInput bounds the constant input of a rule's target, in characters.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html
const maxInput = 8_192

// destinationFaults are those of what is declared.
func (p Props) destinationFaults() (faults []error) {
	refuse := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	var declared []delivery.Declared
	for _, d := range p.Destinations {
		one, err := d.declared(p)
		if err != nil {
			refuse("Destinations: %q: %w", d.Name, err)
			one.Kind, one.Target = delivery.Webhook, "" // the rest is checked all the same
		}
		declared = append(declared, one)
	}
	if err := delivery.CheckDeclared(declared); err != nil {
		refuse("Destinations: %w", err)
	}
	for i, d := range p.Destinations { // as they are at most, once deployed
		if all := d.targets(); len(all) == 1 && unresolved(declared[i].Target) {
			declared[i].Target = strings.Repeat("x", all[0].most)
		}
	}
	input, err := sweepInput(declared)
	if n := len([]rune(input)); err != nil {
		faults = append(faults, err)
	} else if n > maxInput {
		refuse("Destinations have %d characters as JSON, more than %d: declare fewer, or shorter filters", n, maxInput)
	}
	return faults
}

// declared is the destination as deliver gets it.
func (d Destination) declared(p Props) (delivery.Declared, error) {
	one := delivery.Declared{Name: d.Name, Topic: events.Topic(d.Topic), Fields: d.Fields, Format: delivery.Format(d.Format), Batch: d.Batch}
	var err error
	if d.Filter != nil {
		one.Filter, err = json.Marshal(d.Filter)
	}
	all := d.targets()
	if len(all) != 1 {
		return one, errors.Join(err, fmt.Errorf("%d targets are set, must be one of WebhookURL, Queue, SNSTopic, Bus and Stream", len(all)))
	}
	to := all[0]
	one.Kind, one.Target = to.kind, *to.text
	if to.kind == delivery.Webhook && !unresolved(*to.text) {
		err = errors.Join(err, webhook.New(webhook.Options{}).Check(*to.text))
	}
	if to.arn != nil {
		if elsewhere := regionOf(*to.arn); regions.MatchString(p.Region) && elsewhere != "" && elsewhere != p.Region {
			err = errors.Join(err, fmt.Errorf("its target is in %s, where functions in %s do not find it", elsewhere, p.Region))
		}
	}
	return one, err
}

// sweepInput is what the schedule sends to deliver, which an earlier version of it takes for the usual
// event.
func sweepInput(declared []delivery.Declared) (string, error) {
	text, err := json.Marshal(struct {
		DetailType   string              `json:"detail-type"`
		Destinations []delivery.Declared `json:"destinations"`
	}{"Scheduled Event", declared})
	return string(text), err
}

// declaration is the input of the schedule; nil if no destination is declared.
func (p Props) declaration() *string {
	if len(p.Destinations) == 0 {
		return nil
	}
	var declared []delivery.Declared
	for _, d := range p.Destinations {
		one, _ := d.declared(p) // which is right, as destinationFaults says
		declared = append(declared, one)
	}
	input, _ := sweepInput(declared)
	return &input
}

// declaredGrants allow deliver to keep what is declared, and to send there and nowhere else. Without a
// destination it may remove those of an earlier deployment.
func declaredGrants(t tables, props Props) []grant {
	grants := []grant{
		allow(t.subscriptions.AttrArn(), "dynamodb:DeleteItem"),
	}
	if len(props.Destinations) == 0 {
		return grants
	}
	grants = append(grants,
		allow(t.destinations.AttrArn(), "dynamodb:PutItem"),
		allow(t.subscriptions.AttrArn(), "dynamodb:GetItem", "dynamodb:PutItem"),
	)
	granted := map[string]bool{}
	add := func(arn *string, actions ...string) {
		if about := strings.Join(append(actions, *arn), " "); !granted[about] {
			granted[about] = true
			grants = append(grants, allow(arn, actions...))
		}
	}
	for _, d := range props.Destinations {
		for _, to := range d.targets() {
			if to.arn != nil {
				add(to.arn, to.action)
			}
			if to.key != nil { // of the customer; AWS's own needs no grant
				add(to.key.KeyArn(), "kms:GenerateDataKey", "kms:Decrypt")
			}
		}
	}
	return grants
}
