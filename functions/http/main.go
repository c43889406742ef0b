// Http answers GET requests for topics: their items, and what has changed since a cursor.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/origin"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/secret"
	"github.com/watchroute/watchroute/shared/watch"
)

func main() { function.Start(os.Getenv, build) }

func build(_ context.Context, s function.Setup) (func(context.Context, awsevents.APIGatewayProxyRequest) (*awsevents.APIGatewayProxyStreamingResponse, error), error) {
	store := dynamo.Open(s.AWS, dynamo.Tables{
		Events:      s.Settings.Text("EVENTS_TABLE"),
		Changes:     s.Settings.Text("CHANGES_TABLE"),
		Connections: s.Settings.Text("CONNECTIONS_TABLE"), // of which it uses the purses
	})
	origins, err := origin.ParseList(s.Settings.Optional("ALLOWED_ORIGINS"))
	if err != nil {
		return nil, fmt.Errorf("ALLOWED_ORIGINS: %w", err)
	}
	who := identity.Reader{Open: s.Settings.Flag("OPEN_TO_EVERYONE")}
	return gateway{handler{
		topics: watch.Topics{
			Items:     store,
			History:   store,
			Places:    seal.New(secret.Open(s.AWS, s.Settings.Text("SERVICE_SECRET_ARN")).Versions),
			Allowance: watch.NewAllowance(store, s.Settings.Count("MAX_SUBJECT_UNITS")),
			Limits:    watch.Limits{SnapshotItems: s.Settings.Count("MAX_SNAPSHOT_ITEMS")},
		},
		viewer:  func(r *http.Request) (watch.Viewer, error) { return who.ViewerOf(contextOf(r)) },
		origins: origins,
		logger:  s.Logger,
	}}.serve, nil
}
