package template_test

import (
	"os"
	"slices"
	"testing"
)

const golden = "../../../infra/testdata/watchroute.template.json"

// TestGoldenDeploys runs through the template that the local stack runs.
func TestGoldenDeploys(t *testing.T) {
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	created, deployment := deploy(t, string(text), nil)
	if got, want := deployment.Outputs["WebSocketUrl"], "wss://ref-Api.execute-api.eu-west-1.amazonaws.com/live"; got != want {
		t.Errorf("WebSocketUrl is %s, want %s", got, want)
	}
	if got, want := deployment.Outputs["HttpUrl"], "https://ref-HttpApi.execute-api.eu-west-1.amazonaws.com/live"; got != want {
		t.Errorf("HttpUrl is %s, want %s", got, want)
	}
	if got, want := deployment.Outputs["EventsTable"], "ref-Events"; got != want {
		t.Errorf("EventsTable is %s, want %s", got, want)
	}
	for _, pair := range [][2]string{
		{"Events", "EventsToFanout"}, {"Fanout", "EventsToFanout"}, {"FailureQueue", "Fanout"},
		{"Message", "MessageIntegration"}, {"MessageIntegration", "SubscribeRoute"}, {"Api", "Fanout"},
		{"HttpProxy", "HttpGet"}, {"HttpAuthorizer", "HttpGet"},
	} {
		if slices.Index(deployment.Order, pair[0]) > slices.Index(deployment.Order, pair[1]) {
			t.Errorf("%s was created after %s, which needs it", pair[0], pair[1])
		}
	}
	var fanout struct {
		Environment struct{ Variables map[string]string }
		Timeout     int
	}
	if err := created["Fanout"].Decode(&fanout); err != nil {
		t.Fatal(err)
	}
	if got, want := fanout.Environment.Variables["CALLBACK_URL"], "https://ref-Api.execute-api.eu-west-1.amazonaws.com/live"; got != want {
		t.Errorf("CALLBACK_URL is %s, want %s", got, want)
	}
	if fanout.Timeout != 60 {
		t.Errorf("fanout's timeout is %d s, want 60", fanout.Timeout)
	}
}
