package restapi

import (
	"context"
	"io"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/throttle"
)

// API is one REST API and the one stage of it that is served.
type API struct {
	ID, Stage, Region, Account string
	// DeploymentID is what events call the stage's deployment.
	DeploymentID string
	// StageVariables are null in events if there are none.
	StageVariables map[string]string
	Resources      []Resource
	// Responses are the gateway responses that differ from AWS's, by type, such as
	// UNAUTHORIZED or DEFAULT_5XX.
	Responses map[string]Response
}

// Resource is a path and what can be done with it.
type Resource struct {
	ID string
	// Path such as "/", "/topics/{name}" or "/topics/{proxy+}". The last of these stands for
	// everything below.
	Path string
	// Methods by HTTP method; ANY is for all that have none of their own.
	Methods map[string]Method
}

// Method is one method and its Lambda proxy integration.
type Method struct {
	// Function is what [Invoker] is given.
	Function string
	// Permitted says that the API may invoke the function. Without the permission a client
	// sees Internal server error, as on AWS.
	Permitted bool
	// Stream is the response transfer mode STREAM; otherwise it is BUFFERED.
	Stream bool
	// Timeout of the integration: 50 ms to 29 s, or to 15 min for a stream, from the request to
	// the end of the answer. 0 means 29 s.
	Timeout time.Duration
	// Authorizer guards the method; nil lets everybody in.
	Authorizer *Authorizer
	// Throttle of this method, which is the stage's unless it has its own; its zero value
	// means the account's only.
	Throttle throttle.Limit
}

// Authorizer is a REQUEST authorizer without a cache.
type Authorizer struct {
	// Function is what [Invoker] is given.
	Function string
	// Permitted says that the API may invoke the function.
	Permitted bool
	// IdentitySources such as "method.request.header.Authorization"; each must be present and
	// not empty, or the answer is 401 and the function is not invoked.
	IdentitySources []string
}

// Response is a gateway response.
type Response struct {
	// Status replaces AWS's; 0 leaves it.
	Status int
	// Headers by name: a constant in single quotes, or "method.request.header.{name}".
	Headers map[string]string
	// Templates of the body by content type. They may contain $context.error.message,
	// $context.error.messageString (as JSON), $context.error.responseType, $context.requestId,
	// $context.extendedRequestId and, with a member of the authorizer's context,
	// $context.authorizer.{name}, which is nothing where there is none. None means
	// {"message":$context.error.messageString}.
	Templates map[string]string
}

// Invoker runs functions.
type Invoker interface {
	// Invoke runs a function and collects its answer. functionError says that the function
	// itself failed, and output describes how; err says that it could not be run or awaited.
	// When ctx ends, Invoke must return ctx's error at once, while the function runs on.
	Invoke(ctx context.Context, function string, payload []byte) (output []byte, functionError bool, err error)
	// InvokeStream runs a function and returns when it begins to answer. failure is what it
	// failed with before that. Reading fails when ctx ends, or when the function fails, and the
	// function runs on when answer is closed.
	InvokeStream(ctx context.Context, function string, payload []byte) (answer io.ReadCloser, failure []byte, err error)
}
