package events

// Clients that cannot set headers, such as browsers, offer two WebSocket subprotocols
// (RFC 6455, section 1.9): Subprotocol, which the service answers with, and one that
// carries the token after SubprotocolBearer. Both are needed: a browser fails if none of those
// that it offers is chosen, and the one with the token never is.
//
// Such a client may be let in only to be told why it is refused. Its first message is then
// answered with an [Error] of CodeBadToken, CodeRevoked or CodeTooManyConnections, and the
// connection is closed.
const (
	Subprotocol       = "watchroute.v1"
	SubprotocolBearer = "bearer."
)

// QueryToken is the parameter of the URL's query that may carry the token, for clients that can
// set neither headers nor subprotocols.
const QueryToken = "token"
