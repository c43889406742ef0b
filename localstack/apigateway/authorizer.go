package apigateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events/exactjson"
)

// authorizerResult is what a REQUEST authorizer of a WebSocket API answers.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
type authorizerResult struct {
	PrincipalID    string                     `json:"principalId"`
	PolicyDocument *policy                    `json:"policyDocument"`
	Context        map[string]json.RawMessage `json:"context"`
}

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
		return authorizerFailure(output)
	}
	result, err := parseAuthorizerResult(output)
	if err != nil {
		c.g.log.Error("malformed authorizer result", "function", r.Authorizer.Function, "error", err)
		return errAuthorizer
	}
	if !result.PolicyDocument.allows("execute-api:Invoke", c.g.methodARN(connectKey)) {
		return errDenied
	}
	c.authorizer, err = result.context(time.Since(began))
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

// authorizerFailure tells the one error text that means "401" from all others.
func authorizerFailure(output []byte) error {
	var failure struct {
		Message string `json:"errorMessage"`
	}
	if exactjson.Unmarshal(output, &failure) == nil && failure.Message == "Unauthorized" {
		return errUnauthorized
	}
	return errAuthorizer
}

func parseAuthorizerResult(output []byte) (authorizerResult, error) {
	var result authorizerResult
	if len(output) > authorizerResultLimit {
		return result, fmt.Errorf("authorizer result of %d bytes is over %d", len(output), authorizerResultLimit)
	}
	if err := exactjson.Unmarshal(output, &result); err != nil {
		return result, fmt.Errorf("authorizer result: %w", err)
	}
	if result.PrincipalID == "" || result.PolicyDocument == nil {
		return result, errors.New("authorizer result needs principalId and policyDocument")
	}
	for name, value := range result.Context {
		if bytes.ContainsAny(value[:1], "{[n") {
			return result, fmt.Errorf("context %q is not a string, number or boolean", name)
		}
	}
	return result, nil
}

// context is requestContext.authorizer: every value is a string by now, but
// for the latency in milliseconds.
func (a authorizerResult) context(latency time.Duration) (json.RawMessage, error) {
	members := make(map[string]json.RawMessage, len(a.Context)+2)
	for name, value := range a.Context {
		if value[0] != '"' {
			value = strconv.AppendQuote(nil, string(value))
		}
		members[name] = value
	}
	principal, err := json.Marshal(a.PrincipalID)
	if err != nil {
		return nil, fmt.Errorf("encode principalId: %w", err)
	}
	members["principalId"] = principal
	members["integrationLatency"] = strconv.AppendInt(nil, latency.Milliseconds(), 10)
	return json.Marshal(members)
}
