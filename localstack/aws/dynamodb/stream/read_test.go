package stream

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

func TestReadWaitsForTheNextChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Options{Shards: 1})
		s := r.Enable("Events", keySchema, KeysOnly)
		shards, _ := r.Shards(s.ARN())
		after, err := r.Latest(s.ARN(), shards[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		var got []Record
		done := make(chan struct{})
		go func() {
			defer close(done)
			got, _, err = r.Read(context.Background(), s.ARN(), shards[0].ID, after, 10)
		}()
		synctest.Wait()
		if got != nil {
			t.Fatal("read returned before there was a change")
		}
		s.Append(put("a", "1", 1), put("a", "2", 2))
		<-done
		if err != nil || len(got) != 2 {
			t.Fatalf("got %d records, %v; want both changes of one append", len(got), err)
		}
	})
}

func TestReadEndsWithItsShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Options{Shards: 1})
		s := r.Enable("Events", keySchema, KeysOnly)
		shards, _ := r.Shards(s.ARN())
		done := make(chan bool)
		go func() {
			_, closed, _ := r.Read(context.Background(), s.ARN(), shards[0].ID, "", 10)
			done <- closed
		}()
		synctest.Wait()
		if err := s.Split(shards[0].ID); err != nil {
			t.Fatal(err)
		}
		if !<-done {
			t.Error("read did not report that its shard was closed")
		}
	})
}

func TestReadRefusesWhatIsNotThere(t *testing.T) {
	r := NewRegistry(Options{Shards: 1})
	s := r.Enable("Events", keySchema, KeysOnly)
	shards, _ := r.Shards(s.ARN())
	_, _, err := r.Read(t.Context(), "arn", shards[0].ID, "", 1)
	wantError(t, err, "ResourceNotFoundException")
	_, _, err = r.Read(t.Context(), s.ARN(), "shardId-0", "", 1)
	wantError(t, err, "ResourceNotFoundException")
	_, _, err = r.Read(t.Context(), s.ARN(), shards[0].ID, "12", 1)
	wantError(t, err, "ValidationException")
	_, err = r.Latest(s.ARN(), "shardId-0")
	wantError(t, err, "ResourceNotFoundException")
}

func wantError(t *testing.T, err error, shape string) {
	t.Helper()
	var e *awsjson.Error
	if !errors.As(err, &e) || e.Type != shape {
		t.Errorf("error is %v, want a %s", err, shape)
	}
}
