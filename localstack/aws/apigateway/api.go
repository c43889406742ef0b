package apigateway

import (
	"context"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/throttle"
)

// API is one WebSocket API and the one stage of it that is served.
type API struct {
	ID, Stage, Region, Account string
	// DomainName is what events call the API; "" means AWS's own form,
	// {ID}.execute-api.{Region}.amazonaws.com.
	DomainName string
	// RouteSelectionExpression picks the key of a message's route, such as
	// "$request.body.action" or "${request.body.service}/${request.body.action}".
	RouteSelectionExpression string
	// Routes by route key. A missing $connect accepts everybody, a missing
	// $disconnect tells nobody, a missing $default answers Forbidden.
	Routes map[string]Route
	// Throttle is the stage's default, for each route that has none of its own.
	Throttle Throttle
	// StageVariables appear in events only if there are any.
	StageVariables map[string]string
}

// Route is one route and its Lambda proxy integration.
type Route struct {
	// Function is what [Invoker] is given; "" means no integration.
	Function string
	// Permitted says that the API may invoke the function. Without the
	// permission a client sees Internal server error, as on AWS.
	Permitted bool
	// Timeout of the integration: 50 ms to 29 s, 0 means 29 s.
	Timeout time.Duration
	// TwoWay sends the body of the function's answer to the sender: the route
	// has RouteResponseSelectionExpression "$default" and a $default response.
	TwoWay bool
	// Authorizer guards $connect; on other routes it is ignored, as on AWS.
	Authorizer *Authorizer
	// Throttle of this route; its zero value means the stage's.
	Throttle Throttle
}

// Authorizer is a REQUEST authorizer, the only kind WebSocket APIs have.
type Authorizer struct {
	// Function is what [Invoker] is given. It runs for every connect: WebSocket
	// APIs do not cache results.
	Function string
	// Permitted says that the API may invoke the function. Without the permission a
	// client sees Internal server error, as on AWS.
	Permitted bool
	// IdentitySources such as "route.request.header.Authorization" or
	// "route.request.querystring.token"; each must be present and not empty, or
	// the answer is 401 and the function is not invoked.
	IdentitySources []string
}

// Throttle bounds what is let through.
type Throttle = throttle.Limit

// Invoker runs a function synchronously.
//
// functionError says that the function itself failed (an error, a crash, its
// own timeout) and output describes it; err says that it could not be run or
// awaited at all. When ctx ends, Invoke must return ctx's error at once, while
// the function runs on as it does on AWS.
type Invoker interface {
	Invoke(ctx context.Context, function string, payload []byte) (output []byte, functionError bool, err error)
}
