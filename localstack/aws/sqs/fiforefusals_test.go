package sqs_test

import (
	"fmt"
	"strings"
	"testing"
)

// Messages of errors, as AWS words them. NAME and VALUE are those of the parameter.
const (
	noGroup      = "The request must contain the parameter MessageGroupId."
	noID         = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
	badID        = "Value VALUE for parameter NAME is invalid. Reason: NAME can only include alphanumeric and punctuation characters. 1 to 128 in length."
	ownDelay     = "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type."
	plainName    = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
	orderedName  = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length."
	otherDead    = "Value VALUE for parameter RedrivePolicy is invalid. Reason: Dead-letter queue must be same type of queue as the source."
	withoutScope = "The perMessageGroupId value of FifoThroughputLimit is allowed only when DeduplicationScope is messageGroup."
)

// call is a call of an operation that is good but for one parameter.
type call struct {
	operation   string
	in          map[string]any
	name, value string // of the parameter
}

func sending(name, value string) call {
	in := map[string]any{"MessageBody": "x", "MessageGroupId": "a", "MessageDeduplicationId": "1", name: value}
	if value == "" {
		delete(in, name)
	}
	return call{"SendMessage", in, name, value}
}

func creating(queue string, attributes ...string) call {
	return call{"CreateQueue", map[string]any{"QueueName": queue, "Attributes": pairs(attributes)}, "", ""}
}

func setting(attributes ...string) call {
	return call{"SetQueueAttributes", map[string]any{"Attributes": pairs(attributes)}, "", ""}
}

// pairs makes a map of names and values in turn.
func pairs(list []string) map[string]string {
	all := map[string]string{}
	for i := 0; i < len(list); i += 2 {
		all[list[i]] = list[i+1]
	}
	return all
}

func TestFIFORefusals(t *testing.T) {
	long := strings.Repeat("x", 129)
	toOrdered, toPlain := redrivePolicy(orderedDead, "1")["RedrivePolicy"], redrivePolicy("arn:aws:sqs:us-east-1:000000000000:plain", "1")["RedrivePolicy"]
	for _, row := range []struct {
		call
		code, message string
	}{
		{sending("MessageGroupId", ""), "MissingParameter", noGroup},
		{sending("MessageGroupId", "a b"), "InvalidParameterValue", badID},
		{sending("MessageGroupId", "ä"), "InvalidParameterValue", badID},
		{sending("MessageGroupId", "\n"), "InvalidParameterValue", badID},
		{sending("MessageGroupId", long), "InvalidParameterValue", badID},
		{sending("MessageDeduplicationId", ""), "InvalidParameterValue", noID},
		{sending("MessageDeduplicationId", "a b"), "InvalidParameterValue", badID},
		{sending("MessageDeduplicationId", "ä"), "InvalidParameterValue", badID},
		{sending("MessageDeduplicationId", "\n"), "InvalidParameterValue", badID},
		{sending("MessageDeduplicationId", long), "InvalidParameterValue", badID},
		{call{"SendMessage", map[string]any{"MessageBody": "x", "MessageGroupId": "a", "MessageDeduplicationId": "1", "DelaySeconds": 2}, "DelaySeconds", "2"},
			"InvalidParameterValue", ownDelay},
		{call{"ReceiveMessage", map[string]any{"ReceiveRequestAttemptId": "1"}, "ReceiveRequestAttemptId", "1"},
			"AWS.SimpleQueueService.UnsupportedOperation", "ReceiveRequestAttemptId is not supported here."},
		{creating("a.fifo"), "InvalidParameterValue", plainName},
		{creating("a", "FifoQueue", "true"), "InvalidParameterValue", orderedName},
		{creating(".fifo", "FifoQueue", "true"), "InvalidParameterValue", orderedName},
		{creating("a.b.fifo", "FifoQueue", "true"), "InvalidParameterValue", orderedName},
		{creating(strings.Repeat("a", 76)+".fifo", "FifoQueue", "true"), "InvalidParameterValue", orderedName},
		{creating("a", "FifoQueue", "false"), "InvalidAttributeName", "Unknown Attribute FifoQueue."},
		{creating("a", "ContentBasedDeduplication", "true"), "InvalidAttributeName", "Unknown Attribute ContentBasedDeduplication."},
		{creating("plain2", "RedrivePolicy", toOrdered), "InvalidParameterValue", strings.Replace(otherDead, "VALUE", toOrdered, 1)},
		{creating("work2.fifo", "FifoQueue", "true", "RedrivePolicy", toPlain), "InvalidParameterValue", strings.Replace(otherDead, "VALUE", toPlain, 1)},
		{setting("FifoQueue", "false"), "InvalidAttributeValue", "Invalid value for the parameter FifoQueue."},
		{setting("DeduplicationScope", "topic"), "InvalidAttributeValue", "Invalid value for the parameter DeduplicationScope."},
		{setting("DeduplicationScope", "queue"), "InvalidAttributeValue", withoutScope},
	} {
		inFIFO(t, highThroughput, func(t *testing.T, w *fifoWorld) {
			w.create("plain", nil)
			message := strings.NewReplacer("NAME", row.name, "VALUE", row.value).Replace(row.message)
			refused(t, fmt.Sprint(row.operation, row.in), w.try(row.operation, row.in, nil), row.code, message)
		})
	}
}

// TestFIFOTakesTheLongestNames and ids, and ids with every punctuation character.
func TestFIFOTakesTheLongestNames(t *testing.T) {
	inFIFO(t, nil, func(t *testing.T, w *fifoWorld) {
		w.create(strings.Repeat("a", 75)+".fifo", map[string]string{"FifoQueue": "true"})
		for _, parameter := range []string{"MessageGroupId", "MessageDeduplicationId"} {
			in := map[string]any{"MessageBody": "x", "MessageGroupId": "a", "MessageDeduplicationId": "1"}
			in[parameter] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" + strings.Repeat("x", 96)
			if err := w.try("SendMessage", in, nil); err != nil {
				t.Error(err)
			}
		}
	})
}
