// Package sqstest is the only place that knows how tests get a queue: on an embedded SQS of its own,
// which refuses what AWS refuses, reached through the real SDK.
package sqstest

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	embedded "github.com/watchroute/watchroute/localstack/aws/sqs"
	"github.com/watchroute/watchroute/shared/dynamo"
)

// Queue is a queue of an embedded SQS.
type Queue struct {
	Config aws.Config  // for SDK clients
	Client *sqs.Client // made of Config
	URL    *string
}

// Start makes a queue that ends with the test. One whose name ends in .fifo has deduplication and
// throughput per message group, as our FIFO queues have.
func Start(t testing.TB, name string) Queue {
	t.Helper()
	server := httptest.NewServer(embedded.New(embedded.Options{}).Service())
	t.Cleanup(server.Close)
	cfg := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), HTTPClient: dynamo.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}
	create := &sqs.CreateQueueInput{QueueName: &name}
	if strings.HasSuffix(name, ".fifo") {
		create.Attributes = map[string]string{"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
	}
	client := sqs.NewFromConfig(cfg)
	created, err := client.CreateQueue(t.Context(), create)
	if err != nil {
		t.Fatal(err)
	}
	return Queue{cfg, client, created.QueueUrl}
}
