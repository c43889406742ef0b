// Intake puts what comes from queues, buses and streams into the Events table.
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/failure"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/intake"
)

func main() { function.Start(os.Getenv, build) }

func build(_ context.Context, s function.Setup) (func(context.Context, json.RawMessage) (any, error), error) {
	s.AWS.HTTPClient = dynamo.HTTPClient()
	sources, err := intake.ParseSources(s.Settings.Text(function.IntakeSources))
	return handler{
		sources: sources,
		store: dynamo.Open(s.AWS, dynamo.Tables{
			Events:    s.Settings.Text(function.EventsTable),
			Positions: s.Settings.Text(function.PositionsTable),
		}),
		failures: failure.Open(s.AWS, s.Settings.Text(function.FailureQueueURL)),
		now:      time.Now,
		logger:   s.Logger,
	}.handle, err
}
