package stack_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/stack"
)

func TestHealthNamesEveryService(t *testing.T) {
	s := start(t, nil)
	var health struct{ Services map[string]string }
	s.get(t, "/_localstack/health", &health)
	for _, name := range []string{"apigateway", "dynamodb", "dynamodbstreams", "events", "kinesis", "lambda", "secretsmanager", "sns", "sqs"} {
		if health.Services[name] != "running" {
			t.Errorf("%s is %q", name, health.Services[name])
		}
	}
}

func TestUsageIsServedAsJSON(t *testing.T) {
	s := start(t, nil)
	c := s.connect(t)
	c.subscribe("a")
	s.put(t, "a", "i", "1")
	c.changes(1)
	eventually(t, "usage of one change", func() bool {
		var u stack.Usage
		s.get(t, "/_localstack/usage", &u)
		return u.DynamoDB.Tables["Events"]["PutItem"].WriteCapacityUnits == 1 && u.APIGateway.Posts[200] == 1 &&
			u.Lambda.Functions["Fanout"].Invocations == 1 && u.Lambda.Functions["Connect"].ColdStarts == 1 && u.TCPConnections > 0
	})
}

func TestUnknownServiceIsRefusedByName(t *testing.T) {
	s := start(t, nil)
	request, err := http.NewRequest(http.MethodPost, s.URL(), strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "Firehose_20150804.PutRecord")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("answer %s", response.Status)
	}
}
