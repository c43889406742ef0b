package sqs_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

// TestErrors asks for the error's code as the SDK gives it, which for SQS is
// that of the old Query protocol.
func TestErrors(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	large := strings.Repeat("x", sqs.MaxMessageBytes)
	w.send(t, large)
	w.send(t, "visible")
	visible := *w.receive(t, client.ReceiveMessageInput{MaxNumberOfMessages: 2})[1].ReceiptHandle
	entry := types.SendMessageBatchRequestEntry{Id: aws.String("a"), MessageBody: aws.String("x")}
	batch := func(entries ...types.SendMessageBatchRequestEntry) error {
		_, err := w.SendMessageBatch(ctx, &client.SendMessageBatchInput{QueueUrl: w.url, Entries: append([]types.SendMessageBatchRequestEntry{}, entries...)})
		return err
	}
	create := func(name string, attributes map[string]string) error {
		_, err := w.CreateQueue(ctx, &client.CreateQueueInput{QueueName: &name, Attributes: attributes})
		return err
	}
	set := func(attributes map[string]string) error {
		_, err := w.SetQueueAttributes(ctx, &client.SetQueueAttributesInput{QueueUrl: w.url, Attributes: attributes})
		return err
	}
	send := func(in client.SendMessageInput) error {
		in.QueueUrl = w.url
		_, err := w.SendMessage(ctx, &in)
		return err
	}
	receive := func(in client.ReceiveMessageInput) error {
		_, err := w.ReceiveMessage(ctx, &in)
		return err
	}
	show := func(handle string, seconds int32) error {
		_, err := w.ChangeMessageVisibility(ctx, &client.ChangeMessageVisibilityInput{QueueUrl: w.url, ReceiptHandle: &handle, VisibilityTimeout: seconds})
		return err
	}
	_, unknownAttribute := w.GetQueueAttributes(ctx, &client.GetQueueAttributesInput{QueueUrl: w.url, AttributeNames: []types.QueueAttributeName{"Colour"}})
	_, badHandle := w.DeleteMessage(ctx, &client.DeleteMessageInput{QueueUrl: w.url, ReceiptHandle: aws.String("?")})
	_, tags := w.TagQueue(ctx, &client.TagQueueInput{QueueUrl: w.url, Tags: map[string]string{"a": "b"}})
	if err := show(visible, 0); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"unknown queue":         {receive(client.ReceiveMessageInput{QueueUrl: aws.String(*w.url + "2")}), "AWS.SimpleQueueService.NonExistentQueue"},
		"another setting":       {create("failures", map[string]string{"VisibilityTimeout": "1"}), "QueueAlreadyExists"},
		"bad name":              {create("a b", nil), "InvalidParameterValue"},
		"redrive to nowhere":    {create("a", redrivePolicy(arn+"2", "3")), "InvalidParameterValue"},
		"redrive to itself":     {set(redrivePolicy(arn, "3")), "InvalidParameterValue"},
		"redrive at once":       {create("a", redrivePolicy(arn, "0")), "InvalidParameterValue"},
		"redrive very late":     {create("a", redrivePolicy(arn, "1001")), "InvalidParameterValue"},
		"redrive of no kind":    {create("a", map[string]string{"RedrivePolicy": "{}"}), "InvalidParameterValue"},
		"redrive in other case": {create("a", map[string]string{"RedrivePolicy": strings.Replace(redrivePolicy(arn, "3")["RedrivePolicy"], "deadLetter", "DeadLetter", 1)}), "InvalidParameterValue"},
		"redrive no JSON":       {create("a", map[string]string{"RedrivePolicy": "{"}), "InvalidParameterValue"},
		"redrive by allowance":  {create("a", map[string]string{"RedriveAllowPolicy": "{}"}), "AWS.SimpleQueueService.UnsupportedOperation"},
		"unknown to set":        {create("a", map[string]string{"Colour": "red"}), "InvalidAttributeName"},
		"out of bounds":         {create("a", map[string]string{"DelaySeconds": "901"}), "InvalidAttributeValue"},
		"unknown to get":        {unknownAttribute, "InvalidAttributeName"},
		"too large":             {send(client.SendMessageInput{MessageBody: aws.String(large + "x")}), "InvalidParameterValue"},
		"empty":                 {send(client.SendMessageInput{MessageBody: aws.String("")}), "MissingParameter"},
		"control character":     {send(client.SendMessageInput{MessageBody: aws.String("\x01")}), "InvalidMessageContents"},
		"U+FFFF":                {send(client.SendMessageInput{MessageBody: aws.String("bad\uffff")}), "InvalidMessageContents"},
		"U+FFFE in attribute":   {send(client.SendMessageInput{MessageBody: aws.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{"a": {DataType: aws.String("String"), StringValue: aws.String("\ufffe")}}}), "InvalidMessageContents"},
		"deduplication":         {send(client.SendMessageInput{MessageBody: aws.String("x"), MessageDeduplicationId: aws.String("y")}), "InvalidParameterValue"},
		"delay":                 {send(client.SendMessageInput{MessageBody: aws.String("x"), DelaySeconds: 901}), "InvalidParameterValue"},
		"empty attribute":       {send(client.SendMessageInput{MessageBody: aws.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{"a": {DataType: aws.String("String")}}}), "InvalidParameterValue"},
		"eleven messages":       {receive(client.ReceiveMessageInput{QueueUrl: w.url, MaxNumberOfMessages: 11}), "InvalidParameterValue"},
		"long wait":             {receive(client.ReceiveMessageInput{QueueUrl: w.url, WaitTimeSeconds: 21}), "InvalidParameterValue"},
		"bad handle":            {badHandle, "ReceiptHandleIsInvalid"},
		"not in flight":         {show(visible, 10), "AWS.SimpleQueueService.MessageNotInflight"},
		"long invisibility":     {show(visible, 43_201), "InvalidParameterValue"},
		"empty batch":           {batch(), "AWS.SimpleQueueService.EmptyBatchRequest"},
		"large batch":           {batch(slices.Repeat([]types.SendMessageBatchRequestEntry{entry}, 11)...), "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"},
		"repeated id":           {batch(entry, entry), "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"},
		"bad id":                {batch(types.SendMessageBatchRequestEntry{Id: aws.String("a b"), MessageBody: aws.String("x")}), "AWS.SimpleQueueService.InvalidBatchEntryId"},
		"long batch":            {batch(entry, types.SendMessageBatchRequestEntry{Id: aws.String("b"), MessageBody: &large}), "AWS.SimpleQueueService.BatchRequestTooLong"},
		"unsupported operation": {tags, "UnknownOperationException"},
	} {
		var e smithy.APIError
		if !errors.As(c.err, &e) || e.ErrorCode() != c.code {
			t.Errorf("%s: %v, want %s", name, c.err, c.code)
		}
	}
	var gone *types.QueueDoesNotExist
	if err := receive(client.ReceiveMessageInput{QueueUrl: aws.String(*w.url + "2")}); !errors.As(err, &gone) {
		t.Errorf("the SDK does not know the type of %v", err)
	}
}

// redrivePolicy is that attribute alone.
func redrivePolicy(queueARN, most string) map[string]string {
	return map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + queueARN + `","maxReceiveCount":` + most + `}`}
}
