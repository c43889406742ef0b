package restapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// refusal is a failure as a client sees it.
type refusal struct {
	response  string // the type of gateway response
	status    int
	errorType string // X-Amzn-ErrorType
	message   string // "" is null
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%d %s: %s", r.status, r.errorType, r.message)
}

// The one table of failures.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
var (
	errBadRequest   = &refusal{"DEFAULT_4XX", http.StatusBadRequest, "BadRequestException", "Bad Request"}
	errNoMethod     = &refusal{"MISSING_AUTHENTICATION_TOKEN", http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	errTooLarge     = &refusal{"REQUEST_TOO_LARGE", http.StatusRequestEntityTooLarge, "RequestTooLargeException", "HTTP content length exceeded 10485760 bytes."}
	errHeaders      = &refusal{"DEFAULT_4XX", http.StatusRequestHeaderFieldsTooLarge, "RequestTooLargeException", "Request Header Fields Too Large"}
	errLongARN      = &refusal{"DEFAULT_4XX", http.StatusRequestURITooLong, "RequestTooLargeException", "Request-URI Too Large"}
	errThrottled    = &refusal{"THROTTLED", http.StatusTooManyRequests, "TooManyRequestsException", "Too Many Requests"}
	errUnauthorized = &refusal{"UNAUTHORIZED", http.StatusUnauthorized, "UnauthorizedException", "Unauthorized"}
	errDenied       = &refusal{"ACCESS_DENIED", http.StatusForbidden, "AccessDeniedException", "User is not authorized to access this resource"}
	errAuthorizer   = &refusal{"AUTHORIZER_FAILURE", http.StatusInternalServerError, "AuthorizerConfigurationException", ""}
	errInternal     = &refusal{"API_CONFIGURATION_ERROR", http.StatusInternalServerError, "InternalServerErrorException", internal}
	errFunction     = &refusal{"DEFAULT_5XX", http.StatusBadGateway, "InternalServerErrorException", internal}
	errTimeout      = &refusal{"INTEGRATION_TIMEOUT", http.StatusGatewayTimeout, "InternalServerErrorException", "Endpoint request timed out"}
)

const internal = "Internal server error"

// types are those of the gateway responses that an API can change and that occur here.
var types = []string{
	"DEFAULT_4XX", "DEFAULT_5XX", "MISSING_AUTHENTICATION_TOKEN", "THROTTLED", "UNAUTHORIZED", "ACCESS_DENIED",
	"AUTHORIZER_FAILURE", "API_CONFIGURATION_ERROR", "INTEGRATION_TIMEOUT",
	// These exist on AWS, and are never answered here.
	"AUTHORIZER_CONFIGURATION_ERROR", "BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS", "EXPIRED_TOKEN", "INTEGRATION_FAILURE",
	"INVALID_API_KEY", "INVALID_SIGNATURE", "QUOTA_EXCEEDED", "RESOURCE_NOT_FOUND", "UNSUPPORTED_MEDIA_TYPE", "WAF_FILTERED",
}

// variable finds what a template is filled with.
var variable = regexp.MustCompile(`\$context\.[A-Za-z]+(\.[A-Za-z]+)?`)

// authorizerVariable is before the name of a member of the authorizer's context, also of one
// that denies.
const authorizerVariable = "$context.authorizer."

// values give what each variable stands for.
func (r *refusal) values(c *call) map[string]string {
	text := []byte("null")
	if r.message != "" {
		text, _ = json.Marshal(r.message) // a string always encodes
	}
	values := map[string]string{
		"$context.error.message":       r.message,
		"$context.error.messageString": string(text),
		"$context.error.responseType":  r.response,
		"$context.requestId":           c.id,
		"$context.extendedRequestId":   c.extendedID,
	}
	var context map[string]any
	_ = json.Unmarshal(c.authorizer, &context) // there may be none
	for name, value := range context {
		values[authorizerVariable+name] = fmt.Sprint(value)
	}
	return values
}

const requestHeader = "method.request.header."

// check tells what of a gateway response does not run here.
func (r Response) check(kind string) error {
	if !slices.Contains(types, kind) {
		return fmt.Errorf("gateway response %s is unknown, or cannot be changed", kind)
	}
	for name, expression := range r.Headers {
		quoted := len(expression) >= 2 && strings.HasPrefix(expression, "'") && strings.HasSuffix(expression, "'")
		if !quoted && !strings.HasPrefix(expression, requestHeader) {
			return fmt.Errorf("gateway response %s: header %s is %s, neither a constant in single quotes nor a header of the request", kind, name, expression)
		}
	}
	known := (&refusal{}).values(&call{})
	for _, template := range r.Templates {
		rest := variable.ReplaceAllStringFunc(template, func(name string) string {
			if _, ok := known[name]; ok || strings.HasPrefix(name, authorizerVariable) {
				return ""
			}
			return name
		})
		if strings.Contains(rest, "$") || strings.Contains(rest, "#") {
			return fmt.Errorf("gateway response %s: the template %q has more than the variables of an error", kind, template)
		}
	}
	return nil
}

// customised gives what the API says about a refusal; otherwise the response is empty. Nothing
// changes REQUEST_TOO_LARGE.
func (g *Gateway) customised(r *refusal) Response {
	if response, ok := g.api.Responses[r.response]; ok || r == errTooLarge {
		return response
	}
	if r.status >= 500 {
		return g.api.Responses["DEFAULT_5XX"]
	}
	return g.api.Responses["DEFAULT_4XX"]
}

// refuse answers with a gateway response.
func (g *Gateway) refuse(w http.ResponseWriter, c *call, r *refusal) {
	response := g.customised(r)
	header := w.Header()
	c.mark(header)
	header.Set("X-Amzn-ErrorType", r.errorType)
	for name, expression := range response.Headers {
		value := strings.TrimSuffix(strings.TrimPrefix(expression, "'"), "'")
		if from, ok := strings.CutPrefix(expression, requestHeader); ok {
			value = c.r.Header.Get(from)
		}
		header.Set(name, value)
	}
	contentType, template := response.template(c.r.Header.Get("Accept"))
	values := r.values(c)
	body := variable.ReplaceAllStringFunc(template, func(name string) string { return values[name] })
	if template == "" {
		body = r.body(values["$context.error.messageString"])
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", contentType)
	}
	status := cmp.Or(response.Status, r.status)
	g.meter.answered(status)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the client has gone; there is no one left to tell
}

// body is AWS's own. That of a failed function is spaced differently.
func (r *refusal) body(message string) string {
	if r.status >= 500 && r.message != "" {
		return `{"message": ` + message + `}`
	}
	return `{"message":` + message + `}`
}

// template picks the one whose content type the client accepts, otherwise that for JSON.
func (r Response) template(accept string) (contentType, template string) {
	const usual = "application/json"
	for part := range strings.SplitSeq(accept, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		if template, ok := r.Templates[name]; ok {
			return name, template
		}
	}
	if template, ok := r.Templates[usual]; ok || len(r.Templates) != 1 {
		return usual, template
	}
	for contentType, template = range r.Templates { // the only one
	}
	return contentType, template
}
