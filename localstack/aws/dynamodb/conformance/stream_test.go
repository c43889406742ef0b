package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// latestStream is the ARN of a table's stream, or of the last it had.
func (s *stack) latestStream(t *testing.T, table string) string {
	t.Helper()
	out, err := s.db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.Table.LatestStreamArn)
}

func (s *stack) shards(t *testing.T, arn string) []streamtypes.Shard {
	t.Helper()
	out, err := s.streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	return out.StreamDescription.Shards
}

func (s *stack) iterator(t *testing.T, arn, shard string, kind streamtypes.ShardIteratorType, number *string) *string {
	t.Helper()
	out, err := s.streams.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{StreamArn: &arn, ShardId: &shard, ShardIteratorType: kind, SequenceNumber: number})
	if err != nil {
		t.Fatal(err)
	}
	return out.ShardIterator
}

// follow reads from an iterator until an answer is empty.
func (s *stack) follow(t *testing.T, iterator *string, limit int32) []streamtypes.Record {
	t.Helper()
	var all []streamtypes.Record
	for iterator != nil {
		out, err := s.streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: iterator, Limit: &limit})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Records) > int(limit) {
			t.Errorf("%d records, at most %d were asked for", len(out.Records), limit)
		}
		if len(out.Records) == 0 {
			break
		}
		all = append(all, out.Records...)
		iterator = out.NextShardIterator
	}
	return all
}

// records reads a whole stream, shard after shard.
func (s *stack) records(t *testing.T, arn string) []streamtypes.Record {
	t.Helper()
	var all []streamtypes.Record
	for _, shard := range s.shards(t, arn) {
		all = append(all, s.follow(t, s.iterator(t, arn, *shard.ShardId, streamtypes.ShardIteratorTypeTrimHorizon, nil), 1000)...)
	}
	return all
}

// change writes a record in short: "INSERT {p:a} old→new".
func change(r streamtypes.Record) string {
	return fmt.Sprintf("%s %s %s→%s", r.EventName, showStreamed(r.Dynamodb.Keys), showStreamed(r.Dynamodb.OldImage), showStreamed(r.Dynamodb.NewImage))
}

// showStreamed is show for texts and numbers in the other client's types.
func showStreamed(image map[string]streamtypes.AttributeValue) string {
	if image == nil {
		return "none"
	}
	it := record{}
	for name, v := range image {
		switch v := v.(type) {
		case *streamtypes.AttributeValueMemberS:
			it[name] = value(v.Value)
		case *streamtypes.AttributeValueMemberN:
			it[name] = value(number(v.Value))
		case *streamtypes.AttributeValueMemberB:
			it[name] = value(v.Value)
		}
	}
	return show(it)
}

func TestStreamCarriesEveryChange(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", stream: types.StreamViewTypeNewAndOldImages})
		s.put(t, table, item("p", "a", "x", 1), item("p", "a", "x", number("2.50")))
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: item("p", "a"), UpdateExpression: aws.String("SET y = :y"), ExpressionAttributeValues: item(":y", []byte{1})})
		must(err)
		_, err = s.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: item("p", "a")})
		must(err)
		must(s.transact(t, txPut(table, item("p", "a", "x", 3), ""), txPut(table, item("p", "tx"), "")))
		_, err = s.db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: {deleting(item("p", "a"))}}})
		must(err)
		var got []string
		for _, r := range s.records(t, s.latestStream(t, table)) {
			if showStreamed(r.Dynamodb.Keys) == `{p:"a"}` {
				got = append(got, change(r))
			}
		}
		want := []string{
			`INSERT {p:"a"} none→{p:"a" x:1}`,
			`MODIFY {p:"a"} {p:"a" x:1}→{p:"a" x:2.5}`,
			`MODIFY {p:"a"} {p:"a" x:2.5}→{p:"a" x:2.5 y:0xAQ==}`,
			`REMOVE {p:"a"} {p:"a" x:2.5 y:0xAQ==}→none`,
			`INSERT {p:"a"} none→{p:"a" x:3}`,
			`REMOVE {p:"a"} {p:"a" x:3}→none`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestRecordsAreWhole(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:N", stream: types.StreamViewTypeNewAndOldImages})
		s.put(t, table, item("p", "a", "s", 1, "v", 1, "b", []byte{0, 1}), item("p", "a", "s", 1, "v", 2, "b", []byte{0, 1}))
		all := s.records(t, s.latestStream(t, table))
		if len(all) != 2 {
			t.Fatalf("%d records of two changes", len(all))
		}
		for i, size := range []int64{5 + 11, 5 + 11 + 11} { // the keys, and each image
			r := all[i]
			if *r.EventSource != "aws:dynamodb" || *r.EventVersion != "1.1" || *r.EventID == "" || *r.AwsRegion == "" || r.UserIdentity != nil {
				t.Errorf("record is %+v", r)
			}
			if d := r.Dynamodb; *d.SizeBytes != size || d.StreamViewType != streamtypes.StreamViewTypeNewAndOldImages || len(*d.SequenceNumber) < 21 || d.ApproximateCreationDateTime.IsZero() {
				t.Errorf("%d bytes, want %d; %+v", *d.SizeBytes, size, d)
			}
		}
		if *all[0].EventID == *all[1].EventID || *all[0].Dynamodb.SequenceNumber >= *all[1].Dynamodb.SequenceNumber {
			t.Errorf("numbers %s and %s", *all[0].Dynamodb.SequenceNumber, *all[1].Dynamodb.SequenceNumber)
		}
	})
}

// Items expire some time after their second; the test looks until they have.
func TestExpiredItemIsRemovedByTheService(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "it deletes expired items only every few seconds, if at all")
		table := s.table(t, schema{hash: "p:S", stream: types.StreamViewTypeNewAndOldImages})
		_, err := s.db.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: &table,
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("e"), Enabled: aws.Bool(true)}})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		s.put(t, table,
			item("p", "past", "e", int(now.Add(-time.Minute).Unix())),
			item("p", "future", "e", int(now.Add(time.Hour).Unix())),
			item("p", "text", "e", fmt.Sprint(now.Add(-time.Minute).Unix())),
			item("p", "over five years past", "e", int(now.AddDate(-6, 0, 0).Unix())))
		arn, look := s.latestStream(t, table), time.NewTicker(10*time.Millisecond)
		defer look.Stop()
		var removed []streamtypes.Record
		for deadline := now.Add(10 * time.Second); len(removed) == 0 && time.Now().Before(deadline); <-look.C {
			for _, r := range s.records(t, arn) {
				if r.EventName == streamtypes.OperationTypeRemove {
					removed = append(removed, r)
				}
			}
		}
		if len(removed) != 1 || showStreamed(removed[0].Dynamodb.Keys) != `{p:"past"}` {
			t.Fatalf("removed were %v, want the item of the past alone", removed)
		}
		if by := removed[0].UserIdentity; by == nil || *by.PrincipalId != "dynamodb.amazonaws.com" || *by.Type != "Service" {
			t.Errorf("it was removed by %+v", by)
		}
	})
}

func TestNoChangeIsNoRecord(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", stream: types.StreamViewTypeNewAndOldImages})
		same := item("p", "a", "x", 1)
		s.put(t, table, same, same)
		for _, update := range []string{"SET x = :v", "REMOVE y SET x = :v"} {
			_, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: item("p", "a"), UpdateExpression: &update, ExpressionAttributeValues: item(":v", number("1.0"))})
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: item("p", "absent")}); err != nil {
			t.Fatal(err)
		}
		_, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("p", "a"), ConditionExpression: aws.String("x = p")})
		s.wantFault(t, err, "ConditionalCheckFailedException")
		if all := s.records(t, s.latestStream(t, table)); len(all) != 1 {
			t.Errorf("%d records, want the first put's alone", len(all))
		}
	})
}

func TestViewTypes(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		for view, want := range map[types.StreamViewType]string{
			types.StreamViewTypeKeysOnly:        `MODIFY {p:"a"} none→none`,
			types.StreamViewTypeNewImage:        `MODIFY {p:"a"} none→{p:"a" x:2}`,
			types.StreamViewTypeOldImage:        `MODIFY {p:"a"} {p:"a" x:1}→none`,
			types.StreamViewTypeNewAndOldImages: `MODIFY {p:"a"} {p:"a" x:1}→{p:"a" x:2}`,
		} {
			t.Run(string(view), func(t *testing.T) {
				table := s.table(t, schema{hash: "p:S", stream: view})
				s.put(t, table, item("p", "a", "x", 1), item("p", "a", "x", 2))
				all := s.records(t, s.latestStream(t, table))
				if got := change(all[len(all)-1]); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		}
	})
}

func TestItemsKeepTheirOrder(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", stream: types.StreamViewTypeNewImage})
		for n := range 12 {
			for _, it := range numbered(5, "n", n) {
				s.put(t, table, it)
			}
		}
		next := map[string]int{}
		for _, r := range s.records(t, s.latestStream(t, table)) {
			key, n := showStreamed(r.Dynamodb.Keys), r.Dynamodb.NewImage["n"].(*streamtypes.AttributeValueMemberN).Value
			if n != fmt.Sprint(next[key]) {
				t.Errorf("%s: change %s came where %d was due", key, n, next[key])
			}
			next[key]++
		}
		if len(next) != 5 || next[`{p:"0"}`] != 12 {
			t.Errorf("saw %v, want 12 of each of 5 items", next)
		}
	})
}
