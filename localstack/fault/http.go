package fault

import (
	"bytes"
	"context"
	"encoding/json"
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
	// HTTP504 answers 504 after the function has run, as for an answer that does not begin in time.
	HTTP504 Kind = "http-504"
)

// What happens to requests that are held, and to streamed answers.
const (
	// TearStream sends a part of a piece of a stream, up to the middle of a line, and cuts the
	// connection. Occasion: a piece.
	TearStream Kind = "tear-stream"
	// IdleCut lets a stream be silent for up to 2 s in place of a piece, and cuts the connection,
	// as the idle timeout of 5 minutes does. Occasion: a piece that TearStream has not hit.
	IdleCut Kind = "idle-cut"
	// KillHold ends a function's process with SIGKILL within 2 s of its getting a request of the
	// REST API, unless it has answered whole by then. Occasion: such a request.
	KillHold Kind = "kill-hold"
)

const (
	// longestSilence is the most that IdleCut lets a stream be silent.
	longestSilence = 2 * time.Second
	// longestHold is how long KillHold lets a process hold a request, at most.
	longestHold = 2 * time.Second
)

// HTTP is all kinds that only clients over HTTP meet.
func HTTP() []Kind {
	return []Kind{HTTP429, HTTP500, HTTP502, HTTP504, TearStream, IdleCut, KillHold}
}

// Failing is a REST API's Failing: HTTP429, HTTP500, HTTP502 and HTTP504.
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

// amidLine draws a place in a piece that is neither at the beginning of a line nor at its end,
// where there is one. Each line of a piece is as likely as the others.
func (f *Faults) amidLine(piece []byte) int {
	var lines [][2]int // where each begins and ends
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

// overHTTP reports whether an invocation's payload is a request of a REST API, and none to an
// authorizer.
func overHTTP(payload []byte) bool {
	var event struct{ HTTPMethod, Type string }
	return json.Unmarshal(payload, &event) == nil && event.HTTPMethod != "" && event.Type == ""
}
