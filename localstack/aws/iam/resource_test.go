package iam_test

import (
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/iam"
)

// TestResourcePolicyLetsAServiceDeliver, for the source that it names, if nothing forbids it.
func TestResourcePolicyLetsAServiceDeliver(t *testing.T) {
	d := iam.Delivery{
		Service: "events.amazonaws.com", Action: "sqs:SendMessage", Resource: "arn:aws:sqs:us-east-1:1:q",
		Source: "arn:aws:events:us-east-1:1:rule/r", Account: "1",
	}
	policy := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	const service = `{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":["sqs:SendMessage","sqs:GetQueueUrl"],"Resource":"arn:aws:sqs:us-east-1:1:q"`
	for text, want := range map[string]bool{
		"":                    false,
		policy(service + `}`): true,
		policy(service+`}`, `{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sqs:*","Resource":"arn:aws:sqs:us-east-1:1:q","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`): true,
		policy(service+`}`, `{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true}}}`):                                    false,
		policy(service + `,"Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:us-east-1:1:rule/r"}}}`):                                                                         true,
		policy(service + `,"Condition":{"ArnLike":{"AWS:SourceArn":["arn:aws:events:us-east-1:1:rule/other","arn:aws:events:*:*:rule/*"]}}}`):                                         true,
		policy(service + `,"Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:us-east-1:1:rule/other"}}}`):                                                                     false,
		policy(service + `,"Condition":{"StringEquals":{"aws:SourceAccount":"2"}}}`):                                                                                                  false,
		policy(service + `,"Condition":{"StringEquals":{"aws:SourceAccount":"1"},"ArnEquals":{"aws:SourceArn":"arn:aws:events:us-east-1:1:rule/other"}}}`):                            false,
		policy(strings.Replace(service, "events.", "sns.", 1) + `}`):                                                                                                                  false,
		policy(strings.Replace(service, `{"Service":"events.amazonaws.com"}`, `"*"`, 1) + `}`):                                                                                        true,
		policy(strings.Replace(service, `{"Service":"events.amazonaws.com"}`, `{"AWS":"arn:aws:iam::1:root"}`, 1) + `}`):                                                              false,
		policy(strings.Replace(service, "sqs:SendMessage", "SQS:sendmessage", 1) + `}`):                                                                                               true,
		policy(strings.Replace(service, "sqs:SendMessage", "sqs:ReceiveMessage", 1) + `}`):                                                                                            false,
		policy(strings.Replace(service, "us-east-1:1:q", "us-east-1:1:other", 1) + `}`):                                                                                               false,
	} {
		if got, err := d.Permits(text); got != want || err != nil {
			t.Errorf("%s gave %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		policy(service + `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o"}}}`): "aws:PrincipalOrgID does not run locally",
		policy(service + `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`): "IpAddress does not run locally",
		policy(`{"Effect":"Allow","Principal":"*","NotAction":"x:Y","Resource":"*"}`): "NotAction",
		policy(`{"Effect":"Allow","NotPrincipal":"*","Action":"x:Y","Resource":"*"}`): "NotPrincipal",
		policy(strings.Replace(service, "Allow", "allow", 1) + `}`):                   "the Effect is \"allow\", not Allow or Deny",
		`{`: "read policy",
	} {
		if _, err := d.Permits(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gave %v, want %s", text, err, want)
		}
	}
}
