package iam_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/iam"
)

var scope = iam.Scope{Region: "us-east-1", Account: "1"}

// briefly writes calls without what their ARNs have in common.
func briefly(calls []iam.Call) string {
	var parts []string
	for _, c := range calls {
		parts = append(parts, c.Action+" "+strings.TrimPrefix(c.Resource, "arn:aws:"))
	}
	return strings.Join(parts, "; ")
}

func TestDynamoDBCalls(t *testing.T) {
	const t1, t2 = "dynamodb:us-east-1:1:table/T1", "dynamodb:us-east-1:1:table/T2"
	for _, c := range []struct{ operation, body, want string }{
		{"PutItem", `{"Item":{"TableName":{"S":"T2"}},"TableName":"T1"}`, "dynamodb:PutItem " + t1},
		{"GetItem", `{"TableName":"arn:aws:` + t1 + `"}`, "dynamodb:GetItem " + t1},
		{"Query", "\n{ \"TableName\" : \"T1\" ,\t\"Limit\" : 5 }\n", "dynamodb:Query " + t1},
		{"Query", `{"IndexName":"byTitle","Limit":-1.5e3,"ConsistentRead":true,"TableName":"T1"}`, "dynamodb:Query " + t1 + "/index/byTitle"},
		{"Scan", `{"TableName":"T1","IndexName":"i"}`, "dynamodb:Scan " + t1 + "/index/i"},
		{"BatchWriteItem", `{"RequestItems":{"T1":[{"PutRequest":{}}],"T2":[]}}`, "dynamodb:BatchWriteItem " + t1 + "; dynamodb:BatchWriteItem " + t2},
		{"BatchGetItem", `{"RequestItems":{"T1":{"Keys":[]}}}`, "dynamodb:BatchGetItem " + t1},
		{"TransactGetItems", `{"TransactItems":[{"Get":{"Key":{},"TableName":"T1"}},{"Get":{"TableName":"T1"}}]}`, "dynamodb:GetItem " + t1},
		{"TransactWriteItems", `{"ClientRequestToken":"x","TransactItems":[{"Put":{"TableName":"T1"}},{"Update":{"TableName":"T1"}},
			{"Delete":{"TableName":"T2"}},{"ConditionCheck":{"TableName":"T1"}},{"Put":{"TableName":"T1"}},{"Put":{"TableName":"T2"}}]}`,
			"dynamodb:PutItem " + t1 + "; dynamodb:UpdateItem " + t1 + "; dynamodb:DeleteItem " + t2 + "; dynamodb:ConditionCheckItem " + t1 + "; dynamodb:PutItem " + t2},
		{"ListTables", `{}`, "dynamodb:ListTables *"},
		{"ListStreams", `{"TableName":"T1"}`, "dynamodb:ListStreams *"},
		{"TagResource", `{"ResourceArn":"arn:aws:` + t1 + `","Tags":[]}`, "dynamodb:TagResource " + t1},
		{"DescribeStream", `{"StreamArn":"arn:aws:` + t1 + `/stream/s"}`, "dynamodb:DescribeStream " + t1 + "/stream/s"},
		{"GetRecords", `{"ShardIterator":"arn:aws:` + t1 + `/stream/s|1|AAAA"}`, "dynamodb:GetRecords " + t1 + "/stream/s"},
		{"PutItem", `{"Table\u004eame":"T\u0031"}`, "dynamodb:PutItem " + t1},
		{"PutItem", `{"Item":{"x":{"S":"\\\"},\"TableName\":\"T2\"{"}},"TableName":"T1"}`, "dynamodb:PutItem " + t1},
		{"PutItem", `{}`, ""},
		{"PutItem", `{"TableName":7}`, ""},
		{"PutItem", `["TableName","T1"]`, ""},
		{"PutItem", `{"TableName"`, ""},
		{"PutItem", ``, ""},
	} {
		if got := briefly(scope.DynamoDB(c.operation, []byte(c.body))); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.operation, c.body, got, c.want)
		}
	}
}

func TestSQSAndConnectionsCalls(t *testing.T) {
	const url = `{"QueueUrl":"http://127.0.0.1:4566/1/Failures"}`
	for _, c := range []struct {
		got  []iam.Call
		want string
	}{
		{scope.SQS("SendMessage", []byte(url)), "sqs:sendmessage sqs:us-east-1:1:Failures"},
		{scope.SQS("SendMessageBatch", []byte(url)), "sqs:sendmessage sqs:us-east-1:1:Failures"},
		{scope.SQS("GetQueueUrl", []byte(`{"QueueName":"Failures"}`)), "sqs:getqueueurl sqs:us-east-1:1:Failures"},
		{scope.SQS("ListQueues", []byte(`{}`)), "sqs:listqueues *"},
		{[]iam.Call{scope.ManageConnections("api", "live", "POST", "AAAA=")},
			"execute-api:ManageConnections execute-api:us-east-1:1:api/live/POST/@connections/AAAA="},
	} {
		if got := briefly(c.got); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestEventBridgeCalls(t *testing.T) {
	for _, c := range []struct{ operation, body, want string }{
		{"PutEvents", `{"Entries":[{"Source":"s"},{"EventBusName":"shop","Detail":"{\"EventBusName\":\"x\"}"},{"EventBusName":"default"}]}`,
			"events:PutEvents events:us-east-1:1:event-bus/default; events:PutEvents events:us-east-1:1:event-bus/shop"},
		{"PutEvents", `{"Entries":[{"EventBusName":"arn:aws:events:eu-west-1:2:event-bus/shop"}]}`, "events:PutEvents events:eu-west-1:2:event-bus/shop"},
		{"PutEvents", `{"Entries":[]}`, ""},
		{"CreateEventBus", `{"Name":"shop"}`, "events:CreateEventBus events:us-east-1:1:event-bus/shop"},
		{"PutRule", `{"Name":"r"}`, "events:PutRule events:us-east-1:1:rule/r"},
		{"PutRule", `{"Name":"r","EventBusName":"shop"}`, "events:PutRule events:us-east-1:1:rule/shop/r"},
		{"PutTargets", `{"EventBusName":"arn:aws:events:us-east-1:1:event-bus/shop","Rule":"r"}`, "events:PutTargets events:us-east-1:1:rule/shop/r"},
	} {
		if got := briefly(scope.EventBridge(c.operation, []byte(c.body))); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.operation, c.body, got, c.want)
		}
	}
}

func TestSNSCalls(t *testing.T) {
	const topic = "sns:us-east-1:1:news"
	for _, c := range []struct{ operation, body, want string }{
		{"Publish", `{"Message":"{\"TopicArn\":\"x\"}","TopicArn":"arn:aws:` + topic + `"}`, "SNS:Publish " + topic},
		{"Publish", `{"TargetArn":"arn:aws:` + topic + `"}`, "SNS:Publish " + topic},
		{"Publish", `{"TopicArn":"arn:aws:` + topic + `","TargetArn":"arn:aws:sns:us-east-1:1:other"}`, "SNS:Publish " + topic + "; SNS:Publish sns:us-east-1:1:other"},
		{"PublishBatch", `{"TopicArn":"arn:aws:` + topic + `","PublishBatchRequestEntries":[{"Message":"m"}]}`, "SNS:Publish " + topic},
		{"Subscribe", `{"TopicArn":"arn:aws:` + topic + `","Protocol":"sqs"}`, "SNS:Subscribe " + topic},
		{"CreateTopic", `{"Name":"news"}`, "SNS:CreateTopic " + topic},
	} {
		if got := briefly(scope.SNS(c.operation, []byte(c.body))); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.operation, c.body, got, c.want)
		}
	}
}

func TestKinesisCalls(t *testing.T) {
	const stream = "kinesis:us-east-1:1:stream/s"
	streamOf := func(iterator string) string { return strings.TrimPrefix(iterator, "iterator of ") }
	for _, c := range []struct{ operation, body, want string }{
		{"PutRecord", `{"StreamName":"s","Data":"eyJTdHJlYW1OYW1lIjoieCJ9","PartitionKey":"StreamName"}`, "kinesis:PutRecord " + stream},
		{"PutRecords", `{"StreamARN":"arn:aws:` + stream + `","Records":[{"StreamName":"x"}]}`, "kinesis:PutRecords " + stream},
		{"PutRecord", `{"StreamName":"s","StreamARN":"arn:aws:kinesis:us-east-1:1:stream/t"}`, "kinesis:PutRecord " + stream + "; kinesis:PutRecord kinesis:us-east-1:1:stream/t"},
		{"GetRecords", `{"ShardIterator":"iterator of s"}`, "kinesis:GetRecords " + stream},
		{"GetRecords", `{"ShardIterator":""}`, ""},
	} {
		if got := briefly(scope.Kinesis(c.operation, []byte(c.body), streamOf)); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.operation, c.body, got, c.want)
		}
	}
}

func TestSecretsManagerCalls(t *testing.T) {
	const arn = "arn:aws:secretsmanager:us-east-1:1:secret:key-AbCdEf"
	find := func(id string) string {
		if id == "key" || id == arn {
			return arn
		}
		return ""
	}
	for _, c := range []struct{ operation, body, want string }{
		{"GetSecretValue", `{"SecretId":"key"}`, "secretsmanager:GetSecretValue secretsmanager:us-east-1:1:secret:key-AbCdEf"},
		{"GetSecretValue", `{"VersionStage":"AWSPREVIOUS","SecretId":"` + arn + `"}`, "secretsmanager:GetSecretValue secretsmanager:us-east-1:1:secret:key-AbCdEf"},
		{"GetSecretValue", `{"SecretId":"other"}`, "secretsmanager:GetSecretValue other"},
		{"CreateSecret", `{"Name":"new","SecretString":"{\"SecretId\":\"key\"}"}`, "secretsmanager:CreateSecret new"},
		{"GetSecretValue", `{}`, ""},
	} {
		if got := briefly(scope.SecretsManager(c.operation, []byte(c.body), find)); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.operation, c.body, got, c.want)
		}
	}
}

func BenchmarkAuthorizePutItem(b *testing.B) {
	session := fanout(b)
	body := []byte(`{"Item":{"topic":{"S":"stocks/AAPL"},"data":{"S":"` + strings.Repeat("x", 1000) + `"}},"TableName":"T9"}`)
	for b.Loop() {
		if err := session.Authorize(scope.DynamoDB("PutItem", body)...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthorizeTransactionOf100(b *testing.B) {
	session := fanout(b)
	put := `{"Put":{"Item":{"topic":{"S":"stocks/AAPL"},"data":{"S":"` + strings.Repeat("x", 200) + `"}},"TableName":"T9"}}`
	body := []byte(`{"TransactItems":[` + strings.Join(slices.Repeat([]string{put}, 100), ",") + `]}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := session.Authorize(scope.DynamoDB("TransactWriteItems", body)...); err != nil {
			b.Fatal(err)
		}
	}
}

// fanout is a session of a role with twenty grants, of which the last is the one.
func fanout(t testing.TB) *iam.Session {
	var statements []string
	for n := range 10 {
		statements = append(statements, fmt.Sprintf(`{"Effect":"Allow","Action":["dynamodb:Query","dynamodb:PutItem"],"Resource":"arn:aws:dynamodb:us-east-1:*:table/T%d"}`, n))
	}
	return role(t, statements...).Session("Fanout")
}
