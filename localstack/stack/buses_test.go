package stack_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/watchroute/watchroute/localstack/aws/eventbridge"
	"github.com/watchroute/watchroute/localstack/stack"
)

// buses runs the template with buses and a clock that the test moves.
func buses(t *testing.T, change func(resources object)) (*running, *eventbridge.Hand) {
	t.Helper()
	clock := eventbridge.NewHand(time.Now())
	return start(t, func(o *stack.Options) {
		of := ownOptions(t, "buses.template.json", change)
		o.Root, o.Template, o.Clock = of.Root, of.Template, clock
	}), clock
}

// queued waits for a message in a queue, and gives its body.
func (s *running) queued(t *testing.T, name string) (body string) {
	t.Helper()
	eventually(t, "a message in "+name, func() bool {
		out, err := s.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(s.URL() + "/" + stack.Account + "/" + name)})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) > 0 {
			body = *out.Messages[0].Body
		}
		return body != ""
	})
	return body
}

// TestScheduleInvokesAFunctionThatSendsOn: the schedule's event reaches the function and a FIFO
// queue. What the function puts on a bus reaches the queue of the bus's rule, and what it publishes
// to a topic the queue that is subscribed. What it puts on a stream reaches the function that is mapped.
func TestScheduleInvokesAFunctionThatSendsOn(t *testing.T) {
	s, clock := buses(t, nil)
	if s.Outputs["SweepId"] != "Sweep" || s.Outputs["SentOnId"] != "shop|SentOn" || !strings.HasSuffix(s.Outputs["SweepArn"], ":rule/Sweep") {
		t.Errorf("the outputs are %v", s.Outputs)
	}
	clock.Advance(5*time.Minute - 1)
	if u := s.Usage().EventBridge; len(u.Rules) > 0 {
		t.Errorf("the rule fired too early: %+v", u)
	}
	clock.Advance(1)
	if got := s.queued(t, "Lanes.fifo"); got != `{"sweep":true}` {
		t.Errorf("the FIFO queue got %s", got)
	}
	var got struct {
		Source, Region string
		Detail         struct {
			Resources []string
		}
	}
	if err := json.Unmarshal([]byte(s.queued(t, "Inbox")), &got); err != nil {
		t.Fatal(err)
	}
	if got.Source != "relay" || got.Region != stack.Region || len(got.Detail.Resources) != 1 || got.Detail.Resources[0] != s.Outputs["SweepArn"] {
		t.Errorf("the queue of the bus got %+v", got)
	}
	if got := s.queued(t, "NewsLanes.fifo"); !strings.HasPrefix(got, `{"version":"0","id":"`) {
		t.Errorf("the topic's queue got %s", got)
	}
	const identity = `"invokeIdentityArn":"arn:aws:iam::000000000000:role/IntakeRole"`
	eventually(t, "the stream's function has the event", func() bool {
		for _, event := range s.seen(t, "Intake") {
			return strings.Contains(event, identity)
		}
		return false
	})
	if u := s.Usage(); u.EventBridge.Requests != 1 || u.SNS.Requests != 1 || u.Kinesis.Streams["Trail"].Records != 1 || u.IAM.Denied != 0 {
		t.Errorf("usage is %+v, %+v, %+v, %+v", u.EventBridge, u.SNS, u.Kinesis, u.IAM)
	}
}

// TestEventsNeedAGrantForTheirBus: a grant for another bus is none.
func TestEventsNeedAGrantForTheirBus(t *testing.T) {
	s, clock := buses(t, func(resources object) {
		_, list := statements(resources, "RelayRole")
		list[1].(object)["Resource"] = "arn:aws:events:us-east-1:000000000000:event-bus/default"
	})
	clock.Advance(5 * time.Minute)
	eventually(t, "a refused call", func() bool { return s.Usage().IAM.Functions["Relay"].Denied["events:PutEvents"] > 0 })
	if u := s.Usage().EventBridge; u.Events != 0 {
		t.Errorf("usage is %+v", u)
	}
}

// TestRecordsThatAFunctionRefusesGoToTheFailureQueue, and the others to the function.
func TestRecordsThatAFunctionRefusesGoToTheFailureQueue(t *testing.T) {
	s, _ := buses(t, nil)
	streams := kinesis.New(kinesis.Options{
		Region: stack.Region, BaseEndpoint: aws.String(s.URL()), Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	var records []types.PutRecordsRequestEntry
	for _, key := range []string{"good", "bad", "good"} {
		records = append(records, types.PutRecordsRequestEntry{PartitionKey: aws.String(key), ExplicitHashKey: aws.String("0"), Data: []byte("{}")})
	}
	put, err := streams.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("Trail"), Records: records})
	if err != nil {
		t.Fatal(err)
	}
	var failed struct {
		KinesisBatchInfo struct {
			ShardID             string `json:"shardId"`
			StartSequenceNumber string `json:"startSequenceNumber"`
			BatchSize           int    `json:"batchSize"`
		}
	}
	if err := json.Unmarshal([]byte(s.queued(t, "Failed")), &failed); err != nil {
		t.Fatal(err)
	}
	if got := failed.KinesisBatchInfo; got.BatchSize != 1 || got.StartSequenceNumber != *put.Records[1].SequenceNumber || got.ShardID != "shardId-000000000000" {
		t.Errorf("the failure queue got %+v", got)
	}
	eventually(t, "the function has both good records", func() bool {
		return strings.Count(fmt.Sprint(s.seen(t, "Intake")), `"partitionKey":"good"`) == 2
	})
}

// TestRecordsNeedAGrantForTheirStream: the function's, to put them, and the mapping's, to read them.
func TestRecordsNeedAGrantForTheirStream(t *testing.T) {
	s, clock := buses(t, func(resources object) {
		_, list := statements(resources, "RelayRole")
		list[3].(object)["Resource"] = "arn:aws:kinesis:us-east-1:000000000000:stream/Other"
	})
	clock.Advance(5 * time.Minute)
	eventually(t, "a refused call", func() bool { return s.Usage().IAM.Functions["Relay"].Denied["kinesis:PutRecord"] > 0 })
	for _, action := range []string{"kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"} {
		err := startErrorOf(t, ownOptions(t, "buses.template.json", func(resources object) { take(t, resources, "IntakeRole", action, "Trail") }))
		if want := "TrailToIntake: cannot access arn:aws:kinesis:us-east-1:000000000000:stream/Trail"; err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), action) {
			t.Errorf("without %s start: %v, want %s", action, err, want)
		}
	}
}

// TestMessagesNeedAGrantForTheirTopic: the function learns what it lacks.
func TestMessagesNeedAGrantForTheirTopic(t *testing.T) {
	logs := &logged{}
	clock := eventbridge.NewHand(time.Now())
	s := start(t, func(o *stack.Options) {
		of := ownOptions(t, "buses.template.json", func(resources object) {
			_, list := statements(resources, "RelayRole")
			list[2].(object)["Resource"] = "arn:aws:sns:us-east-1:000000000000:Other"
		})
		o.Root, o.Template, o.Clock, o.Log = of.Root, of.Template, clock, logs
	})
	clock.Advance(5 * time.Minute)
	eventually(t, "a refused call", func() bool { return s.Usage().IAM.Functions["Relay"].Denied["SNS:Publish"] > 0 })
	logs.await(t, "is not authorized to perform: SNS:Publish on resource: arn:aws:sns:us-east-1:000000000000:News.fifo because no identity-based policy allows the SNS:Publish action")
	for _, want := range []string{"StatusCode: 403", "AuthorizationError"} {
		logs.await(t, want)
	}
}

// TestRulesThatDoNotRunLocally, and those whose events AWS would lose.
func TestRulesThatDoNotRunLocally(t *testing.T) {
	for want, change := range map[string]func(resources object){
		"Sweep: events.amazonaws.com may not invoke arn:aws:lambda:us-east-1:000000000000:function:Relay: the template needs an AWS::Lambda::Permission for it": func(resources object) {
			properties(resources, "SweepToRelay")["SourceArn"] = "arn:aws:events:us-east-1:000000000000:rule/Other"
		},
		"SentOn: events.amazonaws.com may not send to arn:aws:sqs:us-east-1:000000000000:Inbox: the template needs an AWS::SQS::QueuePolicy that lets it": func(resources object) {
			delete(resources, "InboxPolicy")
		},
		"NewsToLanes: sns.amazonaws.com may not send to arn:aws:sqs:us-east-1:000000000000:NewsLanes.fifo: the template needs an AWS::SQS::QueuePolicy that lets it": func(resources object) {
			statement := properties(resources, "NewsLanesPolicy")["PolicyDocument"].(object)["Statement"].([]any)[0].(object)
			statement["Principal"] = object{"Service": "events.amazonaws.com"}
		},
		"SentOn: arn:aws:sqs:us-east-1:000000000000:Nowhere: GetQueueAttributes: QueueDoesNotExist: The specified queue does not exist.": func(resources object) {
			properties(resources, "SentOn")["Targets"].([]any)[0].(object)["Arn"] = "arn:aws:sqs:us-east-1:000000000000:Nowhere"
		},
		"Sweep: PutRule: ValidationException: ScheduleExpression cron(0 2 * * ? *) is not supported here": func(resources object) {
			properties(resources, "Sweep")["ScheduleExpression"] = "cron(0 2 * * ? *)"
		},
		"SentOn: PutTargets: ValidationException: InputTransformer of target Queue is not supported here": func(resources object) {
			properties(resources, "SentOn")["Targets"].([]any)[0].(object)["InputTransformer"] = object{"InputTemplate": "1"}
		},
		"SentOn: PutRule: InvalidEventPatternException": func(resources object) {
			properties(resources, "SentOn")["EventPattern"] = object{"source": "relay"}
		},
		"NewsToLanes: Subscribe: InvalidParameter: Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics": func(resources object) {
			delete(properties(resources, "News"), "FifoTopic")
		},
		"NewsToLanes: the policies and the role of a subscription do not run locally": func(resources object) {
			properties(resources, "NewsToLanes")["FilterPolicy"] = object{"a": []any{"b"}}
		},
		"Trail: only a RetentionPeriodHours of 24 and a MaxRecordSizeInKiB of 1024 run locally": func(resources object) {
			properties(resources, "Trail")["RetentionPeriodHours"] = 48
		},
		"TrailToIntake: invalid parameter value: FilterCriteria of a Kinesis stream are not supported here": func(resources object) {
			properties(resources, "TrailToIntake")["FilterCriteria"] = object{"Filters": []any{object{"Pattern": `{"data":{"a":[1]}}`}}}
		},
		"Shop: event buses of partners do not run locally": func(resources object) {
			properties(resources, "Shop")["EventSourceName"] = "aws.partner/example.com/shop"
		},
	} {
		if err := startErrorOf(t, ownOptions(t, "buses.template.json", change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("start: %v, want %s", err, want)
		}
	}
}
