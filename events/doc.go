// Package events is the wire contract between watchers and the service: topics,
// changes, cursors, frames and their limits. It is the only place that knows how
// they look as JSON, and imports the standard library alone, so that a client can
// use it too.
//
// Every frame is one WebSocket text message holding one JSON object. A client's
// frame is a [Request]; a server's frame is one of the [Frame] types, told apart
// by its "type". Fields that a side does not know are ignored, in both directions.
// Text in a client's frame must be Unicode, see [CheckText].
// The files in samples/ show each frame once and are held to this package by its
// tests. So does subjects.json show how subjects become segments of topics.
//
// # Items as JSON
//
// An item of the Events table arrives as the JSON object of its attributes, without
// the reserved topic, id, expiresAt and watchroute. Each DynamoDB type has one JSON form:
//
//	S        string
//	N        number, digit for digit (up to 38 digits: parse with care)
//	BOOL     true, false
//	NULL     null
//	M        object
//	L        array
//	B        string, base64 (RFC 4648, section 4)
//	SS, BS   array of strings, sorted (BS: base64)
//	NS       array of numbers
package events
