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
var errUnauthorized = errors.New("Unauthorized") //nolint:staticcheck // not ours to word

// judge says who may connect by their token, as authorize has it.
func (h handler) judge(ctx context.Context, request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest) (awsevents.APIGatewayCustomAuthorizerResponse, error) {
	if err := h.checkOrigin(request); err != nil {
		h.logger.Warn("page refused", "sourceIp", request.RequestContext.Identity.SourceIP, "err", err)
		return answer("Deny", request.MethodArn, foreignPrincipal, watch.Access{}), nil
	}
	raw, given := h.token(request)
	if !given && h.anonymous {
		return answer("Allow", request.MethodArn, watch.Anonymous, identity.Anyone()), nil
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
		return answer("Deny", request.MethodArn, revokedPrincipal, watch.Access{}), nil
	case err != nil:
		h.logger.Error("token not verified", "err", err)
		return awsevents.APIGatewayCustomAuthorizerResponse{}, errors.New("token not verified")
	}
	return answer("Allow", request.MethodArn, subject, access), nil
}

// maxAnswer is what API Gateway takes from an authorizer, in bytes; more is a 500. A claim
// of the largest size fits, unless it is made of characters that JSON escapes.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const maxAnswer = 8 << 10

func answer(effect, method, subject string, access watch.Access) awsevents.APIGatewayCustomAuthorizerResponse {
	return awsevents.APIGatewayCustomAuthorizerResponse{
		PrincipalID: subject,
		PolicyDocument: awsevents.APIGatewayCustomAuthorizerPolicy{
			Version: "2012-10-17",
			Statement: []awsevents.IAMPolicyStatement{
				{Action: []string{"execute-api:Invoke"}, Effect: effect, Resource: []string{method}},
			},
		},
		Context: identity.Context(access),
	}
}

// token finds the token: in the header Authorization, among the subprotocols, or, as
// browsers can do no other with some libraries, in the query. One that is given and empty is
// given all the same.
func (h handler) token(request awsevents.APIGatewayCustomAuthorizerRequestTypeRequest) (raw string, given bool) {
	for _, line := range header.Lines(request.Headers, request.MultiValueHeaders, "Authorization") {
		if scheme, raw, _ := strings.Cut(line, " "); strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(raw), true
		}
	}
	for _, offered := range header.List(request.Headers, request.MultiValueHeaders, "Sec-WebSocket-Protocol") {
		if raw, ok := strings.CutPrefix(offered, events.SubprotocolBearer); ok {
			return raw, true
		}
	}
	if h.inQuery {
		raw, given = request.QueryStringParameters["token"]
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
