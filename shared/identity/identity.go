// Package identity carries a client's subject and access from the authorizer to the other
// functions. It is the only place that knows the authorizer's context, which API Gateway repeats
// in each event of the connection.
package identity

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// The members of the authorizer's context. API Gateway hands all on as strings.
const (
	memberGrant   = "grant"
	memberTokenID = "tokenId"
	memberIssued  = "issued"  // milliseconds since 1970
	memberExpires = "expires" // likewise
	memberInside  = "inside"  // "true": refusals are told inside
	memberRefused = "refused" // the code of an error; there is nothing else then
	memberCode    = "code"    // likewise, of a client that is denied; the REST API's answer repeats it
)

// Context is what the authorizer answers about a client, besides its subject, which is
// the principalId.
func Context(a watch.Access) map[string]any {
	return map[string]any{
		memberGrant:   a.Grant.String(),
		memberTokenID: a.TokenID,
		memberIssued:  millis(a.Issued),
		memberExpires: millis(a.Expires),
	}
}

// TellInside adds to a context that $connect may let the client in to be told why it is
// turned away.
func TellInside(context map[string]any) { context[memberInside] = "true" }

// NameCode adds to the context of a client that is denied why it is. No function sees it: API
// Gateway answers with $context.authorizer.code.
func NameCode(context map[string]any, code events.Code) { context[memberCode] = string(code) }

// Refused is the context of a client that is let in only to be told why it is refused, with
// watch.ErrUnauthorized or watch.ErrRevoked. It names nobody and grants nothing.
func Refused(why error) map[string]any {
	code := events.CodeBadToken
	if errors.Is(why, watch.ErrRevoked) {
		code = events.CodeRevoked
	}
	return map[string]any{memberRefused: string(code)}
}

// RefusedError is that of a connection that was let in only to be told why it is refused.
// Whoever does not tell it fails, as for an event without any context.
type RefusedError struct{ Why error }

func (e *RefusedError) Error() string { return "connection is only to be told: " + e.Why.Error() }

// Anyone is what those without a token may do where they are let in.
func Anyone() watch.Access { return watch.Access{Grant: grant.All()} }

// Reader reads the context.
type Reader struct {
	// Open is set where the API is meant to have no authorizer: everyone may do everything
	// there. Elsewhere an event without the authorizer's context is an error, so that
	// a route which lost its authorizer lets nobody in.
	Open bool
}

// ConnectionOf reads whose event it is and what they may do. A [RefusedError] means that they
// may do nothing, but be told so.
func (o Reader) ConnectionOf(r awsevents.APIGatewayWebsocketProxyRequestContext) (watch.Connection, error) {
	c := watch.Connection{
		Key:       watch.Key{Subject: watch.Anonymous, ID: watch.ConnectionID(r.ConnectionID)},
		Connected: time.UnixMilli(r.ConnectedAt),
	}
	authorizer, _ := r.Authorizer.(map[string]any)
	c.ToldInside = authorizer[memberInside] == "true"
	subject, access, err := o.read(authorizer)
	if subject != "" {
		c.Subject = subject
	}
	if c.Access = access; err != nil {
		return c, fmt.Errorf("read authorizer's context of %s: %w", c.ID, err)
	}
	return c, nil
}

// ViewerOf reads whose HTTP request it is and what they may do. Those without a token are told
// from each other by their address. A [RefusedError] means that they may do nothing, but be
// told so.
func (o Reader) ViewerOf(r awsevents.APIGatewayProxyRequestContext) (watch.Viewer, error) {
	subject, access, err := o.read(r.Authorizer)
	v := watch.Viewer{Key: watch.Key{Subject: subject}, Access: access}
	if subject == watch.Anonymous {
		v.ID = watch.ConnectionID("address " + network(r.Identity.SourceIP))
	}
	if err != nil {
		return v, fmt.Errorf("read authorizer's context of request %s: %w", r.RequestID, err)
	}
	return v, nil
}

// network is the address of one client: an IPv4 address, or the 64 bits of an IPv6 address of
// which a client has all others.
//
// Source: RFC 6177
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Unmap().Is4() {
		return address
	}
	prefix, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}

// read gives the subject and what it may do.
func (o Reader) read(authorizer map[string]any) (subject string, a watch.Access, err error) {
	if authorizer == nil && o.Open {
		return watch.Anonymous, Anyone(), nil
	}
	if authorizer == nil {
		return "", a, errors.New("there is none")
	}
	subject, _ = authorizer["principalId"].(string)
	if code, refused := authorizer[memberRefused]; refused {
		return subject, a, &RefusedError{Why: reason(code)}
	}
	a, err = accessFrom(authorizer)
	return subject, a, err
}

func accessFrom(authorizer map[string]any) (a watch.Access, err error) {
	text := func(name string) string { s, _ := authorizer[name].(string); return s }
	if a.Grant, err = grant.Decode(text(memberGrant)); err != nil {
		return a, err
	}
	if a.Issued, err = instant(text(memberIssued)); err != nil {
		return a, err
	}
	a.TokenID = text(memberTokenID)
	a.Expires, err = instant(text(memberExpires))
	return a, err
}

// reason is the error that a code stands for.
func reason(code any) error {
	if code == string(events.CodeRevoked) {
		return watch.ErrRevoked
	}
	return watch.ErrUnauthorized
}

// millis writes a time; the zero time is 0.
func millis(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

func instant(text string) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}, err
	}
	return time.UnixMilli(n), nil
}
