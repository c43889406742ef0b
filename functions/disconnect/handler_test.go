package main

import (
	"context"
	"errors"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/identity"
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
	c := watch.Connection{Key: watch.Key{Subject: watch.Anonymous, ID: "c1"}, Connected: time.Now()}
	if err := store.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Subscribe(t.Context(), watch.Subscription{Key: c.Key, Topic: "a", Until: c.Ends()}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"c1", "c1", "never connected"} {
		if got, err := (handler{identity.Reader{Open: true}, store}).disconnect(t.Context(), disconnectEvent(id)); err != nil || got.StatusCode != 200 {
			t.Errorf("disconnect of %s: %d, %v", id, got.StatusCode, err)
		}
	}
	if ids, err := store.Subscribers(t.Context(), "a", false, watch.Whole); err != nil || len(ids) != 0 {
		t.Errorf("subscribers afterwards: %v, %v", ids, err)
	}
}

type brokenConnections struct{}

func (brokenConnections) Forget(context.Context, watch.Key, []watch.Subscription) error {
	return errors.New("table is gone")
}

func TestDisconnectReportsWhatItLeaves(t *testing.T) {
	if _, err := (handler{identity.Reader{Open: true}, brokenConnections{}}).disconnect(t.Context(), disconnectEvent("c1")); err == nil {
		t.Error("no error for Lambda to log")
	}
}

// TestRefusedConnectionLeavesNothing: it was let in only to be told, and no row was written.
func TestRefusedConnectionLeavesNothing(t *testing.T) {
	event := disconnectEvent("c1")
	event.RequestContext.Authorizer = identity.Refused(watch.ErrRevoked)
	if got, err := (handler{identity.Reader{}, brokenConnections{}}).disconnect(t.Context(), event); err != nil || got.StatusCode != 200 {
		t.Errorf("disconnect: %d, %v", got.StatusCode, err)
	}
}
