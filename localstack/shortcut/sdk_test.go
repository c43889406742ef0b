package shortcut

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/shared/dynamo"
)

// TestCallsOfTheSDKArePlain: a function's calls of DynamoDB do not reach net/http, and their answers
// have one length.
func TestCallsOfTheSDKArePlain(t *testing.T) {
	t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "Fanout")
	t.Setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0")
	var served atomic.Int32
	handler := http.Handler(&awsjson.Service{Target: "DynamoDB_20120810", Operations: map[string]awsjson.Operation{
		"PutItem": func(context.Context, []byte) (any, error) {
			served.Add(1)
			return map[string]any{"Attributes": map[string]any{"text": map[string]string{"S": strings.Repeat("x", 5000)}}}, nil
		},
	}})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(listener, Options{Prefix: "/f/", Handler: handler, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = l.Close() }) // nobody accepts what is not plain, so it would wait
	db := dynamodb.NewFromConfig(aws.Config{Region: "us-east-1", HTTPClient: dynamo.HTTPClient(), BaseEndpoint: aws.String("http://" + listener.Addr().String() + "/f/Fanout"),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "session")})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range 3 {
		out, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("T"), Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "a"}}})
		if err != nil || len(out.Attributes["text"].(*types.AttributeValueMemberS).Value) != 5000 {
			t.Fatal(err)
		}
	}
	if served.Load() != 3 {
		t.Errorf("%d calls served", served.Load())
	}
}
