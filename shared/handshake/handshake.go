// Package handshake is the only place that knows what clients offer as WebSocket
// subprotocols, and how many refusals are told inside a connection.
//
// A browser shows a page neither the status nor the body of a handshake that fails: the
// page sees the close code 1006 and nothing else. So a client that offers its token as a
// subprotocol, as only browsers need to, may be let in to be told why it is refused. Such a
// connection has no row. Its first message is answered with the error, and it is closed.
//
// Source: https://websockets.spec.whatwg.org/#feedback-from-the-protocol
package handshake

import (
	"slices"
	"strings"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/header"
)

// Header is the header of a handshake that lists subprotocols.
const Header = "Sec-WebSocket-Protocol"

// Offer is what a client offers as subprotocols, in its order.
type Offer []string

// OfferOf reads the headers of an event of API Gateway. A client may write the header once,
// with commas, or several times (RFC 6455, section 11.3.4). API Gateway has all lines in
// multi, and the last one in single.
func OfferOf(single map[string]string, multi map[string][]string) Offer {
	empty := func(one string) bool { return one == "" }
	return slices.DeleteFunc(header.List(single, multi, Header), empty)
}

// Ours reports whether the client offers the service's own subprotocol.
func (o Offer) Ours() bool { return slices.Contains(o, events.Subprotocol) }

// Bears reports whether a token is among what the client offers.
func (o Offer) Bears() bool {
	return slices.ContainsFunc(o, func(one string) bool { return strings.HasPrefix(one, events.SubprotocolBearer) })
}
