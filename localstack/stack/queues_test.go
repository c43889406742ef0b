package stack_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/watchroute/watchroute/localstack/stack"
)

// TestQueuesShowWhatTheTemplateSets: whoever looks at a queue finds its policy, encryption
// and retention as on AWS.
func TestQueuesShowWhatTheTemplateSets(t *testing.T) {
	s := start(t, nil)
	out, err := s.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(s.Outputs["FailureQueueUrl"]), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Attributes; got["SqsManagedSseEnabled"] != "true" || got["MessageRetentionPeriod"] != "1209600" ||
		!strings.Contains(got["Policy"], `"aws:SecureTransport":"false"`) || !strings.Contains(got["Policy"], `:FailureQueue"`) {
		t.Errorf("the failure queue has %v", got)
	}
}

// TestMappingsThatLambdaRefuses: what AWS would refuse at a deployment does not start here.
func TestMappingsThatLambdaRefuses(t *testing.T) {
	for want, change := range map[string]func(resources object){
		"Orders: CreateQueue: InvalidParameterValue: Value {\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:FailureQueue\"": func(resources object) {
			addFIFO(resources)
			properties(resources, "Orders")["RedrivePolicy"].(object)["deadLetterTargetArn"] = object{"Fn::GetAtt": []any{"FailureQueue", "Arn"}}
		},
		"GivenUpToSalvage: the mapping of a queue has properties": func(resources object) {
			properties(resources, "GivenUpToSalvage")["MaximumRetryAttempts"] = 1
		},
		"GivenUpToSalvage: FilterCriteria of a queue do not run locally": func(resources object) {
			properties(resources, "GivenUpToSalvage")["FilterCriteria"] = object{"Filters": []any{object{"Pattern": `{"body":{"a":[1]}}`}}}
		},
		"GivenUpToSalvage: invalid parameter value: MaximumConcurrency is 1, must be 2 to 1000": func(resources object) {
			properties(resources, "GivenUpToSalvage")["ScalingConfig"] = object{"MaximumConcurrency": 1}
		},
		"GivenUpToSalvage: invalid parameter value: BatchSize is 11, must be 1 to 10 for a FIFO queue": func(resources object) {
			addFIFO(resources)
			properties(resources, "GivenUpToSalvage")["BatchSize"] = 11
			properties(resources, "GivenUpToSalvage")["MaximumBatchingWindowInSeconds"] = 1
		},
		"GivenUpToSalvage: invalid parameter value: a batching window is not supported for FIFO queues": func(resources object) {
			addFIFO(resources)
			properties(resources, "GivenUpToSalvage")["MaximumBatchingWindowInSeconds"] = 1
		},
		"GivenUpToSalvage: ProvisionedPollerConfig does not run locally": func(resources object) {
			properties(resources, "GivenUpToSalvage")["ProvisionedPollerConfig"] = object{"MaximumPollers": 2}
		},
		"EventsToFanout: the mapping of a stream has a ScalingConfig": func(resources object) {
			properties(resources, "EventsToFanout")["ScalingConfig"] = object{"MaximumConcurrency": 2}
		},
		"GivenUpToSalvage: invalid parameter value: queue visibility timeout: 59 seconds is less than function timeout: 60 seconds": func(resources object) {
			properties(resources, "GivenUpQueue")["VisibilityTimeout"] = 59
		},
		"GivenUpQueue: CreateQueue: UnsupportedOperation: RedriveAllowPolicy is not supported here.": func(resources object) {
			properties(resources, "GivenUpQueue")["RedriveAllowPolicy"] = object{"redrivePermission": "allowAll"}
		},
		"GivenUpQueue: CreateQueue: InvalidParameterValue": func(resources object) {
			properties(resources, "GivenUpQueue")["RedrivePolicy"].(object)["maxReceiveCount"] = 0
		},
	} {
		if err := startError(t, edited(t, change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("start: %v, want %s", err, want)
		}
	}
}

// addFIFO adds the FIFO queue Orders, without a name of its own, with a FIFO dead-letter queue.
func addFIFO(resources object) {
	queue := func(more object) object {
		more["FifoQueue"] = true
		return object{"Type": "AWS::SQS::Queue", "Properties": more}
	}
	arn := func(id string) object { return object{"Fn::GetAtt": []any{id, "Arn"}} }
	resources["OrdersDead"] = queue(object{"QueueName": "dead-orders.fifo", "Tags": []any{object{"Key": "k", "Value": "v"}}})
	resources["Standard"] = object{"Type": "AWS::SQS::Queue", "Properties": object{"FifoQueue": false}}
	resources["Orders"] = queue(object{
		"ContentBasedDeduplication": true, "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId", "VisibilityTimeout": 60,
		"DelaySeconds": "0", "ReceiveMessageWaitTimeSeconds": 20,
		"RedrivePolicy": object{"deadLetterTargetArn": arn("OrdersDead"), "maxReceiveCount": 5},
	})
	properties(resources, "GivenUpToSalvage")["EventSourceArn"] = arn("Orders")
	_, list := statements(resources, "SalvageRole")
	list[0].(object)["Resource"] = arn("Orders") // what its mapping may read
}

// TestTemplateDeclaresFIFOQueues with their attributes; a queue without a name gets one that
// ends with .fifo, and a function is fed from it.
func TestTemplateDeclaresFIFOQueues(t *testing.T) {
	s := start(t, func(o *stack.Options) { o.Template = edited(t, addFIFO) })
	attributes := func() map[string]string {
		out, err := s.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: s.ordersURL(), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes
	}
	got := attributes()
	for name, want := range map[string]string{
		"DelaySeconds": "0", "ReceiveMessageWaitTimeSeconds": "20",
		"FifoQueue": "true", "ContentBasedDeduplication": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId",
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead-orders.fifo","maxReceiveCount":5}`,
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	s.sendOrder(t)
	eventually(t, "the function has got the message", func() bool { return s.Usage().SQS.Queues["Orders.fifo"].Received == 1 })
}

// sendOrder sends a message to the queue of addFIFO.
func (s *running) sendOrder(t *testing.T) {
	t.Helper()
	_, err := s.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: s.ordersURL(), MessageBody: aws.String("{}"), MessageGroupId: aws.String("a"),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *running) ordersURL() *string {
	return aws.String(s.URL() + "/" + stack.Account + "/Orders.fifo")
}
