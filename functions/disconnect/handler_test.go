package main

import (
	"context"
	"errors"
	"testing"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/dynamo/dynamotest"
	"github.com/watchroute/watchroute/shared/watch"
)

// disconnectEvent is API Gateway's word that a client has gone.
func disconnectEvent(id string) awsevents.APIGatewayWebsocketProxyRequest {
	var event awsevents.APIGatewayWebsocketProxyRequest
	event.RequestContext.ConnectionID = id
	return event
}

// TestDisconnectTwiceLateOrUnknown sends $disconnect as API Gateway may.
func TestDisconnectTwiceLateOrUnknown(t *testing.T) {
	store := dynamotest.Start(t).Store()
	c := watch.Connection{ID: "c1"}
	if err := store.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Subscribe(t.Context(), watch.Subscription{Connection: c, Topic: "a"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"c1", "c1", "never connected"} {
		if got, err := (handler{store}).disconnect(t.Context(), disconnectEvent(id)); err != nil || got.StatusCode != 200 {
			t.Errorf("disconnect of %s: %d, %v", id, got.StatusCode, err)
		}
	}
	if ids, err := store.Subscribers(t.Context(), "a"); err != nil || len(ids) != 0 {
		t.Errorf("subscribers afterwards: %v, %v", ids, err)
	}
}

type brokenConnections struct{}

func (brokenConnections) Forget(context.Context, watch.ConnectionID, []events.Topic) error {
	return errors.New("table is gone")
}

func TestDisconnectReportsWhatItLeaves(t *testing.T) {
	if _, err := (handler{brokenConnections{}}).disconnect(t.Context(), disconnectEvent("c1")); err == nil {
		t.Error("no error for Lambda to log")
	}
}
