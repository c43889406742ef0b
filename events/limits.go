package events

import "time"

// Limits of names and frames. What exceeds one is answered with an [Error] frame
// (clients) or refused into the failure queue (writes to the Events table).
const (
	// MaxTopicBytes bounds a topic's name.
	MaxTopicBytes = 256
	// MaxTopicSegments bounds the slash-separated parts of a topic's name.
	MaxTopicSegments = 8
	// MaxItemIDBytes bounds an item's id. DynamoDB itself allows 1,024.
	MaxItemIDBytes = 256
	// MaxEpochBytes bounds an epoch's name. The service makes names of 8.
	MaxEpochBytes = 32
	// MaxSeq bounds the number in a cursor. No topic will have so many changes.
	MaxSeq = 1_000_000_000_000_000_000 - 1
	// MaxRequestIDBytes bounds the client's own mark on a request, and the key of a publication.
	MaxRequestIDBytes = 128
	// MaxExpiry bounds how far ahead a published item may expire. A time in milliseconds, taken
	// for one in seconds, lies beyond.
	MaxExpiry = 10 * 365 * 24 * time.Hour
	// MaxOrder bounds the order of a request: the largest whole number that JavaScript counts to.
	MaxOrder = 1<<53 - 1
	// MaxPublishItems bounds the items of one POST.
	MaxPublishItems = 25
	// MaxStreamTopics bounds the topics and patterns of one stream over HTTP.
	MaxStreamTopics = 50
	// MaxWait bounds how long a long poll is held. API Gateway, proxies and clients wait for 29 s
	// and more.
	MaxWait = 25 * time.Second
	// MaxURLBytes bounds the URL of a destination.
	MaxURLBytes = 2048
	// MaxSubscriptions bounds the topics that one connection watches at a time.
	MaxSubscriptions = 100
	// MaxCursors bounds the topics whose cursors one frame has, either way.
	MaxCursors = 500
	// MaxResumeChanges bounds what one answer brings of missed changes. Who missed
	// more of a topic starts over from a snapshot.
	MaxResumeChanges = 10_000
	// MaxResumeBytes bounds the same by the changes' size as JSON.
	MaxResumeBytes = 5 << 20
	// MaxFrameBytes is the largest message that API Gateway takes, either way.
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
	MaxFrameBytes = 128 << 10
	// MaxDataBytes bounds the data of one change or item, as JSON, so that it fits
	// into a frame with everything around it. What is larger is sent without data
	// and marked Large.
	MaxDataBytes = MaxFrameBytes - 4<<10
	// MaxDataDepth bounds how many objects and lists stand in each other in an item's data, which is
	// itself one. DynamoDB takes 32 levels, and the text or number in the last one is a level.
	// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-attributes-nested-depth
	MaxDataDepth = 32
	// MeteredBytes is the unit in which API Gateway charges messages. Frames that
	// carry several changes or items are filled up to it.
	// https://aws.amazon.com/api-gateway/pricing/
	MeteredBytes = 32 << 10
)
