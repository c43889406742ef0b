// Hold is the function behind the REST API of the stack's tests. It streams what it was given
// as a server-sent event, and then as many more as the query "events" says, with the pause
// "pause" before each. The query "then" says how it goes on: end (the default), hang, fail or
// exit.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.StartHandlerFunc(hold)
}

func hold(_ context.Context, raw json.RawMessage) (*awsevents.APIGatewayProxyStreamingResponse, error) {
	var event awsevents.APIGatewayProxyRequest
	if err := json.Unmarshal(raw, &event); err != nil {
		return nil, err
	}
	if event.QueryStringParameters["then"] == "refuse" {
		return nil, errors.New("refused")
	}
	r, w := io.Pipe()
	go write(w, raw, event.QueryStringParameters)
	return &awsevents.APIGatewayProxyStreamingResponse{
		StatusCode: 200, Headers: map[string]string{"Content-Type": "text/event-stream"}, Cookies: []string{"a=1", "b=2"}, Body: r,
	}, nil
}

// write writes the events; nobody tells it that the client has gone.
func write(w *io.PipeWriter, raw []byte, query map[string]string) {
	fmt.Fprintf(w, "data: %s\n\n", raw)
	more, _ := strconv.Atoi(query["events"])
	pause, _ := time.ParseDuration(query["pause"])
	for i := range more {
		time.Sleep(pause)
		fmt.Fprintf(w, "data: %d\n\n", i+1)
	}
	switch query["then"] {
	case "hang":
		select {} // also when its time is over
	case "fail":
		_ = w.CloseWithError(errors.New("failed on the way"))
	case "exit":
		time.Sleep(pause) // or what was written may not be sent
		os.Exit(3)
	}
	_ = w.Close()
}
