package apigateway

import (
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/authorizer"
)

// authorize asks the route's authorizer, if there is one, and keeps what it
// says of the client for this connection's events.
func (c *connection) authorize(r *route, h *handshake) error {
	if r == nil || r.Authorizer == nil {
		return nil
	}
	for _, source := range r.Authorizer.IdentitySources {
		if h.identitySource(source, c.g.api.StageVariables) == "" {
			return errUnauthorized
		}
	}
	if !r.Authorizer.Permitted {
		c.g.log.Error("no permission to invoke the authorizer", "function", r.Authorizer.Function)
		return errAuthorizer
	}
	began := time.Now()
	output, err := c.g.call(r.Authorizer.Function, integrationTimeout, c.authorizerEvent(h))
	if err != nil {
		if authorizer.Unauthorized(output) {
			return errUnauthorized
		}
		return errAuthorizer
	}
	result, err := authorizer.Parse(output)
	if err != nil {
		c.g.log.Error("malformed authorizer result", "function", r.Authorizer.Function, "error", err)
		return errAuthorizer
	}
	if !result.Allows(c.g.methodARN(connectKey)) {
		return errDenied
	}
	c.authorizer, err = result.Context(time.Since(began))
	return err
}

// identitySource is the value that an expression such as
// "route.request.header.Auth" has in this request, "" if it is absent. Unknown
// expressions are absent.
func (h *handshake) identitySource(expression string, variables map[string]string) string {
	expression = strings.TrimPrefix(expression, "$")
	if name, ok := strings.CutPrefix(expression, "route.request.header."); ok {
		return h.r.Header.Get(name)
	}
	if name, ok := strings.CutPrefix(expression, "route.request.querystring."); ok {
		return h.query.Get(name)
	}
	if name, ok := strings.CutPrefix(expression, "stageVariables."); ok {
		return variables[name]
	}
	return ""
}
