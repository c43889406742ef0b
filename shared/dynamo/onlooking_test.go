package dynamo_test

import (
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/watch"
)

// TestAListThatEndsEarlySaysSo: of three connections two are listed.
func TestAListThatEndsEarlySaysSo(t *testing.T) {
	store := dynamotest.Start(t).Store()
	for _, id := range []watch.ConnectionID{"c1", "c2", "c3"} {
		if err := store.Connect(t.Context(), connection(id, time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	for most, want := range map[int]bool{2: true, 10: false} {
		list, more, err := store.ListConnections(t.Context(), most)
		if err != nil || more != want || len(list) != min(most, 3) {
			t.Errorf("at most %d: %d connections, more %v, %v", most, len(list), more, err)
		}
	}
}
