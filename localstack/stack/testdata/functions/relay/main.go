// Relay is the function that uses buses in the stack's tests: it keeps each event that it is given in
// a table, under its own name, and sends it on to an event bus, a FIFO topic and a stream of Kinesis,
// if it has them. It refuses events with the text in REFUSE.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		panic(err)
	}
	lambda.Start(relay{dynamodb.NewFromConfig(cfg), eventbridge.NewFromConfig(cfg), sns.NewFromConfig(cfg), kinesis.NewFromConfig(cfg)}.relay)
}

type relay struct {
	db      *dynamodb.Client
	buses   *eventbridge.Client
	topics  *sns.Client
	streams *kinesis.Client
}

// relay logs its errors, because nobody waits for its answer.
func (r relay) relay(ctx context.Context, raw json.RawMessage) error {
	err := r.send(ctx, raw)
	if err != nil {
		log.Print(err)
	}
	return err
}

func (r relay) send(ctx context.Context, raw json.RawMessage) error {
	if refuse := os.Getenv("REFUSE"); refuse != "" && strings.Contains(string(raw), refuse) {
		return errors.New("refused")
	}
	invocation, _ := lambdacontext.FromContext(ctx)
	_, err := r.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(os.Getenv("SEEN_TABLE")), Item: map[string]types.AttributeValue{
		"by":    &types.AttributeValueMemberS{Value: lambdacontext.FunctionName},
		"id":    &types.AttributeValueMemberS{Value: invocation.AwsRequestID},
		"event": &types.AttributeValueMemberS{Value: string(raw)},
	}})
	if err != nil {
		return err
	}
	if bus := os.Getenv("BUS"); bus != "" {
		_, err = r.buses.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []eventtypes.PutEventsRequestEntry{
			{EventBusName: &bus, Source: aws.String("relay"), DetailType: aws.String("sent on"), Detail: aws.String(string(raw))},
		}})
		if err != nil {
			return err
		}
	}
	if topic := os.Getenv("TOPIC_ARN"); topic != "" {
		_, err = r.topics.Publish(ctx, &sns.PublishInput{
			TopicArn: &topic, Message: aws.String(string(raw)), MessageGroupId: aws.String("relay"), MessageDeduplicationId: &invocation.AwsRequestID,
		})
		if err != nil {
			return err
		}
	}
	if stream := os.Getenv("STREAM"); stream != "" {
		_, err = r.streams.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &stream, PartitionKey: &invocation.AwsRequestID, Data: raw})
	}
	return err
}
