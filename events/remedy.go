package events

import (
	"maps"
	"slices"
	"time"
)

// Remedy is what a client does about an error, a close or a refused handshake.
type Remedy string

// The four things there are to do.
const (
	RetryNow   Remedy = "retry now"           // connect or subscribe again, at once
	RetryLater Remedy = "retry with back-off" // again, later each time, at random moments
	FixRequest Remedy = "fix the request"     // the same again fails the same way
	GiveUp     Remedy = "give up"             // nothing that this client can do helps
)

// codes is the one table of error codes.
var codes = map[Code]Remedy{
	CodeBadJSON:              FixRequest,
	CodeBadRequest:           FixRequest,
	CodeUnknownAction:        FixRequest,
	CodeBadTopic:             FixRequest,
	CodeBadItem:              FixRequest,
	CodeBadCursor:            FixRequest,
	CodeOvertaken:            FixRequest,
	CodeTooManySubscriptions: FixRequest,
	CodeForbidden:            FixRequest,
	CodeBadToken:             FixRequest,
	CodeTokenExpired:         RetryNow,
	CodeRevoked:              GiveUp,
	CodeTooManyConnections:   RetryLater,
	CodeTooManyRequests:      RetryLater,
	CodeTooManyHolds:         RetryLater,
	CodeTooManyDestinations:  FixRequest,
	CodeExists:               FixRequest,
	CodeNotConnected:         RetryNow,
	CodeUnavailable:          RetryLater,
	CodeInternal:             RetryLater,
	CodeReset:                RetryNow,
	CodeTooManyTopics:        FixRequest,
	CodeTooLarge:             FixRequest,
	CodeUnsupportedType:      FixRequest,
	CodeNotAcceptable:        FixRequest,
	CodeNotFound:             FixRequest,
	CodeMethodNotAllowed:     FixRequest,
}

// Codes are all error codes, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(codes)) }

// statuses is the one table of the HTTP statuses that errors have. CodeNotConnected and
// CodeTooManySubscriptions are of connections, and have none.
//
// Source: RFC 9110, section 15, and RFC 6585, section 4
var statuses = map[Code]int{
	CodeBadJSON:    400,
	CodeBadRequest: 400,

	CodeBadTopic:        400,
	CodeBadItem:         400,
	CodeBadCursor:       400,
	CodeForbidden:       403,
	CodeBadToken:        401,
	CodeTokenExpired:    401,
	CodeRevoked:         403,
	CodeTooManyRequests: 429,
	CodeTooManyHolds:    429,

	CodeTooManyDestinations: 409,

	CodeExists:           412,
	CodeUnavailable:      503,
	CodeInternal:         500,
	CodeReset:            410,
	CodeTooManyTopics:    400,
	CodeTooLarge:         413,
	CodeUnsupportedType:  415,
	CodeNotAcceptable:    406,
	CodeNotFound:         404,
	CodeMethodNotAllowed: 405,
}

// Status gives the HTTP status of a code; 500 for one that HTTP does not have.
func (c Code) Status() int {
	if status, ok := statuses[c]; ok {
		return status
	}
	return 500
}

// Remedy says what to do about an error. A code that this package does not know
// is one of a later service: trying again does not help.
func (c Code) Remedy() Remedy {
	if r, ok := codes[c]; ok {
		return r
	}
	return FixRequest
}

// closes is the one table of WebSocket close codes, as API Gateway uses them.
//
// Source: RFC 6455, section 7.4.1, and
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
var closes = map[int]Remedy{
	1000: RetryLater, // the service closed the connection on purpose
	1001: RetryNow,   // 10 minutes without a message, or 2 hours old
	1003: FixRequest, // a binary message
	1006: RetryNow,   // the connection is lost: there was no close frame
	1007: FixRequest, // text that is not UTF-8
	1008: RetryLater, // too many messages
	1009: FixRequest, // a message over 128 KB, or a frame over 32 KB
	1011: RetryLater, // API Gateway failed
	1012: RetryLater, // API Gateway restarts
}

// CloseCodes are the close codes that a client may see, sorted.
func CloseCodes() []int { return slices.Sorted(maps.Keys(closes)) }

// CloseRemedy says what to do about the end of a connection, by its WebSocket close
// code; 1006 stands for one without.
func CloseRemedy(code int) Remedy {
	if r, ok := closes[code]; ok {
		return r
	}
	return RetryLater
}

// handshakes is the one table of the statuses that refuse a handshake: the service's, API Gateway's, and
// 408 of what is between.
var handshakes = map[int]Remedy{
	400: FixRequest, // no WebSocket handshake, or one that offers subprotocols without watchroute.v1
	401: GiveUp,     // no token, or one that is not valid (one that is new, or was good before, may be good in 2 minutes)
	403: GiveUp,     // the token is revoked, the page's origin is not allowed, or the path is wrong
	408: RetryLater, // the request was not read in time
	426: FixRequest, // no WebSocket handshake
	429: RetryLater, // too many connections, or too many attempts to connect
	500: RetryLater, // the service failed
	502: RetryLater, // API Gateway failed
	503: RetryLater, // API Gateway failed
	504: RetryLater, // the service did not answer in time
}

// HandshakeStatuses are the statuses that may refuse a handshake, sorted.
func HandshakeStatuses() []int { return slices.Sorted(maps.Keys(handshakes)) }

// UnauthorizedTime is how long a client goes on when it is refused with 401 although it may
// expect its token to be good, because it was connected with it or has just fetched it. The
// service may know a new key or secret a minute late, and refuses good tokens until then. A
// client tries again with back-off, with another token each time if it can have one, and gives
// up when it has been refused for this time. A client that has nothing but a token which was
// never good gives up at once.
const UnauthorizedTime = 2 * time.Minute

// HandshakeRemedy says what to do about a handshake that was answered with an HTTP
// status other than 101. For 401 it is what to do in the end, see [UnauthorizedTime]. A status
// below 400, and 408, is of something between client and service, such as a login page of a
// network.
func HandshakeRemedy(status int) Remedy {
	if r, ok := handshakes[status]; ok {
		return r
	}
	if status < 400 || status >= 500 {
		return RetryLater
	}
	return FixRequest
}
