// Copy is the function behind the streams of the stack's tests: it keeps the keys of the
// records that it is given in a table, under its own name.
package main

import (
	"context"
	"os"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		panic(err)
	}
	lambda.Start(copier{dynamodb.NewFromConfig(cfg), os.Getenv("SEEN_TABLE")}.copy)
}

type copier struct {
	db    *dynamodb.Client
	table string
}

func (c copier) copy(ctx context.Context, event awsevents.DynamoDBEvent) error {
	for _, record := range event.Records {
		_, err := c.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(c.table), Item: map[string]types.AttributeValue{
			"by": &types.AttributeValueMemberS{Value: lambdacontext.FunctionName},
			"id": &types.AttributeValueMemberS{Value: record.Change.Keys["id"].String()},
		}})
		if err != nil {
			return err
		}
	}
	return nil
}
