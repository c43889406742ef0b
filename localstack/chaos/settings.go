package main

import (
	"io"
	"time"

	"github.com/watchroute/watchroute/localstack/fault"
)

// settings say how large a run is.
type settings struct {
	root     string // the module's folder
	build    string // has the functions' executables
	template string // a file; the module's if empty
	plan     fault.Plan
	watchers int
	hostile  bool   // one watcher in ten is
	wander   bool   // one watcher in four changes between transports
	crowd    bool   // all watch the first topic, and more than crowdBound of them count as many
	webhooks bool   // nobody watches; there are as many receivers of webhooks
	browser  string // the watchers are clients of shared/browser, which run in node or chromium
	// hostileMessages are how many a second all hostile watchers send together; 10 if 0. One
	// may keep a function busy for a second where two processors do everything; on AWS each
	// function would have its own.
	hostileMessages int
	changes         int
	topics          int
	writers         int
	interval        time.Duration // between two changes of a writer
	patience        time.Duration // with watchers of whom none gets on; ten times as long if some do
	hasty           bool          // ends with the first broken promise, and when the patience is over

	log             io.Writer     // what the functions write; dropped if nil
	streamRetention time.Duration // AWS's if 0
}

// shape names what is not as usual.
func (s settings) shape() string {
	switch {
	case s.hostile:
		return ", one in ten of them hostile,"
	case s.wander:
		return ", one in four of them changing between transports,"
	case s.browser != "":
		return ", clients in JavaScript (" + s.browser + "),"
	case s.webhooks:
		return ", which are webhooks,"
	case s.crowd:
		return ", the first of which all watch, in shards and lanes of " + crowdBound + ","
	}
	return ""
}

// wanderStream is how long a stream is held at least while watchers change between transports. A
// function does not learn that a client has left, and goes on holding. Each stream that was left
// would take one of its client's few holds for a minute.
const (
	wanderStream  = "2s"
	streamSetting = "STREAM_TIME"
)

// crowdBound is about how many watchers a shard or a lane has at most while all watch one topic. A
// batch pushes to as many.
const crowdBound = "20"

// processes is how many processes a function may have. Each receiver that does not answer keeps one
// busy, and the messages that wait for one would be shown again meanwhile.
func processes(s settings) int {
	if s.webhooks {
		return 32
	}
	return 12
}

// hostileDigit ends the numbers of the watchers that are hostile, if any are.
const hostileDigit = 9

// wanderRest is the remainder modulo 4 of the numbers of wanderers, if there are any. It is also
// the remainder modulo 8 of those that see what narrow watchers see.
const wanderRest = 3

// habitOf lets one watcher in ten have each of the habits, and the rest be steady.
func habitOf(n int) habit {
	if h := habit(n % 10); h < habits {
		return h
	}
	return steady
}
