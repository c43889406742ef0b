package apigateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// proxyResult is the answer of a Lambda proxy integration.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
type proxyResult struct {
	StatusCode status                     `json:"statusCode"`
	Headers    map[string]json.RawMessage `json:"headers"`
	Multi      map[string][]string        `json:"multiValueHeaders"`
	Body       string                     `json:"body"`
	Base64     bool                       `json:"isBase64Encoded"`
}

// status is an HTTP status, which functions give as a number or as a string.
type status int

func (s *status) UnmarshalJSON(raw []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	if err != nil || n < 200 || n > 599 {
		return fmt.Errorf("statusCode %s is not an HTTP status", raw)
	}
	*s = status(n)
	return nil
}

// call runs a function with an event, within a time. Its failures are refusals;
// the cause goes to the log.
func (g *Gateway) call(function string, timeout time.Duration, event any) ([]byte, error) {
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("encode event for %s: %w", function, err)
	}
	ctx, cancel := context.WithTimeout(g.ctx, timeout)
	defer cancel()
	output, failed, err := g.invoker.Invoke(ctx, function, payload)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		g.log.Warn("integration timed out", "function", function, "timeout", timeout)
		return nil, errTimeout
	case err != nil:
		if g.ctx.Err() == nil {
			g.log.Error("function could not be invoked", "function", function, "error", err)
		}
		return nil, errFunction
	case failed:
		g.log.Warn("function failed", "function", function)
		return output, errFunction
	}
	return output, nil
}

// integrate runs a route's function. A route without one answers 200, empty.
func (g *Gateway) integrate(r *route, e event) (proxyResult, error) {
	if r == nil || r.Function == "" {
		return proxyResult{StatusCode: http.StatusOK}, nil
	}
	if !r.Permitted {
		g.log.Error("no permission to invoke the function", "function", r.Function, "route", r.key)
		return proxyResult{}, errNotPermitted
	}
	output, err := g.call(r.Function, r.Timeout, e)
	if err != nil {
		return proxyResult{}, err
	}
	result, err := parseResult(output, g.options.LenientResults)
	if err != nil {
		g.log.Error("malformed Lambda proxy response", "function", r.Function, "error", err)
		return proxyResult{}, errFunction
	}
	return result, nil
}

// parseResult reads a proxy result; without lenient it must have a statusCode
// and nothing but the documented members.
func parseResult(output []byte, lenient bool) (proxyResult, error) {
	decoder := json.NewDecoder(bytes.NewReader(output))
	var result proxyResult
	if lenient {
		result.StatusCode = http.StatusOK
	} else {
		decoder.DisallowUnknownFields()
	}
	if err := decoder.Decode(&result); err != nil {
		return proxyResult{}, fmt.Errorf("proxy result: %w", err)
	}
	if result.StatusCode == 0 {
		return proxyResult{}, errors.New("proxy result has no statusCode")
	}
	return result, nil
}

// ok reports a status of 200 to 299.
func (p proxyResult) ok() bool { return p.StatusCode/100 == 2 }

// subprotocol is what the function chose of the client's offer. API Gateway
// itself chooses nothing.
func (p proxyResult) subprotocol() string {
	const name = "Sec-WebSocket-Protocol"
	for key, values := range p.Multi {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[len(values)-1]
		}
	}
	for key, raw := range p.Headers {
		var value string
		if strings.EqualFold(key, name) && json.Unmarshal(raw, &value) == nil {
			return value
		}
	}
	return ""
}
