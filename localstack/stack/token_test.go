package stack_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/token"
)

// all is the claim of those who may do everything.
const all = `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read","publish"]}]}`

// token makes one that is valid for an hour, or what change makes of it.
func (s *running) token(t testing.TB, subject, claim string, change func(*token.Token)) string {
	t.Helper()
	now := time.Now()
	made := token.Token{Subject: subject, Issued: now, Expires: now.Add(time.Hour), Claim: json.RawMessage(claim)}
	if change != nil {
		change(&made)
	}
	signed, err := token.Sign([]byte(s.secret(t, "TokenSecretArn")), made)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// tokensOnly lets nobody in without a token.
func tokensOnly(o *stack.Options) { o.Anonymous = false }

// store reaches the tables as the functions do.
func (s *running) store() *dynamo.Store {
	return dynamo.Open(aws.Config{Region: stack.Region, BaseEndpoint: aws.String(s.URL()),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}, dynamo.Tables{
		Events: s.Outputs["EventsTable"], Connections: "Connections", Subscriptions: "Subscriptions", Destinations: "Destinations",
	})
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprint(n)}
}

// putRow writes a row of the service's own tables by hand.
func (s *running) putRow(t testing.TB, table, key, value, sortKey, sortValue string, row map[string]types.AttributeValue) {
	t.Helper()
	row[key], row[sortKey] = text(value), text(sortValue)
	if _, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: row}); err != nil {
		t.Fatal(err)
	}
}

// revoke takes back what was issued to a subject by now.
func (s *running) revoke(t testing.TB, subject, id string) {
	t.Helper()
	s.putRow(t, s.Outputs["RevocationsTable"], "subject", subject, "tokenId", id, map[string]types.AttributeValue{"before": number(time.Now().Unix())})
}

// lapse ends the time of a subscription more than five years ago, so that DynamoDB does not delete
// the row.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
func (s *running) lapse(t testing.TB, subject, topic string) {
	t.Helper()
	out, err := s.db.Query(t.Context(), &dynamodb.QueryInput{
		TableName: aws.String(s.Outputs["SubscriptionsTable"]), KeyConditionExpression: aws.String("topic = :topic"), ConsistentRead: aws.Bool(true),
		ExpressionAttributeValues: map[string]types.AttributeValue{":topic": text(topic + "#0")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range out.Items {
		if is, ok := row["subject"].(*types.AttributeValueMemberS); !ok || is.Value != subject {
			continue // the row with the number of shards has none
		}
		row["expiresAt"] = number(time.Now().AddDate(-6, 0, 0).Unix())
		if _, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(s.Outputs["SubscriptionsTable"]), Item: row}); err != nil {
			t.Fatal(err)
		}
	}
}

// expire lets the token of a subject's connections have expired for too long, as one
// does that came by auth.
func (s *running) expire(t testing.TB, subject string) {
	t.Helper()
	out, err := s.db.Query(t.Context(), &dynamodb.QueryInput{
		TableName: aws.String(s.Outputs["ConnectionsTable"]), KeyConditionExpression: aws.String("subject = :subject"), ConsistentRead: aws.Bool(true),
		ExpressionAttributeValues: map[string]types.AttributeValue{":subject": text(subject)},
	})
	if err != nil {
		t.Fatal(err)
	}
	granted, err := grant.Parse([]byte(all), subject)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range out.Items {
		row["grant"], row["tokenExpiresAt"] = text(granted.String()), number(time.Now().Add(-time.Hour).Unix())
		if _, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(s.Outputs["ConnectionsTable"]), Item: row}); err != nil {
			t.Fatal(err)
		}
	}
}

// auth has the connection go by another token, and gives the topics whose subscriptions
// ended with it.
func (c *client) auth(token string) (ended []events.Topic) {
	c.t.Helper()
	c.send(`{"action":"auth","id":"auth","token":"` + token + `"}`)
	for {
		switch frame := c.frame().(type) {
		case *events.Authorized:
			return ended
		case *events.Unsubscribed:
			ended = append(ended, frame.Topic)
		case *events.Error:
			c.t.Errorf("auth is answered %+v", frame)
			return ended
		}
	}
}

// ended wants the connection to be closed after an error frame with that code.
func (c *client) ended(code events.Code) {
	c.t.Helper()
	for {
		frame, ok := c.frame().(*events.Error)
		if ok && frame.Code == code {
			break
		}
	}
	if _, _, err := c.conn.Read(c.t.Context()); err == nil {
		c.t.Errorf("the connection goes on after %s", code)
	}
}

// TestTokenOfTheDeployedRecipeConnects: the line of README.md that signs a token with the secret of a
// deployed stack, from which Secrets Manager is asked. With that token, whoever knows nothing but the
// address of openapi.json finds everything else in it.
func TestTokenOfTheDeployedRecipeConnects(t *testing.T) {
	s := start(t, tokensOnly)
	recipe := exec.CommandContext(t.Context(), "go", "run", "./localstack/token", "--secret", "-", "--sub", "alice", "--topics", "stocks/*")
	recipe.Dir, recipe.Stdin = root, strings.NewReader(s.secret(t, "TokenSecretArn")+"\n")
	var wrong strings.Builder
	recipe.Stderr = &wrong
	signed, err := recipe.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &wrong)
	}
	c := s.connectWith(t, strings.TrimSpace(string(signed)))
	c.subscribe("stocks/AAPL")
	s.put(t, "stocks/AAPL", "quote", "150.75")
	c.changes(1)
	c.send(`{"action":"subscribe","topic":"users/bob"}`)
	if refused, ok := c.frame().(*events.Error); !ok || refused.Code != events.CodeForbidden {
		t.Errorf("another topic is answered %+v", refused)
	}
	s.followsItsContracts(t, strings.TrimSpace(string(signed)), "stocks/AAPL")
}
