package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/handshake"
	"github.com/watchroute/watchroute/shared/header"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/watch"
)

// revokedPrincipal and foreignPrincipal are whom a Deny is for. They are no subjects.
const (
	revokedPrincipal = "revoked"
	foreignPrincipal = "foreign"
	refusedPrincipal = "refused"
)

// authorize answers who wants to connect, or asks over HTTP: with a policy that lets them in, one that does
// not (403), or an error (401, and 500 for what the client is not to blame for).
//
// A client that offers its token as a subprotocol is let in also with a token that is not
// valid or is revoked, if refusals are told inside. Its context names the refusal alone, and
// no other function does anything for it but tell. Over HTTP nobody is: each answer has a status
// that every client can see.
func (h handler) authorize(ctx context.Context, request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest) (awsevents.APIGatewayCustomAuthorizerResponse, error) {
	decision, err := h.judge(ctx, request)
	inside := h.teller != nil && offersToken(request)
	if inside && err == nil && decision.Context != nil {
		identity.TellInside(decision.Context)
	}
	if err == nil && tooLarge(decision) {
		h.logger.Warn("token refused", "sourceIp", request.RequestContext.Identity.SourceIP, "err", "its grant is too large to be handed on")
		decision, err = awsevents.APIGatewayCustomAuthorizerResponse{}, errUnauthorized
	}
	if why := refusal(decision, err); inside && why != nil && h.teller.Tells(request.RequestContext.Identity.SourceIP) {
		told := answer("Allow", request, refusedPrincipal, watch.Access{})
		told.Context = identity.Refused(why)
		return told, nil
	}
	return decision, err
}

// offersToken reports whether the client has its token among the subprotocols, with ours,
// so that it understands the answer, and none in a header, which no browser can set. Over HTTP
// there are no subprotocols, whatever a client sends.
func offersToken(request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest) bool {
	offer := handshake.OfferOf(request.Headers, request.MultiValueHeaders)
	return !overHTTP(request) && offer.Bears() && offer.Ours() && len(header.Lines(request.Headers, request.MultiValueHeaders, "Authorization")) == 0
}

// refusal is what can be told of a decision: that the token is not valid or is revoked. It
// is nil for all others. A page of another origin is not told anything.
func refusal(decision awsevents.APIGatewayCustomAuthorizerResponse, err error) error {
	switch {
	case errors.Is(err, errUnauthorized):
		return watch.ErrUnauthorized
	case err == nil && decision.PrincipalID == revokedPrincipal && denies(decision):
		return watch.ErrRevoked
	}
	return nil
}

func denies(decision awsevents.APIGatewayCustomAuthorizerResponse) bool {
	return len(decision.PolicyDocument.Statement) == 1 && decision.PolicyDocument.Statement[0].Effect == "Deny"
}

// tooLarge reports whether API Gateway would refuse an answer for its size.
func tooLarge(a awsevents.APIGatewayCustomAuthorizerResponse) bool {
	return answerBytes(a) > maxAnswer
}

// answerBytes is how long an answer is as the Lambda runtime sends it. It makes no escapes for
// HTML, but escapes U+2028 and U+2029.
//
// Source: https://pkg.go.dev/github.com/aws/aws-lambda-go/lambda#WithSetEscapeHTML
func answerBytes(answer awsevents.APIGatewayCustomAuthorizerResponse) int {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(answer) // which is of strings
	return out.Len()
}
