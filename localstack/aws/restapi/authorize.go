package restapi

import (
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/authorizer"
)

// authorize asks the method's authorizer, if there is one, and keeps what it says of the client
// for the function's event. Nothing is cached.
func (g *Gateway) authorize(c *call) error {
	guard := c.method.Authorizer
	if guard == nil {
		return nil
	}
	arn := g.methodARN(c)
	if len(arn) > maxMethodARN && !g.options.LongMethodARN {
		return errLongARN
	}
	for _, source := range guard.IdentitySources {
		if g.identitySource(c, source) == "" {
			return errUnauthorized
		}
	}
	if !guard.Permitted {
		g.log.Error("no permission to invoke the authorizer", "function", guard.Function)
		return errAuthorizer
	}
	began := time.Now()
	output, err := g.invoke(guard.Function, IntegrationTimeout, g.authorizerEvent(c))
	if err != nil && authorizer.Unauthorized(output) {
		return errUnauthorized
	}
	if err != nil {
		return errAuthorizer
	}
	result, err := authorizer.Parse(output)
	if err != nil {
		g.log.Error("malformed authorizer result", "function", guard.Function, "error", err)
		return errAuthorizer
	}
	if c.authorizer, err = result.Context(time.Since(began)); err == nil && !result.Allows(arn) {
		return errDenied
	}
	return err
}

// identitySource is the value that an expression such as "method.request.header.Auth" has in
// this request, "" if it is absent. Unknown expressions are absent.
func (g *Gateway) identitySource(c *call, expression string) string {
	if name, ok := strings.CutPrefix(expression, requestHeader); ok {
		return c.r.Header.Get(name)
	}
	if name, ok := strings.CutPrefix(expression, "method.request.querystring."); ok {
		return c.query.Get(name)
	}
	if name, ok := strings.CutPrefix(expression, "stageVariables."); ok {
		return g.api.StageVariables[name]
	}
	return ""
}
