package stack_test

import (
	"strings"
	"testing"
	"time"
)

func TestFailuresOutliveTheStack(t *testing.T) {
	all := resources(t)
	for id, queue := range ofType[struct {
		MessageRetentionPeriod int
		SqsManagedSseEnabled   bool
	}](t, all, "AWS::SQS::Queue") {
		if queue.MessageRetentionPeriod != 14*24*60*60 || !queue.SqsManagedSseEnabled {
			t.Errorf("%s is %+v", id, queue)
		}
		want := "Retain"
		if strings.HasPrefix(id, "Pushes") || strings.HasPrefix(id, "Deliveries") { // of no use without the stack
			want = "Delete"
		}
		if all[id].DeletionPolicy != want || all[id].UpdateReplacePolicy != want {
			t.Errorf("%s is deleted %s and replaced %s, want %s", id, all[id].DeletionPolicy, all[id].UpdateReplacePolicy, want)
		}
	}
}

// TestQueuesTakeNothingInTheClear: failures hold users' data, so that whoever sends or reads
// them without TLS is denied, whatever else allows it.
func TestQueuesTakeNothingInTheClear(t *testing.T) {
	all := resources(t)
	policies := ofType[struct {
		Queues         []any
		PolicyDocument struct {
			Statement []struct {
				Effect, Principal, Action string
				Resource, Condition       any
			}
		}
	}](t, all, "AWS::SQS::QueuePolicy")
	for id := range ofType[struct{}](t, all, "AWS::SQS::Queue") {
		policy := policies[id+"Policy"]
		if len(policy.Queues) != 1 || refer(t, policy.Queues[0]) != id || len(policy.PolicyDocument.Statement) != 1 {
			t.Errorf("%s has the policy %+v", id, policy)
			continue
		}
		denied := policy.PolicyDocument.Statement[0]
		if denied.Effect != "Deny" || denied.Principal != "*" || denied.Action != "sqs:*" || refer(t, denied.Resource) != id+".Arn" ||
			condition(t, denied.Condition) != "Bool aws:SecureTransport false" {
			t.Errorf("%s denies %+v", id, denied)
		}
		if policy := id + "Policy"; all[policy].DeletionPolicy != all[id].DeletionPolicy {
			t.Errorf("the policy of %s goes with the stack, the queue stays", id)
		}
	}
}

// TestWhatSalvageCannotCopyIsNotLost: a pointer that fails goes to the failure queue as it
// is, after more receives than a throttled delivery may use up.
func TestWhatSalvageCannotCopyIsNotLost(t *testing.T) {
	all := resources(t)
	queues := ofType[struct {
		VisibilityTimeout  int
		MaximumMessageSize int
		RedrivePolicy      struct {
			DeadLetterTargetArn any `json:"deadLetterTargetArn"`
			MaxReceiveCount     int `json:"maxReceiveCount"`
		}
	}](t, all, "AWS::SQS::Queue")
	timeout := ofType[functionProperties](t, all, "AWS::Lambda::Function")["Salvage"].Timeout
	givenUp := queues["GivenUpQueue"]
	if givenUp.VisibilityTimeout < 6*timeout || givenUp.RedrivePolicy.MaxReceiveCount < 5 || refer(t, givenUp.RedrivePolicy.DeadLetterTargetArn) != "FailureQueue.Arn" {
		t.Errorf("salvage takes %d s, its queue is %+v", timeout, givenUp)
	}
	if size := queues["FailureQueue"].MaximumMessageSize; size != 1<<20 {
		t.Errorf("the failure queue takes messages of %d bytes, salvage sends more", size)
	}
}

// TestWorkIsInFIFOQueues of high throughput. Each waits as long as its function may take, and sets
// failed messages aside.
func TestWorkIsInFIFOQueues(t *testing.T) {
	all := resources(t)
	queues := ofType[struct {
		FifoQueue                               bool
		DeduplicationScope, FifoThroughputLimit string
		VisibilityTimeout                       int
		RedrivePolicy                           struct {
			DeadLetterTargetArn any `json:"deadLetterTargetArn"`
			MaxReceiveCount     int `json:"maxReceiveCount"`
		}
	}](t, all, "AWS::SQS::Queue")
	functions := ofType[functionProperties](t, all, "AWS::Lambda::Function")
	for name, want := range map[string]struct {
		function string
		receives int
	}{
		"Pushes":     {"Push", 100},
		"Deliveries": {"Deliver", 10}, // the sweep sends another message
	} {
		queue, timeout := queues[name+"Queue"], functions[want.function].Timeout
		if !queue.FifoQueue || queue.DeduplicationScope != "messageGroup" || queue.FifoThroughputLimit != "perMessageGroupId" {
			t.Errorf("%sQueue is %+v", name, queue)
		}
		// Lambda wants at least the timeout; a longer time would delay the group of a function that was killed.
		if timeout == 0 || queue.VisibilityTimeout != timeout {
			t.Errorf("%sQueue hides a message for %d s, %s takes %d s", name, queue.VisibilityTimeout, want.function, timeout)
		}
		aside := name + "GivenUpQueue"
		if redrive := queue.RedrivePolicy; redrive.MaxReceiveCount != want.receives || refer(t, redrive.DeadLetterTargetArn) != aside+".Arn" || !queues[aside].FifoQueue {
			t.Errorf("%sQueue sets aside %+v, into %+v", name, redrive, queues[aside])
		}
		delete(queues, name+"Queue")
		delete(queues, aside)
	}
	for id, queue := range queues {
		if queue.FifoQueue {
			t.Errorf("there is another FIFO queue, %s", id)
		}
	}
}

// mappingProperties are those of streams and queues.
type mappingProperties struct {
	FunctionName, EventSourceArn   any
	StartingPosition               string
	BatchSize                      int
	MaximumBatchingWindowInSeconds int
	ParallelizationFactor          int
	BisectBatchOnFunctionError     bool
	MaximumRetryAttempts           int
	MaximumRecordAgeInSeconds      int
	FunctionResponseTypes          []string
	DestinationConfig              struct{ OnFailure struct{ Destination any } }
	ScalingConfig                  struct{ MaximumConcurrency int }
}

func TestMappings(t *testing.T) {
	mappings := ofType[mappingProperties](t, resources(t), "AWS::Lambda::EventSourceMapping")
	for id, want := range map[string]struct {
		from, to string
		batch    int
	}{
		"EventsToFanout":      {"Events.StreamArn", "Fanout", 100},
		"RevocationsToRevoke": {"Revocations.StreamArn", "Revoke", 10},
		"GivenUpToSalvage":    {"GivenUpQueue.Arn", "Salvage", 10},
		"PushesToPush":        {"PushesQueue.Arn", "Push", 10},
		"DeliveriesToDeliver": {"DeliveriesQueue.Arn", "Deliver", 1}, // one that answers late delays no other
	} {
		got, ok := mappings[id]
		if !ok || refer(t, got.EventSourceArn) != want.from || refer(t, got.FunctionName) != want.to || got.BatchSize != want.batch {
			t.Errorf("%s is %+v", id, got)
		}
		if strings.Join(got.FunctionResponseTypes, " ") != "ReportBatchItemFailures" || got.MaximumBatchingWindowInSeconds != 0 {
			t.Errorf("%s: %+v", id, got)
		}
		delete(mappings, id)
		atOnce := map[string]int{"Push": 10, "Deliver": 20, "Salvage": 2} // a shard takes two readers
		if got.ScalingConfig.MaximumConcurrency != atOnce[want.to] {
			t.Errorf("%s works on %d batches at once, want %d", id, got.ScalingConfig.MaximumConcurrency, atOnce[want.to])
		}
		if _, queue := atOnce[want.to]; queue {
			continue
		}
		if got.ParallelizationFactor != 1 {
			t.Errorf("%s has the ParallelizationFactor %d: order would be per key, not per topic", id, got.ParallelizationFactor)
		}
		if got.StartingPosition != "TRIM_HORIZON" || !got.BisectBatchOnFunctionError || got.MaximumRetryAttempts != 100 {
			t.Errorf("%s retries: %+v", id, got)
		}
		// Older than the stream keeps records they would be gone without a word, and salvage needs time to read them.
		if age := time.Duration(got.MaximumRecordAgeInSeconds) * time.Second; age <= 12*time.Hour || age > 23*time.Hour {
			t.Errorf("%s gives records up at the age of %s", id, age)
		}
		if failures := refer(t, got.DestinationConfig.OnFailure.Destination); failures != "GivenUpQueue.Arn" {
			t.Errorf("%s gives up to %s", id, failures)
		}
	}
	if len(mappings) > 0 {
		t.Errorf("there are other mappings: %+v", mappings)
	}
}
