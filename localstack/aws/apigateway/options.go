package apigateway

import (
	"log/slog"
	"time"
)

// Quotas of WebSocket APIs. They are defaults of [Options] here, and cannot be
// raised on AWS.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
const (
	IdleTimeout  = 10 * time.Minute // without data in either direction
	MaxDuration  = 2 * time.Hour    // of one connection
	MessageLimit = 128 << 10        // bytes, both directions
	FrameLimit   = 32 << 10         // bytes of payload of one frame from a client
)

const (
	urlLimit           = 4096
	integrationTimeout = 29 * time.Second
	meteredUnit        = 32 << 10 // messages are charged per 32 KB or part of it
)

// Options hold limits, whose zero values mean AWS's, and switches for what is
// not known of AWS, whose zero values mean the strict reading.
type Options struct {
	IdleTimeout, MaxDuration time.Duration
	MessageLimit, FrameLimit int

	// SendBuffer is how many bytes may wait for a client that does not read,
	// beyond what the kernel takes; 0 means 1 MiB. A post that finds no room is
	// answered 429. AWS documents the answer, not the size.
	SendBuffer int
	// BlockedLimit is how long a client may take nothing of what waits for it
	// before it is cut off; 0 means 10 s. Unverified on AWS.
	BlockedLimit time.Duration
	// MaxConnections refuses more with 429; 0 means no limit, as on AWS.
	MaxConnections int

	// Account is the account's bucket, shared by connects, messages and
	// @connections calls; 0 means AWS's 10,000 a second with a burst of 5,000,
	// a negative Rate no limit.
	Account Throttle
	// Connects bounds new connections; 0 means AWS's 500 a second.
	Connects Throttle

	// Serial dispatches one message of a connection at a time, for debugging.
	// AWS documents no order, so the default is concurrent.
	Serial bool
	// Unsigned accepts @connections calls without a SigV4 Authorization. Without
	// it the header must be there and name the service execute-api; signatures
	// are never verified, since no secret key exists here.
	Unsigned bool
	// LenientResults accepts proxy results without statusCode or with members
	// other than the five documented ones, and null.
	LenientResults bool
	// MalformedIDGone answers 410 instead of 400 for a connection id that
	// cannot be one.
	MalformedIDGone bool
	// EmptyResponses sends a frame for a two-way answer with an empty body.
	EmptyResponses bool
	// LargeResponses sends a two-way answer of more than MessageLimit. Without it the
	// sender gets the error frame of a function that failed, and the answer is lost. AWS
	// documents the limit, not what becomes of such an answer.
	LargeResponses bool
	// DisconnectRefused fires $disconnect for a handshake that $connect refused.
	DisconnectRefused bool
	// CloseThrottled closes with 1008 on a throttled message, instead of
	// answering with an error frame.
	CloseThrottled bool
	// IgnorePings leaves client pings without a pong.
	IgnorePings bool
	// NoCompression never negotiates permessage-deflate.
	NoCompression bool

	// Receiving and Sending are asked for each message, from a client and to one, what
	// becomes of it; nil means that all arrive.
	Receiving, Sending func() Fate
	// Sent, if not nil, is told of each message to a client, also of one that does not arrive. It must
	// neither wait nor keep the message.
	Sent func(message []byte)
	// Answered, if not nil, is told of each message from a client whose function has ended well, and of
	// the answer, which may be nil. It must neither wait nor keep the answer.
	Answered func(message string, answer []byte)
	// Passing, if not nil, is told of each message from a client that is about to go to its
	// function, in the order in which those of a connection came, and must not wait.
	Passing func(connection, body string) Passage
	// NoDisconnect is asked at each end of a connection whether $disconnect is left
	// out, as AWS promises it at best effort only; nil means that it never is.
	NoDisconnect func() bool

	// Logger gets what an API's execution log would hold, never payloads; nil
	// means slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	orElse(&o.IdleTimeout, IdleTimeout)
	orElse(&o.MaxDuration, MaxDuration)
	orElse(&o.MessageLimit, MessageLimit)
	orElse(&o.FrameLimit, FrameLimit)
	orElse(&o.SendBuffer, 1<<20)
	orElse(&o.BlockedLimit, 10*time.Second)
	orElse(&o.Connects, Throttle{Rate: 500, Burst: 500})
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// orElse sets a field that is zero.
func orElse[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
