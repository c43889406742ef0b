package restapi

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/throttle"
)

// Quotas of REST APIs. Those of streams are defaults of [Options].
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
const (
	// IntegrationTimeout is what a buffered answer may take, and any without a setting.
	IntegrationTimeout = 29 * time.Second
	// MaxDuration is what a streamed answer may take.
	MaxDuration = 15 * time.Minute
	// IdleTimeout is how long a stream of a Regional API may be silent.
	IdleTimeout = 5 * time.Minute

	minTimeout     = 50 * time.Millisecond
	maxBody        = 10 << 20 // bytes of a request
	maxHeaders     = 10_240   // bytes of all headers of a request together
	maxMethodARN   = 1_600    // bytes, for methods with an authorizer
	maxMetadata    = 16 << 10 // bytes of a stream, within which the delimiter must come
	freeBytes      = 10 << 20 // of a stream, which are not held back
	bytesPerSecond = 2 << 20  // of a stream after that
	meteredBytes   = 10 << 20 // of a stream: each begun part counts as a request
)

// Options hold limits, whose zero values mean AWS's, and switches for what is not known of
// AWS, whose zero values mean the strict reading.
type Options struct {
	// Account is the account's bucket, shared by all APIs; nil means no limit.
	Account *throttle.Bucket
	// IdleTimeout is how long a stream may be silent, or its client take nothing.
	IdleTimeout time.Duration

	// LenientMetadata lets the metadata of a stream leave statusCode out, which then is 200.
	// aws-lambda-go leaves it out if it is 0. Without it the answer is 502, like that for a
	// buffered answer that cannot be read.
	LenientMetadata bool
	// EndFailedStreams ends the stream of a function that fails as if it were whole, instead of
	// cutting the connection.
	EndFailedStreams bool
	// LargeHeaders accepts headers of more than 10,240 bytes together, which are answered 431
	// otherwise. AWS documents the limit, not the answer.
	LargeHeaders bool
	// LongMethodARN accepts a method ARN of more than 1,600 bytes for a method with an
	// authorizer, which is answered 414 otherwise. AWS documents the limit, not the answer.
	LongMethodARN bool
	// InvokeAfterStream invokes the function once more after each stream, with an event that is
	// no proxy event, as a library claims that AWS does.
	InvokeAfterStream bool

	// Failing is called for each request that reaches a function, and says how API Gateway fails
	// it. Passing is called for each piece of a stream, and says how much of it is sent, and
	// whether the connection is cut after that. It may wait until ctx ends. nil means that nothing
	// fails.
	Failing func() Failure
	Passing func(ctx context.Context, piece []byte) (sent int, cut bool)

	// Answered, if not nil, is told of each answer when it has ended.
	Answered func(Answer)

	// Logger gets what an execution log would hold, never payloads; nil means slog.Default().
	Logger *slog.Logger
}

// Failure is how a request fails at API Gateway.
type Failure int

// The failures of requests.
const (
	Works Failure = iota
	// Throttled requests are answered 429, before any function runs.
	Throttled
	// FunctionThrottled is answered 500, as API Gateway hides that Lambda has no room.
	FunctionThrottled
	// AnswerLost is answered 502 after the function has run.
	AnswerLost
	// AnswerLate is answered 504 after the function has run, as if it had taken too long.
	AnswerLate
)

// failures are the answers that replace a function's answer.
var failures = map[Failure]*refusal{Throttled: errThrottled, FunctionThrottled: errInternal, AnswerLost: errFunction, AnswerLate: errTimeout}

func (o Options) withDefaults() Options {
	o.IdleTimeout = cmp.Or(o.IdleTimeout, IdleTimeout)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	if o.Failing == nil {
		o.Failing = func() Failure { return Works }
	}
	if o.Passing == nil {
		o.Passing = func(_ context.Context, piece []byte) (int, bool) { return len(piece), false }
	}
	return o
}
