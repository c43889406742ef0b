package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const topic = "stocks/AAPL"

// put writes an item with a price.
func (d *deployment) put(ctx context.Context, topic, id, price string) error {
	_, err := d.dynamodb.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(d.physical["Events"]),
		Item: map[string]types.AttributeValue{
			"topic": &types.AttributeValueMemberS{Value: topic},
			"id":    &types.AttributeValueMemberS{Value: id},
			"price": &types.AttributeValueMemberN{Value: price},
		},
	})
	return err
}

// logged reads a topic's rows in Changes, the head first.
func (d *deployment) logged(ctx context.Context, topic string) ([]map[string]types.AttributeValue, error) {
	out, err := d.dynamodb.Query(ctx, &dynamodb.QueryInput{
		TableName: aws.String(d.physical["Changes"]), ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("topic = :topic"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":topic": &types.AttributeValueMemberS{Value: topic}},
	})
	if err != nil {
		return nil, err
	}
	return out.Items, nil
}

// isLogged waits for a topic's changes, written shortly as "1 added quote {…}".
func (d *deployment) isLogged(ctx context.Context, topic string, want ...string) error {
	return eventually(ctx, func() error {
		rows, err := d.logged(ctx, topic)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return errors.New("no row in Changes")
		}
		var got []string
		for _, row := range rows[1:] {
			got = append(got, fmt.Sprintf("%s %s %s %s", text(row["seq"]), text(row["op"]), text(row["id"]), text(row["data"])))
		}
		return errors.Join(same("the log", got, want),
			same("the head", text(rows[0]["seq"])+" "+text(rows[0]["last"]), fmt.Sprintf("0 %d", len(want))))
	})
}

func text(value types.AttributeValue) string {
	switch value := value.(type) {
	case *types.AttributeValueMemberS:
		return value.Value
	case *types.AttributeValueMemberN:
		return value.Value
	}
	return ""
}

func (d *deployment) itemIsNumbered(ctx context.Context) error {
	if err := d.put(ctx, topic, "quote", "150.75"); err != nil {
		return err
	}
	return d.isLogged(ctx, topic, `1 added quote {"price":150.75}`)
}

// recordKeepsItsNumber takes the record out of the stream and hands it to the
// function once more, as Lambda does after a failure.
func (d *deployment) recordKeepsItsNumber(ctx context.Context) error {
	before, err := d.logged(ctx, topic)
	if err != nil {
		return err
	}
	batch, err := d.records(ctx)
	if err != nil {
		return err
	}
	var answer struct{ BatchItemFailures []any }
	if err := d.invoke(ctx, "Fanout", batch, &answer); err != nil {
		return err
	}
	after, err := d.logged(ctx, topic)
	if err != nil {
		return err
	}
	if err := errors.Join(
		same("what the function answered", answer, struct{ BatchItemFailures []any }{}),
		same("the log after the second delivery", after, before),
	); err != nil {
		return err
	}
	if err := d.put(ctx, topic, "quote", "151"); err != nil {
		return err
	}
	return d.isLogged(ctx, topic, `1 added quote {"price":150.75}`, `2 modified quote {"price":151}`)
}

// records reads the stream of Events into an event for the function. The
// records of the Streams API and those that Lambda hands on differ in this one
// member.
func (d *deployment) records(ctx context.Context) (map[string]any, error) {
	_, read, err := d.stream(ctx)
	if err != nil {
		return nil, err
	}
	for _, record := range read {
		record["eventSourceARN"] = d.streams["Events"]
	}
	return map[string]any{"Records": read}, same("number of records", len(read), 1)
}

// stream reads the stream of Events, which has one shard.
func (d *deployment) stream(ctx context.Context) (shard string, records []map[string]any, err error) {
	arn := d.streams["Events"]
	var described struct {
		StreamDescription struct{ Shards []struct{ ShardId string } }
	}
	if err := d.runAWS(ctx, &described, "dynamodbstreams", "describe-stream", "--stream-arn", arn); err != nil {
		return "", nil, err
	}
	if err := same("number of shards", len(described.StreamDescription.Shards), 1); err != nil {
		return "", nil, err
	}
	shard = described.StreamDescription.Shards[0].ShardId
	var iterator struct{ ShardIterator string }
	if err := d.runAWS(ctx, &iterator, "dynamodbstreams", "get-shard-iterator", "--stream-arn", arn,
		"--shard-id", shard, "--shard-iterator-type", "TRIM_HORIZON"); err != nil {
		return "", nil, err
	}
	var read struct{ Records []map[string]any }
	err = d.runAWS(ctx, &read, "dynamodbstreams", "get-records", "--shard-iterator", iterator.ShardIterator)
	return shard, read.Records, err
}

// streamRecord is as much of a record as salvage copies and the checks compare.
type streamRecord struct {
	Dynamodb struct {
		SequenceNumber string
		NewImage       any
	}
}

// firstRecord gives the oldest record of the stream of Events.
func (d *deployment) firstRecord(ctx context.Context) (shard string, record streamRecord, err error) {
	shard, records, err := d.stream(ctx)
	if err != nil {
		return "", record, err
	}
	if len(records) == 0 {
		return "", record, errors.New("the stream has no record")
	}
	encoded, err := json.Marshal(records[0])
	if err == nil {
		err = json.Unmarshal(encoded, &record)
	}
	return shard, record, err
}
