package stack

import (
	"context"
	"net/http"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/aws/lambda"
	"github.com/watchroute/watchroute/localstack/aws/restapi"
	"github.com/watchroute/watchroute/localstack/fault"
)

// brokenGateway adds the faults to API Gateway's options, if there are any.
func (s *Stack) brokenGateway(o apigateway.Options) apigateway.Options {
	if f := s.o.Faults; f != nil {
		o.Receiving, o.Sending, o.Passing, o.NoDisconnect = f.Receiving, f.Sending, f.Passing, f.NoDisconnect
	}
	return o
}

// brokenREST is the same for a REST API's.
func (s *Stack) brokenREST(o restapi.Options) restapi.Options {
	if f := s.o.Faults; f != nil {
		o.Failing, o.Passing = f.Failing, f.PassingPiece
	}
	return o
}

// brokenLambda adds the faults to Lambda's options, if there are any.
func (s *Stack) brokenLambda(o lambda.Options) lambda.Options {
	if f := s.o.Faults; f != nil {
		o.Started = func(r lambda.Running) { f.Started(r) }
		o.WrapDelivery, o.WrapQueue = f.WrapDelivery, f.WrapQueue
	}
	return o
}

// accessKey is that of a request, as far as it is signed.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func accessKey(r *http.Request) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(credential, "/")
	return key
}

// caller is the function's process that calls, nil for anybody else.
func (s *Stack) caller(ctx context.Context) *fault.Caller {
	from, _ := ctx.Value(callerKey{}).(*caller)
	if from == nil {
		return nil
	}
	return &fault.Caller{Process: from.accessKey, Abandon: func() bool {
		running, ok := s.functions.Running(from.accessKey)
		return ok && running.Abandon()
	}}
}

// refusedPost answers a PostToConnection call that is not to succeed.
func (s *Stack) refusedPost(w http.ResponseWriter, r *http.Request) bool {
	_, managed := s.managedConnection(r)
	return managed && r.Method == http.MethodPost && s.o.Faults.RefusePost(w, r)
}

// breakBySecond runs the faults that come by the second, until Close.
func (s *Stack) breakBySecond() {
	if s.o.Faults == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.calm = cancel
	s.breaking.Go(func() {
		s.o.Faults.Run(ctx, fault.Targets{Streams: s.streams, Connections: s.gateway.Connections, Forget: s.forgetConnection})
	})
}

// forgetConnection deletes the row of a connection, whosever it is.
func (s *Stack) forgetConnection(ctx context.Context, id string) bool {
	var found struct{ Items []map[string]any }
	err := call(ctx, s.db.Service(), "Scan", map[string]any{
		"TableName":                 s.Outputs["ConnectionsTable"],
		"FilterExpression":          "connectionId = :id",
		"ExpressionAttributeValues": map[string]any{":id": map[string]string{"S": id}},
	}, &found)
	if err != nil || len(found.Items) == 0 {
		return false
	}
	row := found.Items[0]
	var deleted struct{ Attributes map[string]any }
	err = call(ctx, s.db.Service(), "DeleteItem", map[string]any{
		"TableName":    s.Outputs["ConnectionsTable"],
		"Key":          map[string]any{"subject": row["subject"], "connectionId": row["connectionId"]},
		"ReturnValues": "ALL_OLD",
	}, &deleted)
	if err != nil {
		s.o.Logger.Warn("connection not forgotten", "connection", id, "err", err)
	}
	return len(deleted.Attributes) > 0
}
