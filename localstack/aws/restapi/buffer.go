package restapi

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// metadata is what a function says of its answer, before the body.
type metadata struct {
	Status  status                 `json:"statusCode"`
	Headers map[string]headerValue `json:"headers"`
	Multi   map[string][]string    `json:"multiValueHeaders"`
}

// proxyResult is the answer of a buffered Lambda proxy integration. No member must be there,
// and there must be no other.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
type proxyResult struct {
	metadata
	Body   string `json:"body"`
	Base64 bool   `json:"isBase64Encoded"`
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

// headerValue is a text or a boolean.
type headerValue string

func (v *headerValue) UnmarshalJSON(raw []byte) error {
	if text := string(raw); text == "true" || text == "false" {
		*v = headerValue(text)
		return nil
	}
	return json.Unmarshal(raw, (*string)(v))
}

// buffer runs the method's function and answers when it has ended. The answer is instead, if given.
func (g *Gateway) buffer(w http.ResponseWriter, c *call, instead *refusal) error {
	output, err := g.invoke(c.method.Function, c.method.Timeout, g.event(c))
	if err == nil && instead != nil {
		err = instead
	}
	if err != nil {
		return err
	}
	result, err := parseResult(output)
	if err != nil {
		g.log.Error("malformed Lambda proxy response", "function", c.method.Function, "error", err)
		return errFunction
	}
	body := []byte(result.Body)
	g.head(w, c, result.metadata)
	n, _ := w.Write(body) // the client has gone; there is no one left to tell
	g.meter.sent(n)
	return nil
}

// parseResult reads the answer of a buffered integration.
func parseResult(output []byte) (proxyResult, error) {
	decoder := json.NewDecoder(bytes.NewReader(output))
	decoder.DisallowUnknownFields()
	var result *proxyResult
	if err := decoder.Decode(&result); err != nil {
		return proxyResult{}, fmt.Errorf("proxy result: %w", err)
	}
	if result == nil {
		return proxyResult{}, fmt.Errorf("proxy result is null")
	}
	if result.Base64 {
		if _, err := base64.StdEncoding.DecodeString(result.Body); err != nil {
			return proxyResult{}, fmt.Errorf("proxy result: the body is not in base64: %w", err)
		}
	}
	result.Status = cmp.Or(result.Status, http.StatusOK)
	return *result, nil
}

// remapped are headers of a function's answer that reach the client under another name.
// Transfer-Encoding is dropped.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
var remapped = []string{"Connection", "Content-Length", "Date", "Server", "Www-Authenticate"}

// head writes the status and the headers of an answer. Where a header has one value and
// several, the several count.
func (g *Gateway) head(w http.ResponseWriter, c *call, m metadata) {
	header := w.Header()
	several := map[string]bool{}
	for name, values := range m.Multi {
		several[http.CanonicalHeaderKey(name)] = true
		for _, value := range values {
			header.Add(outside(name), value)
		}
	}
	for name, value := range m.Headers {
		if !several[http.CanonicalHeaderKey(name)] {
			header.Add(outside(name), string(value))
		}
	}
	header.Del("Transfer-Encoding")
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	c.mark(header)
	header.Set("X-Amzn-Trace-Id", c.traceID)
	g.meter.answered(int(m.Status))
	w.WriteHeader(int(m.Status))
}

// outside is the name of a function's header on the way to the client.
func outside(name string) string {
	if slices.Contains(remapped, http.CanonicalHeaderKey(name)) {
		return "X-Amzn-Remapped-" + name
	}
	return name
}
