package events

// Clients that cannot set headers, such as browsers, offer two WebSocket subprotocols
// (RFC 6455, section 1.9): Subprotocol, which the service answers with, and one that
// carries the token after SubprotocolBearer.
const (
	Subprotocol       = "watchroute.v1"
	SubprotocolBearer = "bearer."
)

// QueryToken is the parameter of the URL's query that may carry the token, for clients that can
// set neither headers nor subprotocols.
const QueryToken = "token"
