// Package authorizer is the only place that knows what a Lambda authorizer of API Gateway
// answers: who the client is, a policy, and a context. WebSocket APIs and REST APIs share it.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
package authorizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/watchroute/watchroute/events/exactjson"
)

// limit is how many bytes an answer may have.
const limit = 8 << 10

// Result is an answer that has been read.
type Result struct {
	principalID string
	policy      *policy
	context     map[string]json.RawMessage
}

// Parse reads an answer of at most 8 KB. It must have a principalId and a policyDocument, and
// the values of its context must be strings, numbers or booleans.
func Parse(output []byte) (Result, error) {
	if len(output) > limit {
		return Result{}, fmt.Errorf("authorizer result of %d bytes is over %d", len(output), limit)
	}
	var read struct {
		PrincipalID    string                     `json:"principalId"`
		PolicyDocument *policy                    `json:"policyDocument"`
		Context        map[string]json.RawMessage `json:"context"`
	}
	if err := exactjson.Unmarshal(output, &read); err != nil {
		return Result{}, fmt.Errorf("authorizer result: %w", err)
	}
	if read.PrincipalID == "" || read.PolicyDocument == nil {
		return Result{}, errors.New("authorizer result needs principalId and policyDocument")
	}
	for name, value := range read.Context {
		if bytes.ContainsAny(value[:1], "{[n") {
			return Result{}, fmt.Errorf("context %q is not a string, number or boolean", name)
		}
	}
	return Result{read.PrincipalID, read.PolicyDocument, read.Context}, nil
}

// Unauthorized tells whether a function's failure is the one whose text means 401.
func Unauthorized(output []byte) bool {
	var failure struct {
		Message string `json:"errorMessage"`
	}
	return exactjson.Unmarshal(output, &failure) == nil && failure.Message == "Unauthorized"
}

// Allows tells whether the policy lets the client invoke a route or a method, by its ARN.
func (r Result) Allows(methodARN string) bool {
	return r.policy.allows("execute-api:Invoke", methodARN)
}

// Context is requestContext.authorizer of the events that follow: every value is a string by
// now, but for the authorizer's latency in milliseconds.
func (r Result) Context(latency time.Duration) (json.RawMessage, error) {
	members := make(map[string]json.RawMessage, len(r.context)+2)
	for name, value := range r.context {
		if value[0] != '"' {
			value = strconv.AppendQuote(nil, string(value))
		}
		members[name] = value
	}
	principal, err := json.Marshal(r.principalID)
	if err != nil {
		return nil, fmt.Errorf("encode principalId: %w", err)
	}
	members["principalId"] = principal
	members["integrationLatency"] = strconv.AppendInt(nil, latency.Milliseconds(), 10)
	return json.Marshal(members)
}
