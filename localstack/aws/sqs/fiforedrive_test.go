package sqs_test

import (
	"testing"
	"time"
)

// TestFIFORedriveLetsTheGroupGoOn: a message that always fails leaves the order, and the messages
// after it come. It arrives in the dead-letter queue with its ids.
func TestFIFORedriveLetsTheGroupGoOn(t *testing.T) {
	inFIFO(t, redrivePolicy(orderedDead, "2"), func(t *testing.T, w *fifoWorld) {
		w.fill("a1 a2")
		for range 2 {
			w.expect(1, "a1")
			time.Sleep(30 * time.Second)
		}
		w.delete(w.expect(10, "a2")...)
		dead := w.receive(10, map[string]any{"QueueUrl": "dead.fifo"})
		if texts(dead) != "a1" || dead[0].Attributes["MessageGroupId"] != "a" || dead[0].Attributes["MessageDeduplicationId"] != "a1" ||
			dead[0].Attributes["DeadLetterQueueSourceArn"] != orderedARN {
			t.Errorf("dead letters %+v", dead)
		}
	})
}

// TestFIFORedriveTakesWhatFailedTogether: messages that were received together use up their
// receives together, even those that were not tried.
func TestFIFORedriveTakesWhatFailedTogether(t *testing.T) {
	inFIFO(t, redrivePolicy(orderedDead, "1"), func(t *testing.T, w *fifoWorld) {
		w.fill("a1 a2 a3")
		w.expect(2, "a1 a2")
		time.Sleep(30 * time.Second)
		w.expect(10, "a3")
		if got := texts(w.receive(10, map[string]any{"QueueUrl": "dead.fifo"})); got != "a1 a2" {
			t.Errorf("dead letters %q", got)
		}
	})
}

// TestFIFORedriveWaitsForEarlierMessages: a message is not set aside before its turn.
func TestFIFORedriveWaitsForEarlierMessages(t *testing.T) {
	inFIFO(t, redrivePolicy(orderedDead, "1"), func(t *testing.T, w *fifoWorld) {
		w.fill("a1 a2")
		w.hide(w.expect(2, "a1 a2")[0], 100)
		time.Sleep(30 * time.Second)
		w.expect(10, "")
		if got := texts(w.receive(10, map[string]any{"QueueUrl": "dead.fifo"})); got != "" {
			t.Errorf("dead letters %q", got)
		}
	})
}

// TestFIFORedriveLetsAWaitingReceiveGoOn: it gets the next message of the group as soon as
// that is shown, though the first was set aside while it waited.
func TestFIFORedriveLetsAWaitingReceiveGoOn(t *testing.T) {
	inFIFO(t, map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + orderedDead + `","maxReceiveCount":1}`}, func(t *testing.T, w *fifoWorld) {
		w.fill("a1")
		w.expect(10, "a1")
		time.Sleep(20 * time.Second)
		began := time.Now()
		time.AfterFunc(time.Second, func() {
			if err := w.try("SetQueueAttributes", map[string]any{"Attributes": map[string]string{"DelaySeconds": "15"}}, nil); err != nil {
				t.Error(err)
			}
			w.fill("a2")
		})
		got := w.receive(10, map[string]any{"WaitTimeSeconds": 20})
		if texts(got) != "a2" || time.Since(began) != 16*time.Second {
			t.Errorf("received %q after %v", texts(got), time.Since(began))
		}
	})
}

// TestFIFODeadLettersAreKeptAnew: their retention begins when they are set aside.
func TestFIFODeadLettersAreKeptAnew(t *testing.T) {
	inFIFO(t, redrivePolicy(orderedDead, "1"), func(t *testing.T, w *fifoWorld) {
		w.fill("a1")
		time.Sleep(72 * time.Hour)
		w.expect(1, "a1")
		time.Sleep(time.Minute)
		w.expect(1, "")
		time.Sleep(72 * time.Hour) // together more than the four days
		if got := texts(w.receive(10, map[string]any{"QueueUrl": "dead.fifo"})); got != "a1" {
			t.Errorf("dead letters %q", got)
		}
	})
}
