package stack

import (
	"context"
	"io/fs"
	"path/filepath"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb"
	"github.com/watchroute/watchroute/localstack/console"
	"github.com/watchroute/watchroute/localstack/examples/chat"
	"github.com/watchroute/watchroute/localstack/examples/ticker"
	"github.com/watchroute/watchroute/shared/dynamo"
)

// examples are what the console serves below /examples/, each with the files of its folder.
var examples = map[string]fs.FS{"chat": chat.Files, "ticker": ticker.Files}

// console is what the console has to show.
func (s *Stack) console() console.Options {
	return console.Options{
		Examples: examples, Docs: filepath.Join(s.o.Root, ".build", "docs"), Ready: s.ready.Load, Secret: s.tokenSecret, Faults: s.o.Faults,
		About: func() console.About {
			return console.About{Stage: s.stage, HTTP: s.rest != nil, Anonymous: s.o.Anonymous || s.Outputs["TokenSecretArn"] == "", Outputs: s.Outputs}
		},
		DB: func() *dynamodb.Engine { return s.db }, Tables: s.tables,
		Connections: func() []string { return s.gateway.Connections() }, Cut: func(id string) bool { return s.gateway.Cut(id) },
		Used: s.used, ResetUsed: s.ResetUsage,
	}
}

// tables are the names of the service's tables.
func (s *Stack) tables() dynamo.Tables {
	return dynamo.Tables{
		Events: s.Outputs["EventsTable"], Changes: s.Outputs["ChangesTable"], Connections: s.Outputs["ConnectionsTable"],
		Subscriptions: s.Outputs["SubscriptionsTable"], Destinations: s.Outputs["DestinationsTable"],
	}
}

// used is what AWS would charge for.
func (s *Stack) used() console.Used {
	u := s.Usage()
	return console.Used{Since: s.counted.Load(), DynamoDB: u.DynamoDB, APIGateway: u.APIGateway, REST: u.REST, Lambda: u.Lambda, SQS: u.SQS}
}

// tokenSecret reads the secret that signs tokens; nil if the template has none.
func (s *Stack) tokenSecret(ctx context.Context) ([]byte, error) {
	arn := s.Outputs["TokenSecretArn"]
	if arn == "" {
		return nil, nil
	}
	text, err := s.secretText(ctx, arn)
	return []byte(text), err
}

// secretText reads a secret.
func (s *Stack) secretText(ctx context.Context, arn string) (string, error) {
	var value struct{ SecretString string }
	err := call(ctx, s.secrets.Service(), "GetSecretValue", map[string]any{"SecretId": arn}, &value)
	return value.SecretString, err
}
