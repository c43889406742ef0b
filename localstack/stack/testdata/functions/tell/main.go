// Tell is the function behind the routes of the stack's tests: it keeps each event that
// it is given in a table.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"strings"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
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
	lambda.Start(teller{dynamodb.NewFromConfig(cfg), os.Getenv("SEEN_TABLE")}.tell)
}

type teller struct {
	db    *dynamodb.Client
	table string
}

// tell keeps the event under its type, which those of a REST API have none of. Of the subprotocols
// it takes the one that is not a token.
func (t teller) tell(ctx context.Context, raw json.RawMessage) (awsevents.APIGatewayProxyResponse, error) {
	answer := awsevents.APIGatewayProxyResponse{StatusCode: 200}
	var event awsevents.APIGatewayWebsocketProxyRequest
	if err := json.Unmarshal(raw, &event); err != nil {
		return answer, err
	}
	if strings.HasPrefix(event.Headers["Sec-WebSocket-Protocol"], "watchroute.v1,") {
		answer.Headers = map[string]string{"Sec-WebSocket-Protocol": "watchroute.v1"}
	}
	_, err := t.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(t.table), Item: map[string]types.AttributeValue{
		"by":    &types.AttributeValueMemberS{Value: cmp.Or(event.RequestContext.EventType, "HTTP")},
		"id":    &types.AttributeValueMemberS{Value: cmp.Or(event.RequestContext.ConnectionID, event.RequestContext.RequestID)},
		"event": &types.AttributeValueMemberS{Value: string(raw)},
	}})
	return answer, err
}
