package iam_test

import (
	"errors"
	"reflect"
	"sync"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/iam"
)

const queueARN = "arn:aws:sqs:us-east-1:123456789012:Failures"

func TestRefusalsReadLikeAWS(t *testing.T) {
	s := role(t, statement("Allow", "sqs:*", "*"), statement("Deny", "sqs:PurgeQueue", "*")).Session("Fan")
	for call, want := range map[iam.Call]string{
		{Action: "dynamodb:PutItem", Resource: "arn:aws:dynamodb:us-east-1:123456789012:table/T"}: "User: arn:aws:sts::123456789012:assumed-role/Fanout/Fan is not authorized to perform: " +
			"dynamodb:PutItem on resource: arn:aws:dynamodb:us-east-1:123456789012:table/T because no identity-based policy allows the dynamodb:PutItem action",
		{Action: "sqs:PurgeQueue", Resource: queueARN}: "User: arn:aws:sts::123456789012:assumed-role/Fanout/Fan is not authorized to perform: " +
			"sqs:PurgeQueue on resource: " + queueARN + " with an explicit deny in an identity-based policy",
	} {
		var denied *iam.Denied
		if err := s.Authorize(call); !errors.As(err, &denied) || err.Error() != want || denied.Call != call {
			t.Errorf("%v:\n got %v\nwant %s", call, err, want)
		}
	}
	if err := s.Authorize(iam.Call{Action: "sqs:SendMessage", Resource: queueARN}); err != nil {
		t.Error(err)
	}
}

func TestAllCallsMustBeAllowed(t *testing.T) {
	s := role(t, statement("Allow", "a:X", "*")).Session("f")
	allowed, other := iam.Call{Action: "a:X", Resource: "*"}, iam.Call{Action: "a:Y", Resource: "*"}
	var denied *iam.Denied
	if err := s.Authorize(allowed, other, allowed); !errors.As(err, &denied) || denied.Action != "a:Y" {
		t.Errorf("got %v, want the second refused", err)
	}
	if err := s.Authorize(); err != nil {
		t.Errorf("nothing is refused: %v", err)
	}
}

func TestUsageCountsGrantsAndRefusals(t *testing.T) {
	s := role(t, statement("Allow", "sqs:*", "*"), statement("Allow", "sqs:SendMessage", queueARN), statement("Deny", "sqs:Purge*", "*")).Session("f")
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			_ = s.Authorize(iam.Call{Action: "sqs:SendMessage", Resource: queueARN})
			_ = s.Authorize(iam.Call{Action: "sqs:PurgeQueue", Resource: queueARN})
		})
	}
	callers.Wait()
	want := iam.SessionUsage{
		Denied: map[string]int{"sqs:PurgeQueue": 50},
		Grants: []iam.GrantUsage{
			{Grant: iam.Grant{Action: "sqs:*", Resource: "*"}, Used: 50},
			{Grant: iam.Grant{Action: "sqs:SendMessage", Resource: queueARN}}, // the first has allowed it
		},
	}
	if got := s.Usage(); !reflect.DeepEqual(got, want) {
		t.Errorf("usage:\n got %+v\nwant %+v", got, want)
	}
	s.ResetUsage()
	if got := s.Usage(); len(got.Denied) != 0 || got.Grants[0].Used != 0 {
		t.Errorf("after the reset: %+v", got)
	}
}
