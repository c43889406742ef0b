package events

import (
	"fmt"

	"github.com/watchroute/watchroute/events/exactjson"
)

// Frame is a server's frame: *[Subscribed], *[Unsubscribed], *[Published],
// *[Pong], *[Snapshot], *[Changes], *[Reset], *[Reconnect], *[Authorized],
// *[Expiring] or *[Error].
type Frame interface {
	// kind is the frame's "type".
	kind() string
}

// Subscribed answers subscribe: from now on every change after the cursor is pushed. Epoch is empty
// and Seq 0 for a topic that never had a change, and for a pattern. A stream over HTTP that does
// not begin with items begins with it, too: the stream goes on from the cursor. For several topics
// or a pattern, Cursors has all cursors.
type Subscribed struct {
	ID    string `json:"id,omitempty"` // of the subscribe that this answers
	Topic Topic  `json:"topic"`        // or pattern that is watched now
	Cursor
	// Recovered answers a subscribe with a cursor: all changes from that one to
	// this follow, none is missing. Without it, a [Reset] follows.
	Recovered bool `json:"recovered,omitempty"`
	// View marks what is seen of the topic, by the token and the request; empty for all of
	// it. With [Request.Latest] it is another mark, and never empty. A client that goes on from a
	// cursor, by [Request.After], sends it along as [Request.View].
	View string `json:"view,omitempty"`
	// Presence answers a subscribe that asks for it.
	Presence *Presence `json:"presence,omitempty"`
	Below
}

// WholeView is what a client sends as its view if it has seen all of a topic.
const WholeView = "whole"

// Below answers for a pattern, which has no cursor of its own: it says where its topics
// stand. A client that holds another cursor of one, or none, asks with a ping for what it
// has missed.
type Below struct {
	Cursors map[Topic]string `json:"cursors,omitempty"` // where the topics stand, by their names
	// More says that there are more topics than one frame names ([MaxCursors]). The client
	// learns of them when they next change.
	More bool `json:"more,omitempty"`
}

// Unsubscribed answers unsubscribe, also for a topic that was not subscribed.
// Changes that were under way may still arrive after it. With a Reason it was not asked
// for: the service has ended the subscription.
type Unsubscribed struct {
	ID     string `json:"id,omitempty"`     // of the unsubscribe that this answers
	Topic  Topic  `json:"topic"`            // or pattern that is not watched any more
	Reason Code   `json:"reason,omitempty"` // why it was not asked for: [CodeForbidden] if a new token does not allow it
}

// Published answers publish: the item is in the Events table (or gone from it),
// and its change is on its way to the watchers.
type Published struct {
	ID    string `json:"id,omitempty"` // of the publish that this answers
	Topic Topic  `json:"topic"`        // that the item is in
	Item  Item   `json:"item"`         // the item's id, without its data
	// Mark is the mark of the [Change] that the put makes. A put that finds the item as it should be
	// makes no change. A removal has no mark.
	Mark string `json:"mark,omitempty"`
}

// Pong answers ping. If the ping gave cursors, Cursors says where those topics stand. A pattern
// among them stands at ":0", and all topics below it are there, too. Topics that the connection is
// not subscribed to are left out: subscribe to them again. What the client missed comes before the
// pong, as far as one answer goes ([MaxResumeChanges], [MaxResumeBytes]). A client that is still
// behind pings again.
type Pong struct {
	ID string `json:"id,omitempty"` // of the ping that this answers
	Below
}

// Snapshot holds items of a topic as they stand at the cursor, in the order of
// their ids. It comes in frames, each of which says where it begins and where the
// next one does, so that a client sees when one is missing and can ask for it.
// The cursor, the same in all of them, counts once the last has arrived. An item may
// already show a change after the cursor; that change is then pushed as well.
//
// For a pattern, each topic's frames come as they would for the topic alone, in the view of the
// pattern, one topic after the other. A topic whose last frame has a Next is asked on for by its own name. Then comes
// one frame whose Topic is the pattern, without items and cursor. Its Next is where more
// topics go on, to be asked for by the pattern; it is empty if there are no more. Topics that
// come into being meanwhile may be left out, as their changes are pushed from the first one on.
type Snapshot struct {
	ID    string `json:"id,omitempty"` // of the request that this answers
	Topic Topic  `json:"topic"`        // that the items are in, or the pattern
	Cursor
	From  string `json:"from,omitempty"` // the Next of the frame before; empty in the first
	Items []Item `json:"items"`          // in the order of their ids
	// Costly is how many more items there are on this frame's page that were not looked at,
	// because the filter and fields of the request would cost too much on them. Some of them
	// may have expired.
	Costly int    `json:"costly,omitempty"`
	More   bool   `json:"more"`           // another frame follows by itself
	Next   string `json:"next,omitempty"` // where the snapshot goes on; empty in the last frame. Ask on with it if More is false
}

// Reset voids what the client holds of a topic: what it missed cannot be told any
// more. In the answer to a subscribe the topic's items follow as [Snapshot] frames;
// after a ping or an auth, or to have them again, ask for them with snapshot.
type Reset struct {
	ID     string      `json:"id,omitempty"` // of the request that this answers, if it was asked for
	Topic  Topic       `json:"topic"`        // that the client starts over with
	Reason ResetReason `json:"reason"`       // why what was missed cannot be told
}

// ResetReason is why a client must start over.
type ResetReason string

// Why what a client missed cannot be told.
const (
	ResetExpired ResetReason = "expired" // retention has passed for a part of it
	ResetEpoch   ResetReason = "epoch"   // the topic's numbering has begun anew since
	ResetLimit   ResetReason = "limit"   // it is more than MaxResumeChanges or MaxResumeBytes
	ResetAhead   ResetReason = "ahead"   // the cursor is beyond the topic's latest change
	ResetView    ResetReason = "view"    // what the token and the request show of the topic is not what they did
)

// Authorized answers auth: the new token counts from now on. Subscriptions that it does
// not allow have ended, each with an [Unsubscribed] frame before this one; those that it
// shows otherwise go on with a [Reset].
type Authorized struct {
	ID      string `json:"id,omitempty"` // of the auth that this answers
	Expires Time   `json:"expires"`      // when the new token expires
	// Views has what the connection is subscribed to, each with its view as in [Subscribed]. So a
	// client finds out if frames before this one were lost.
	Views map[Topic]string `json:"views,omitempty"`
}

// Expiring warns that the token expires soon: send auth with a new one. Some time
// after it has expired the subscriptions end and the connection is closed, with an
// [Error] of [CodeTokenExpired] before.
type Expiring struct {
	At Time `json:"at"` // when the token expires
}

// Reconnect asks the client to move to a new connection, as this one will be cut
// soon. Everyone is given another delay, so that not all move at once.
type Reconnect struct {
	DelayMs int64 `json:"delayMs"` // how long to wait before, in milliseconds
}

// Changes brings changes, in order within each topic.
type Changes struct {
	Changes []Change `json:"changes"` // in order within each topic
}

// Error answers a request that was not carried out; nothing was half done. The connection
// stays open unless the code says that it is closed. API Gateway's own error frames have no "type".
type Error struct {
	ID      string `json:"id,omitempty"`    // of the request that this answers
	Code    Code   `json:"code"`            // tells errors apart, and does not change
	Message string `json:"message"`         // for people; it may change
	Topic   string `json:"topic,omitempty"` // that the request was about
}

// Code tells errors apart and does not change; messages may.
type Code string

// What is wrong, and what a client does about it; [Code.Remedy] says it in one word.
const (
	CodeBadJSON              Code = "bad_json"               // send a JSON object
	CodeBadRequest           Code = "bad_request"            // mend the field that is missing, of the wrong type or out of range
	CodeUnknownAction        Code = "unknown_action"         // send an action that there is
	CodeBadTopic             Code = "bad_topic"              // mend the topic's name
	CodeBadItem              Code = "bad_item"               // mend the item: its id, its data or a reserved attribute
	CodeBadCursor            Code = "bad_cursor"             // mend the cursor or the place in a snapshot
	CodeOvertaken            Code = "overtaken"              // if a later request about the same topic or item was sent, that one counts: do nothing. If none was, send this one again with a higher order
	CodeTooManySubscriptions Code = "too_many_subscriptions" // unsubscribe something, or open another connection
	CodeForbidden            Code = "forbidden"              // ask for what the token allows, or use another token
	CodeBadToken             Code = "bad_token"              // use a token that is valid; over a WebSocket: send auth with a token that is valid and of the same subject. As the answer to a first message: this connection is closed, connect with another token
	CodeTokenExpired         Code = "token_expired"          // use a new token; over a WebSocket: this connection is closed, connect with a new token
	CodeRevoked              Code = "revoked"                // the token was revoked; over a WebSocket: the token was revoked. This connection is closed, and no other is let in
	CodeTooManyConnections   Code = "too_many_connections"   // this connection is closed, connect again, later each time
	CodeTooManyRequests      Code = "too_many_requests"      // try again, later each time
	CodeExists               Code = "exists"                 // over HTTP: take another id, or put the item without If-None-Match
	CodeTooManyHolds         Code = "too_many_holds"         // over HTTP: ask without waiting, or try again later
	CodeTooManyDestinations  Code = "too_many_destinations"  // over HTTP: remove a destination: the subject has as many as it may
	CodeNotConnected         Code = "not_connected"          // the service has forgotten this connection, connect again
	CodeUnavailable          Code = "unavailable"            // try again, later each time
	CodeInternal             Code = "internal"               // try again; if it stays, tell the operator
	CodeTooManyTopics        Code = "too_many_topics"        // over HTTP: follow a narrower pattern, or over a WebSocket
	CodeTooLarge             Code = "too_large"              // over HTTP: send fewer items, or smaller ones
	CodeUnsupportedType      Code = "unsupported_type"       // over HTTP: send a body of the content type that the header Accept names
	CodeNotAcceptable        Code = "not_acceptable"         // over HTTP: accept application/json or text/event-stream
	CodeReset                Code = "reset"                  // over HTTP: read the items anew; reason says why
	CodeNotFound             Code = "not_found"              // over HTTP: there is no such route, or no such destination of this subject
	CodeMethodNotAllowed     Code = "method_not_allowed"     // over HTTP: use a method that the header Allow names
)

// Error gives code and message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

func (*Subscribed) kind() string   { return "subscribed" }
func (*Unsubscribed) kind() string { return "unsubscribed" }
func (*Published) kind() string    { return "published" }
func (*Pong) kind() string         { return "pong" }
func (*Snapshot) kind() string     { return "snapshot" }
func (*Changes) kind() string      { return "changes" }
func (*Reset) kind() string        { return "reset" }
func (*Reconnect) kind() string    { return "reconnect" }
func (*Authorized) kind() string   { return "authorized" }
func (*Expiring) kind() string     { return "expiring" }
func (*Error) kind() string        { return "error" }

// TypeOf gives the "type" of a frame.
func TypeOf(f Frame) string { return f.kind() }

// blank gives an empty frame of a type, or nil.
func blank(kind string) Frame {
	for _, f := range []Frame{&Subscribed{}, &Unsubscribed{}, &Published{}, &Pong{}, &Snapshot{}, &Changes{}, &Reset{}, &Reconnect{}, &Authorized{}, &Expiring{}, &Error{}} {
		if f.kind() == kind {
			return f
		}
	}
	return nil
}

// Encode writes a frame as one JSON object with its "type" first. It fails only
// if raw JSON inside the frame is not JSON.
func Encode(f Frame) ([]byte, error) {
	body, err := Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode %s frame: %w", f.kind(), err)
	}
	head := `{"type":"` + f.kind() + `"`
	if len(body) > len("{}") {
		head += ","
	}
	return append([]byte(head), body[1:]...), nil
}

// Decode reads a server's frame. A type that this package does not know is an
// error; clients ignore such frames.
func Decode(data []byte) (Frame, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := exactjson.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("decode frame: %w", err)
	}
	f := blank(head.Type)
	if f == nil {
		return nil, fmt.Errorf("decode frame: unknown type %q", head.Type)
	}
	if err := exactjson.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("decode %s frame: %w", head.Type, err)
	}
	return f, nil
}
