package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/handshake"
	"github.com/watchroute/watchroute/shared/header"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/origin"
	"github.com/watchroute/watchroute/shared/watch"
)

type handler struct {
	tokens    watch.Authenticator
	anonymous bool              // those without a token may do everything
	inQuery   bool              // the token may be in the URL's query
	origins   []origin.Origin   // of pages that may connect; none for all
	teller    *handshake.Teller // of refusals inside a connection; nil if all are told at the handshake
	logger    *slog.Logger
}

// errUnauthorized has API Gateway answer 401: it looks for this very text.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
var errUnauthorized = errors.New("Unauthorized") // not ours to word

// overHTTP reports whether a REST API asks, about an HTTP request. A WebSocket API asks about a
// handshake, which has no method in its event.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
func overHTTP(request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest) bool {
	return request.HTTPMethod != ""
}

// judge says who may connect by their token, as authorize has it.
func (h handler) judge(ctx context.Context, request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest) (awsevents.APIGatewayCustomAuthorizerResponse, error) {
	if err := h.checkOrigin(request); err != nil {
		h.logger.Warn("page refused", "sourceIp", request.RequestContext.Identity.SourceIP, "err", err)
		return deny(request, foreignPrincipal, events.CodeForbidden), nil
	}
	raw, given := h.token(request)
	if !given && h.anonymous {
		return answer("Allow", request, watch.Anonymous, identity.Anyone()), nil
	}
	if raw == "" {
		return awsevents.APIGatewayCustomAuthorizerResponse{}, errUnauthorized
	}
	subject, access, err := h.tokens.Authenticate(ctx, raw)
	switch {
	case errors.Is(err, watch.ErrUnauthorized):
		h.logger.Warn("token refused", "sourceIp", request.RequestContext.Identity.SourceIP, "err", err)
		return awsevents.APIGatewayCustomAuthorizerResponse{}, errUnauthorized
	case errors.Is(err, watch.ErrRevoked):
		h.logger.Warn("token is revoked", "sourceIp", request.RequestContext.Identity.SourceIP)
		return deny(request, revokedPrincipal, events.CodeRevoked), nil
	case err != nil:
		h.logger.Error("token not verified", "err", err)
		return awsevents.APIGatewayCustomAuthorizerResponse{}, errors.New("token not verified")
	}
	return answer("Allow", request, subject, access), nil
}

// maxAnswer is what API Gateway takes from an authorizer, in bytes; more is a 500. A claim
// of the largest size fits, unless it is made of characters that JSON escapes.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const maxAnswer = 8 << 10

func answer(effect string, request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest, subject string, access watch.Access) awsevents.APIGatewayCustomAuthorizerResponse {
	return awsevents.APIGatewayCustomAuthorizerResponse{
		PrincipalID: subject,
		PolicyDocument: awsevents.APIGatewayCustomAuthorizerPolicy{
			Version: "2012-10-17",
			Statement: []awsevents.IAMPolicyStatement{
				{Action: []string{"execute-api:Invoke"}, Effect: effect, Resource: []string{resource(request)}},
			},
		},
		Context: identity.Context(access),
	}
}

// deny is the answer to a client that gets 403. It names the error's code.
func deny(request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest, principal string, code events.Code) awsevents.APIGatewayCustomAuthorizerResponse {
	denied := answer("Deny", request, principal, watch.Access{})
	identity.NameCode(denied.Context, code)
	return denied
}

// resource is what an answer's policy is about: the handshake, or all of the stage that an HTTP
// request is for. Such a request's ARN has its path, which is the client's to choose: it may be
// long, and what it escapes may be read in more than one way. The answer counts for this one
// request, because the REST API keeps none.
func resource(request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest) string {
	parts := strings.SplitN(request.MethodArn, "/", 3) // the API, the stage, and the rest
	if !overHTTP(request) || len(parts) < 3 {
		return request.MethodArn
	}
	return parts[0] + "/" + parts[1] + "/*"
}

// token finds the token: in the header Authorization, among a handshake's subprotocols, or, as
// browsers can do no other with some libraries and with EventSource, in the query. One that is
// given and empty is given all the same.
func (h handler) token(request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest) (raw string, given bool) {
	for _, line := range header.Lines(request.Headers, request.MultiValueHeaders, "Authorization") {
		if scheme, raw, _ := strings.Cut(line, " "); strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(raw), true
		}
	}
	for _, offered := range handshake.OfferOf(request.Headers, request.MultiValueHeaders) {
		if raw, ok := strings.CutPrefix(offered, events.SubprotocolBearer); ok && !overHTTP(request) {
			return raw, true
		}
	}
	if h.inQuery {
		raw, given = request.QueryStringParameters[events.QueryToken]
	}
	return raw, given
}

// checkOrigin refuses a page that is not of an allowed origin. A request without one is
// no page's.
func (h handler) checkOrigin(request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest) error {
	if len(h.origins) == 0 {
		return nil
	}
	for _, value := range header.Lines(request.Headers, request.MultiValueHeaders, "Origin") {
		from, err := origin.Parse(value)
		if err != nil {
			return err
		}
		if !slices.Contains(h.origins, from) {
			return fmt.Errorf("origin %s is not allowed", from)
		}
	}
	return nil
}
