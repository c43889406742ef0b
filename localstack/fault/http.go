package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/restapi"
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
	// HTTP504 answers 504 after the function has run, as if its answer did not begin in time.
	HTTP504 Kind = "http-504"
)

// Faults of held requests and of streamed answers.
const (
	// TearStream sends a piece of a stream up to the middle of a line, and then cuts the
	// connection. Occasion: a piece.
	TearStream Kind = "tear-stream"
	// IdleCut lets a stream be silent for up to 2 s in place of a piece, and cuts the connection,
	// as the idle timeout of 5 minutes does. Occasion: a piece that TearStream has not hit.
	IdleCut Kind = "idle-cut"
	// KillHold ends a function's process with SIGKILL up to 2 s after it got a request of the REST
	// API, unless it has sent its whole answer before. Occasion: such a request.
	KillHold Kind = "kill-hold"
)

const (
	// longestSilence is the most that IdleCut lets a stream be silent.
	longestSilence = 2 * time.Second
	// longestHold bounds how long KillHold lets a process hold a request.
	longestHold = 2 * time.Second
)

// HTTP gives the kinds that only clients over HTTP meet.
func HTTP() []Kind {
	return []Kind{HTTP429, HTTP500, HTTP502, HTTP504, TearStream, IdleCut, KillHold}
}

// Failing is the Failing of a REST API: HTTP429, HTTP500, HTTP502 and HTTP504.
func (f *Faults) Failing() restapi.Failure {
	switch {
	case f.Hit(HTTP429):
		return restapi.Throttled
	case f.Hit(HTTP500):
		return restapi.FunctionThrottled
	case f.Hit(HTTP502):
		return restapi.AnswerLost
	case f.Hit(HTTP504):
		return restapi.AnswerLate
	}
	return restapi.Works
}

// PassingPiece is a REST API's Passing: TearStream and IdleCut.
func (f *Faults) PassingPiece(ctx context.Context, piece []byte) (sent int, cut bool) {
	switch {
	case f.Hit(TearStream):
		return f.amidLine(piece), true
	case f.Hit(IdleCut):
		sleep(ctx, f.Duration(IdleCut, 0, longestSilence))
		return 0, true
	}
	return len(piece), false
}

// amidLine draws a place in a piece that is neither at the beginning nor at the end of a line, if
// possible. Each line of a piece is equally likely.
func (f *Faults) amidLine(piece []byte) int {
	var lines [][2]int // the beginning and end of each
	for begin, line := 0, []byte(nil); begin < len(piece); begin += len(line) + 1 {
		line, _, _ = bytes.Cut(piece[begin:], []byte("\n"))
		if len(line) > 1 {
			lines = append(lines, [2]int{begin, begin + len(line)})
		}
	}
	if len(lines) == 0 {
		return len(piece) / 2
	}
	line := lines[f.IntN(TearStream, len(lines))]
	return line[0] + 1 + f.IntN(TearStream, line[1]-line[0]-1)
}

// overHTTP reports whether an invocation's payload is a request of a REST API to a function other
// than an authorizer.
func overHTTP(payload []byte) bool {
	var event struct{ HTTPMethod, Type string }
	return json.Unmarshal(payload, &event) == nil && event.HTTPMethod != "" && event.Type == ""
}
