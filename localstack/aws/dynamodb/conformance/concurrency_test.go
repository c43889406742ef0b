package conformance

import (
	"fmt"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// Writers at once lose no update, and the stream tells of each in the order in
// which they took effect.
func TestUpdatesOfOneItemAreInOrder(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		const writers, times = 4, 10
		table := s.table(t, schema{hash: "p:S", stream: types.StreamViewTypeNewAndOldImages})
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for range times {
					_, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: item("p", "a"),
						UpdateExpression: aws.String("ADD n :one"), ExpressionAttributeValues: item(":one", 1)})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for i, r := range s.records(t, s.latestStream(t, table)) {
			if n, ok := r.Dynamodb.NewImage["n"].(*streamtypes.AttributeValueMemberN); !ok || n.Value != fmt.Sprint(i+1) {
				t.Fatalf("change %d is %s", i+1, change(r))
			}
		}
		if got := show(s.get(t, table, item("p", "a"))); got != fmt.Sprintf(`{n:%d p:"a"}`, writers*times) {
			t.Errorf("got %s", got)
		}
	})
}

// Of writers that all make the same item if it is not there, one succeeds.
func TestOneConditionalPutWins(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		won := make(chan int, 8)
		var wg sync.WaitGroup
		for n := range cap(won) {
			wg.Go(func() {
				_, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("p", "a", "by", n), ConditionExpression: aws.String("attribute_not_exists(p)")})
				if err == nil {
					won <- n
					return
				}
				s.wantFault(t, err, "ConditionalCheckFailedException")
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d writers made the item", len(won))
		}
		if got := show(s.get(t, table, item("p", "a"))); got != fmt.Sprintf(`{by:%d p:"a"}`, <-won) {
			t.Errorf("got %s", got)
		}
	})
}
