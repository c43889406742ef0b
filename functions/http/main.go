// Http answers requests for topics: their items, what has changed since a cursor, and what
// changes from then on. It publishes items, too.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/origin"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/secret"
	"github.com/watchroute/watchroute/shared/watch"
)

// minStreamTime is how long a stream is held at least. Shorter ones cost more in requests than
// they save.
const minStreamTime = time.Second

func main() { function.Start(os.Getenv, build) }

func build(_ context.Context, s function.Setup) (func(context.Context, awsevents.APIGatewayProxyRequest) (*awsevents.APIGatewayProxyStreamingResponse, error), error) {
	store := dynamo.Open(s.AWS, dynamo.Tables{
		Events:      s.Settings.Text("EVENTS_TABLE"),
		Changes:     s.Settings.Text("CHANGES_TABLE"),
		Connections: s.Settings.Text("CONNECTIONS_TABLE"), // of which it uses purses and holds
		Revocations: s.Settings.Text("REVOCATIONS_TABLE"),
	})
	origins, err := origin.ParseList(s.Settings.Optional("ALLOWED_ORIGINS"))
	if err != nil {
		return nil, fmt.Errorf("ALLOWED_ORIGINS: %w", err)
	}
	who := identity.Reader{Open: s.Settings.Flag("OPEN_TO_EVERYONE")}
	return gateway{logger: s.Logger, handler: handler{
		topics: watch.Feed{
			Topics: watch.Topics{
				Items:     store,
				History:   store,
				Places:    seal.New(secret.Open(s.AWS, s.Settings.Text("SERVICE_SECRET_ARN")).Versions),
				Allowance: watch.NewAllowance(store, s.Settings.Count("MAX_SUBJECT_UNITS")),
				Limits:    watch.Limits{PublishBytes: s.Settings.Count("MAX_PUBLISH_BYTES"), SnapshotItems: s.Settings.Count("MAX_SNAPSHOT_ITEMS")},
			},
			Stands:      store,
			Revocations: store,
			Holds:       store,
			HoldLimits:  watch.HoldLimits{Subject: s.Settings.Count("MAX_SUBJECT_HOLDS"), Total: s.Settings.Count("MAX_HOLDS")},
		},
		streamTime: s.Settings.Duration("STREAM_TIME", minStreamTime),
		readPause:  readPause,
		viewer:     func(r *http.Request) (watch.Viewer, error) { return who.ViewerOf(contextOf(r)) },
		origins:    origins,
		logger:     s.Logger,
	}}.serve, nil
}
