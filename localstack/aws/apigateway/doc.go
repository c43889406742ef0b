// Package apigateway is the only place that knows how API Gateway's WebSocket
// APIs and their @connections management API behave.
//
// A connection lives like this; every arrow out of "open" ends in exactly one
// $disconnect event, and a connection that was never open has none:
//
//	GET /{stage} ── authorizer ── $connect ──► open ──► closed ── $disconnect
//	      │             │             │          │
//	      426 400       401 403       4xx 5xx    1000 DELETE @connections
//	      429 414       500           502 504    1001 idle, 2 h, Gateway.Close
//	                                             1003 binary   1007 not UTF-8
//	                                             1009 frame or message too large
//	                                             1006 lost     else the client's
//
// The exceptions are [Gateway.Close], which tells the functions nothing, as a
// process that is going away cannot, and what [Options].NoDisconnect leaves out.
//
// Compression: permessage-deflate is negotiated when a client offers it, as on
// AWS, but without context takeover. A compressor with its window costs 1.2 MB;
// without takeover it is borrowed for one message of 512 bytes or more instead
// of kept for each connection.
//
// What AWS does not document, or documents in two ways, is a named switch in
// [Options] whose zero value is the strict reading.
//
// Sources: "Working with WebSocket APIs" and "Amazon API Gateway quotas" in the
// API Gateway developer guide, the ApiGatewayManagementApi service model, RFC 6455.
package apigateway
