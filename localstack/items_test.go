package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// writeItems puts, updates and deletes an item with the real SDK.
func writeItems(ctx context.Context, endpoint string) error {
	db := dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
	table := aws.String("Events")
	key := map[string]types.AttributeValue{
		"topic": &types.AttributeValueMemberS{Value: "stocks/AAPL"}, "id": &types.AttributeValueMemberS{Value: "quote"},
	}
	item := map[string]types.AttributeValue{"topic": key["topic"], "id": key["id"], "price": &types.AttributeValueMemberN{Value: "150.75"}}
	if _, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: item}); err != nil {
		return err
	}
	_, err := db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: key, UpdateExpression: aws.String("SET price = :p"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberN{Value: "151"}}})
	if err != nil {
		return err
	}
	_, err = db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key})
	return err
}
