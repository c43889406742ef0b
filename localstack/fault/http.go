package fault

import (
	"context"
	"time"

	"github.com/watchroute/watchroute/localstack/restapi"
)

// What happens to requests of the REST API that reach a function. Occasion of each: such a
// request, which none of those named before it has hit.
const (
	// HTTP429 answers 429, as a throttle of API Gateway's does.
	HTTP429 Kind = "http-429"
	// HTTP500 answers 500 in place of the function, as API Gateway does when Lambda has no room.
	HTTP500 Kind = "http-500"
	// HTTP502 answers 502 after the function has run, as for an answer that cannot be read.
	HTTP502 Kind = "http-502"
)

// What happens to streamed answers that have begun.
const (
	// TearStream sends a piece of a stream by half, in the middle of a line, and cuts the
	// connection. Occasion: a piece.
	TearStream Kind = "tear-stream"
	// IdleCut lets a stream be silent for up to 2 s in place of a piece, and cuts the connection,
	// as the idle timeout of 5 minutes does. Occasion: a piece that TearStream has not hit.
	IdleCut Kind = "idle-cut"
	// KillHold ends a function's process with SIGKILL within 2 s of its beginning to stream,
	// unless the stream has ended by then. Occasion: a stream.
	KillHold Kind = "kill-hold"
)

const (
	// longestSilence is the most that IdleCut lets a stream be silent.
	longestSilence = 2 * time.Second
	// longestHold is how long KillHold lets a process stream, at most.
	longestHold = 2 * time.Second
)

// Failing is a REST API's Failing: HTTP429, HTTP500 and HTTP502.
func (f *Faults) Failing() restapi.Failure {
	switch {
	case f.Hit(HTTP429):
		return restapi.Throttled
	case f.Hit(HTTP500):
		return restapi.FunctionThrottled
	case f.Hit(HTTP502):
		return restapi.AnswerLost
	}
	return restapi.Works
}

// PassingPiece is a REST API's Passing: TearStream and IdleCut.
func (f *Faults) PassingPiece(ctx context.Context) restapi.Fate {
	switch {
	case f.Hit(TearStream):
		return restapi.Torn
	case f.Hit(IdleCut):
		sleep(ctx, f.Duration(IdleCut, 0, longestSilence))
		return restapi.Cut
	}
	return restapi.Passes
}

// Streaming is Lambda's Streaming: KillHold.
func (f *Faults) Streaming(i Invocation) {
	f.within(KillHold, longestHold, i.Kill)
}
