package reply

import (
	"strings"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
)

// TestMessagesAreOrderedAsAPIGatewayTookThem, not as Lambda hands them on: by the time and the id
// in their events. An emulator may leave both out.
func TestMessagesAreOrderedAsAPIGatewayTookThem(t *testing.T) {
	h, _, _ := newMessage(t)
	took := time.Now().UnixMilli()
	ask := func(body, id string, at int64) string {
		event := awsevents.APIGatewayWebsocketProxyRequest{Body: body}
		event.RequestContext.ConnectionID, event.RequestContext.ConnectedAt = "c1", took
		event.RequestContext.RequestTimeEpoch = at
		if id != "" {
			event.RequestContext.MessageID = id
		}
		answer, err := h.Reply(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Body
	}
	const subscribe, unsubscribe = `{"action":"subscribe","topic":"a"}`, `{"action":"unsubscribe","topic":"a"}`
	for _, step := range []struct {
		body, id string
		at       int64
		want     string
	}{
		{subscribe, "Sx1c9cOFoAMCJ5w=", took + 2, `"type":"subscribed"`},
		{unsubscribe, "Sx1c9cOFoAMCJ5x=", took + 1, `"code":"overtaken"`},
		{subscribe, "Sx1c9cOFoAMCJ5w=", took + 2, `"type":"subscribed"`}, // which Lambda runs twice
		{unsubscribe, "Sx1c9cOFoAMCJ5y=", took + 3, `"type":"unsubscribed"`},
		{subscribe, "Sx1c9cOFoAMCJ5w=", took + 2, `"code":"overtaken"`},
		{`{"action":"subscribe","topic":"a","order":1}`, "Sx1c9cOFoAMCJ5z=", took, `"type":"subscribed"`},
		{unsubscribe, "Sx1c9cOFoAMCJ50=", took + 10, `"code":"overtaken"`}, // as it has no number
		{strings.ReplaceAll(subscribe, `"a"`, `"b"`), "", 0, `"type":"subscribed"`},
	} {
		if got := ask(step.body, step.id, step.at); !strings.Contains(got, step.want) {
			t.Errorf("%s at %d is answered %s, want %s", step.body, step.at-took, got, step.want)
		}
	}
}
