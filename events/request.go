package events

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/watchroute/watchroute/events/exactjson"
)

// The actions that a client can ask for. API Gateway selects the route by them.
const (
	ActionSubscribe   = "subscribe"
	ActionUnsubscribe = "unsubscribe"
	ActionSnapshot    = "snapshot"
	ActionPublish     = "publish"
	ActionPing        = "ping"
	ActionAuth        = "auth"
)

// Request is a client's frame.
type Request struct {
	Action string `json:"action"` // what is asked for
	// ID is the client's own mark; the answer carries it back.
	ID string `json:"id,omitempty"`
	// Order, from 1 to [MaxOrder], is the request's place among those of its connection.
	// Requests that are sent one after the other may be carried out at the same time. Of those
	// that subscribe to one topic or unsubscribe from it, and of those that publish one item,
	// the one with the highest Order counts; one that comes too late is refused with
	// [CodeOvertaken]. A client numbers its requests 1, 2, 3 and so on. One that it sends again
	// keeps its number: it does not count more than what came after it.
	//
	// A request without Order has its place by the time, in milliseconds, at which API Gateway
	// took it. Within one millisecond a subscribe counts more than an unsubscribe, and nothing
	// else is ordered. All of these come before all requests with Order.
	Order int64 `json:"order,omitempty"`
	// Topic is what the request is about. Subscribe, unsubscribe and snapshot take a pattern,
	// too. There is no After of a pattern.
	Topic string `json:"topic,omitempty"`
	// After is the cursor, epoch:seq, that a subscribe goes on from. What was missed since then
	// follows the answer.
	After string `json:"after,omitempty"`
	// View is what the client has seen up to After: the view in its [Subscribed], or [WholeView] if
	// that had none. If it would see another view now, the answer is a [Reset], because what it has
	// and what follows would not fit together. Latest before and Delta now do not fit either.
	// Without View, nothing is compared.
	View string `json:"view,omitempty"`
	// Filter is an EventBridge event pattern on the items' data. Only items that match are seen, if the
	// token lets them through.
	Filter json.RawMessage `json:"filter,omitempty"`
	// Fields are the members of the items' data that are seen, if not all.
	Fields []string `json:"fields,omitempty"`
	// Delta asks subscribe for merge patches where they are shorter.
	Delta bool `json:"delta,omitempty"`
	// Latest asks subscribe for conflation: where several changes of an item would come at once,
	// such as in what was missed, only the last one comes, and the others are Skipped. It excludes
	// Delta.
	Latest bool `json:"latest,omitempty"`
	// Snapshot asks subscribe for the topic's current items as well, or for those of all topics
	// of a pattern.
	Snapshot bool `json:"snapshot,omitempty"`
	// Presence asks subscribe to make the client's subject a member of the topic. Others see the members
	// of rooms/1 as the items of the topic @presence/rooms/1. The token must allow the action join.
	Presence *PresenceRequest `json:"presence,omitempty"`
	// Next is where a snapshot goes on: the Next of the last [Snapshot] frame of the topic, or
	// of the pattern.
	Next string `json:"next,omitempty"`
	// Cursors are where the client stands in its topics, at most [MaxCursors]. A ping
	// with them is answered with where the topics stand, after what the client misses. The
	// cursor of a pattern is ":0".
	Cursors map[string]string `json:"cursors,omitempty"`
	// Token replaces the one that the connection was made with, by auth. It must be of
	// the same subject.
	Token string `json:"token,omitempty"`
	// Op is empty for a publish that puts the item, "remove" for one that deletes it.
	Op string `json:"op,omitempty"`
	// Key names a publication, the same when it is repeated, also on another connection: a text
	// of up to [MaxRequestIDBytes] that the client makes up at random. The repetition of a put
	// that is in the table makes no second change. Without it every request is another
	// publication.
	Key string `json:"key,omitempty"`
	// ExpiresAt is when the item that publish puts expires, in seconds since 1970: after now,
	// and within [MaxExpiry]. DynamoDB deletes it within a few days after that, which makes a
	// change, and snapshots leave it out at once. 0 is never. Without it, an item keeps the time
	// that it has, unless that is over.
	ExpiresAt *int64 `json:"expiresAt,omitempty"`
	// Item is what publish puts or removes. Without an id, a put makes one up that
	// sorts by time: so a feed is appended to.
	Item *Item `json:"item,omitempty"`
}

// OpRemove is the Op of a publish that deletes its item.
const OpRemove = "remove"

// Item is one resource of a topic, as a snapshot shows and publish takes it.
type Item struct {
	ID   string          `json:"id,omitempty"`   // names the item in its topic
	Data json.RawMessage `json:"data,omitempty"` // a JSON object
	// Large marks an item of a snapshot whose data did not fit into a frame.
	Large bool `json:"large,omitempty"`
}

// ParseRequest reads a client's frame. Names of members count with their case, as in API
// Gateway, which selects the route by "action" alone. On failure the error is an *[Error] frame
// that can be sent back as it is, with the request's id if that could be read.
func ParseRequest(body []byte) (Request, error) {
	var request Request
	err := exactjson.Unmarshal(body, &request)
	if typeErr := (*exactjson.TypeError)(nil); errors.As(err, &typeErr) {
		return Request{}, wrongType(body, typeErr)
	}
	if err != nil {
		return Request{}, &Error{Code: CodeBadJSON, Message: "frame is not a JSON object"}
	}
	if !isObject(body) {
		return Request{}, &Error{Code: CodeBadJSON, Message: "frame is not a JSON object"}
	}
	if CheckText(body) != nil {
		return Request{}, badText(body, request.ID)
	}
	if len(request.ID) > MaxRequestIDBytes {
		return Request{}, &Error{Code: CodeBadRequest, Message: fmt.Sprintf("id has %d bytes, at most %d are allowed", len(request.ID), MaxRequestIDBytes)}
	}
	if len(request.Key) > MaxRequestIDBytes {
		return Request{}, &Error{ID: request.ID, Code: CodeBadRequest, Message: fmt.Sprintf("key has %d bytes, at most %d are allowed", len(request.Key), MaxRequestIDBytes)}
	}
	if request.Order < 0 || request.Order > MaxOrder {
		return Request{}, &Error{ID: request.ID, Code: CodeBadRequest, Message: fmt.Sprintf("order is %d, it must be from 1 to %d", request.Order, int64(MaxOrder))}
	}
	return request, nil
}

// wrongType answers a frame that is JSON but has a field of the wrong type.
func wrongType(body []byte, err *exactjson.TypeError) *Error {
	if err.Field == "" {
		return &Error{Code: CodeBadJSON, Message: "frame is not a JSON object"}
	}
	var mark struct {
		ID string `json:"id"`
	}
	_ = exactjson.Unmarshal(body, &mark) // the id may itself be what is wrong; then there is none
	if len(mark.ID) > MaxRequestIDBytes {
		mark.ID = ""
	}
	return &Error{ID: mark.ID, Code: CodeBadRequest, Message: fmt.Sprintf("%s must not be a JSON %s", err.Field, err.Value)}
}

// badText answers a frame that has a text which is none in Unicode, with the code of the
// member that has it.
func badText(body []byte, id string) *Error {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(body, &members) // which was read before
	if len(id) > MaxRequestIDBytes || CheckText(members["id"]) != nil {
		id = ""
	}
	codes := map[string]Code{"item": CodeBadItem, "topic": CodeBadTopic, "after": CodeBadCursor, "next": CodeBadCursor, "cursors": CodeBadCursor, "token": CodeBadToken}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if err := CheckText(members[name]); err != nil {
			return &Error{ID: id, Code: cmp.Or(codes[name], CodeBadRequest), Message: fmt.Sprintf("%.100q %v", name, err)}
		}
	}
	return &Error{ID: id, Code: CodeBadRequest, Message: "frame has a member whose name is no text in Unicode"}
}

// isObject reports whether valid JSON is an object; null decodes into a struct too.
func isObject(valid []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(valid, " \t\r\n"), []byte("{"))
}
