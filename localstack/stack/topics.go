package stack

import (
	"cmp"
	"fmt"

	"github.com/watchroute/watchroute/localstack/aws/template"
)

// snsService is what policies call SNS.
const snsService = "sns.amazonaws.com"

// topicProperties are those of AWS::SNS::Topic.
type topicProperties struct {
	TopicName                 string
	FifoTopic                 bool
	ContentBasedDeduplication bool
	FifoThroughputScope       string
	DisplayName               string
	MaximumMessageSize        int
	ArchivePolicy             any
	Subscription              []struct{ Protocol, Endpoint string }
}

// attributes are those of CreateTopic.
func (p topicProperties) attributes() map[string]string {
	attributes := map[string]string{}
	for name, value := range map[string]string{"FifoThroughputScope": p.FifoThroughputScope, "DisplayName": p.DisplayName} {
		if value != "" {
			attributes[name] = value
		}
	}
	if p.FifoTopic {
		attributes["FifoTopic"] = "true"
	}
	if p.ContentBasedDeduplication {
		attributes["ContentBasedDeduplication"] = "true"
	}
	if p.MaximumMessageSize != 0 {
		attributes["MaximumMessageSize"] = fmt.Sprint(p.MaximumMessageSize)
	}
	return attributes
}

// createTopic makes a topic and its subscriptions. It is named as createQueue names a queue.
func (d *deployment) createTopic(r template.Resource) (template.Physical, error) {
	var p topicProperties
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	if p.ArchivePolicy != nil {
		return template.Physical{}, fmt.Errorf("an ArchivePolicy does not run locally")
	}
	name := cmp.Or(p.TopicName, r.LogicalID)
	if p.FifoTopic && p.TopicName == "" {
		name += ".fifo"
	}
	var created struct{ TopicArn string }
	if err := d.sns("CreateTopic", map[string]any{"Name": name, "Attributes": p.attributes()}, &created); err != nil {
		return template.Physical{}, err
	}
	for _, s := range p.Subscription {
		if err := d.sns("Subscribe", map[string]any{"TopicArn": created.TopicArn, "Protocol": s.Protocol, "Endpoint": s.Endpoint}, nil); err != nil {
			return template.Physical{}, err
		}
		d.deliveries = append(d.deliveries, delivery{r.LogicalID, snsService, created.TopicArn, s.Endpoint})
	}
	return template.Physical{Ref: created.TopicArn, Attributes: map[string]string{"TopicArn": created.TopicArn, "TopicName": name}}, nil
}

// createSubscription subscribes a queue to a topic.
func (d *deployment) createSubscription(r template.Resource) (template.Physical, error) {
	var p struct {
		TopicArn            string
		Protocol            string
		Endpoint            string
		RawMessageDelivery  bool
		FilterPolicy        any
		RedrivePolicy       any
		DeliveryPolicy      any
		ReplayPolicy        any
		SubscriptionRoleArn string
	}
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	if p.FilterPolicy != nil || p.RedrivePolicy != nil || p.DeliveryPolicy != nil || p.ReplayPolicy != nil || p.SubscriptionRoleArn != "" {
		return template.Physical{}, fmt.Errorf("the policies and the role of a subscription do not run locally")
	}
	attributes := map[string]string{"RawMessageDelivery": fmt.Sprint(p.RawMessageDelivery)}
	var made struct{ SubscriptionArn string }
	in := map[string]any{"TopicArn": p.TopicArn, "Protocol": p.Protocol, "Endpoint": p.Endpoint, "Attributes": attributes}
	if err := d.sns("Subscribe", in, &made); err != nil {
		return template.Physical{}, err
	}
	d.deliveries = append(d.deliveries, delivery{r.LogicalID, snsService, p.TopicArn, p.Endpoint})
	return template.Physical{Ref: made.SubscriptionArn, Attributes: map[string]string{"Arn": made.SubscriptionArn}}, nil
}

// sns calls an operation of the stack's own SNS.
func (d *deployment) sns(operation string, input, output any) error {
	return call(d.ctx, d.stack.topics.Service(), operation, input, output)
}
