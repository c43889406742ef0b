package stack

import (
	"fmt"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/iam"
)

// delivery is that a service, for a rule or a topic, sends to a queue or invokes a function.
type delivery struct {
	logicalID      string // of the rule, the topic or the subscription
	service        string // such as "events.amazonaws.com"
	source, target string // ARNs
}

// authorizeDeliveries refuses rules and subscriptions whose queue or function does not let the service
// in. AWS makes such a rule, and loses what it should deliver.
func (d *deployment) authorizeDeliveries() error {
	for _, one := range d.deliveries {
		if err := d.authorizeDelivery(one); err != nil {
			return fmt.Errorf("%s: %w", one.logicalID, err)
		}
	}
	return nil
}

func (d *deployment) authorizeDelivery(one delivery) error {
	if strings.HasPrefix(one.target, "arn:aws:lambda:") {
		if !d.apis.Permits(one.service, one.target, one.source) {
			return fmt.Errorf("%s may not invoke %s: the template needs an AWS::Lambda::Permission for it", one.service, one.target)
		}
		return nil
	}
	var queue struct{ Attributes struct{ Policy string } }
	in := map[string]any{"QueueUrl": one.target[strings.LastIndexByte(one.target, ':')+1:], "AttributeNames": []string{"Policy"}}
	if err := d.sqs("GetQueueAttributes", in, &queue); err != nil {
		return fmt.Errorf("%s: %w", one.target, err)
	}
	action := iam.Delivery{Service: one.service, Action: "sqs:SendMessage", Resource: one.target, Source: one.source, Account: Account}
	permitted, err := action.Permits(queue.Attributes.Policy)
	if err != nil {
		return fmt.Errorf("the policy of %s: %w", one.target, err)
	}
	if !permitted {
		return fmt.Errorf("%s may not send to %s: the template needs an AWS::SQS::QueuePolicy that lets it", one.service, one.target)
	}
	return nil
}
