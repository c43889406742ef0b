package dynamo_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/watch"
)

// TestDraw: a purse is of a subject and a minute. It gives until it is empty, and what is drawn
// last may be more than it had.
func TestDraw(t *testing.T) {
	s := dynamotest.Start(t).Store()
	minute := time.Now().Truncate(time.Minute)
	draw := func(key watch.Key, minute time.Time, units int, want error) {
		t.Helper()
		if err := s.Draw(t.Context(), key, minute, units, 100); !errors.Is(err, want) {
			t.Errorf("draw %d of %+v in %s: %v, want %v", units, key, minute.Format("15:04"), err, want)
		}
	}
	alice := watch.Key{Subject: "alice"}
	draw(alice, minute, 60, nil)
	draw(alice, minute, 39, nil)
	draw(alice, minute, 500, nil) // one unit is left
	draw(alice, minute, 1, watch.ErrTooManyRequests)
	draw(alice, minute.Add(time.Minute), 1, nil)
	draw(watch.Key{Subject: "bob"}, minute, 1, nil)
	one, two := watch.Key{Subject: watch.Anonymous, ID: "c1"}, watch.Key{Subject: watch.Anonymous, ID: "c2"}
	draw(one, minute, 100, nil)
	draw(one, minute, 1, watch.ErrTooManyRequests)
	draw(two, minute, 1, nil)
}

// TestPursesAreForgotten by DynamoDB, an hour after their minute. What was refused is not in
// them.
func TestPursesAreForgotten(t *testing.T) {
	d := dynamotest.Start(t)
	s, minute := d.Store(), time.Unix(1_800_000_000, 0)
	for range 3 {
		_ = s.Draw(t.Context(), watch.Key{Subject: "alice"}, minute, 70, 100) // the third is refused
	}
	out, err := d.Client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(dynamotest.Tables.Connections)})
	if err != nil || len(out.Items) != 1 {
		t.Fatalf("%d rows, %v", len(out.Items), err)
	}
	number := func(name string) string {
		n, _ := out.Items[0][name].(*types.AttributeValueMemberN)
		if n == nil {
			return ""
		}
		return n.Value
	}
	if number("spent") != "140" || number("expiresAt") != "1800003600" {
		t.Errorf("the purse is %v", out.Items[0])
	}
}

// TestPursesAreNoConnections, though they lie among those of their subject.
func TestPursesAreNoConnections(t *testing.T) {
	s := dynamotest.Start(t).Store()
	for _, subject := range []string{"alice", watch.Anonymous} {
		for _, id := range []watch.ConnectionID{"L0SM9cOFvHcCIhw=", "-_A="} { // API Gateway's are base64url text
			c := connection(id, time.Now())
			c.Subject = subject
			if err := s.Connect(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			for _, key := range []watch.Key{c.Key, {Subject: subject}} {
				if err := s.Draw(t.Context(), key, time.Now(), 1, 10); err != nil {
					t.Fatal(err)
				}
			}
		}
		all, err := s.Connections(t.Context(), subject)
		if err != nil || len(all) != 2 {
			t.Errorf("%s has the connections %+v, %v", subject, all, err)
		}
	}
}
