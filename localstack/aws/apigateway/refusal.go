package apigateway

import (
	"fmt"
	"net/http"
)

// refusal is a failure as a client sees it: the status and error type of an
// HTTP answer, or the message of an error frame on an open socket.
type refusal struct {
	status  int
	kind    string // x-amzn-ErrorType
	message string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.status, r.kind, r.message) }

// The one table of failures.
var (
	errBadRequest   = &refusal{http.StatusBadRequest, "BadRequestException", "Bad Request"}
	errNoUpgrade    = &refusal{http.StatusUpgradeRequired, "UpgradeRequiredException", "Upgrade Required"}
	errLongURL      = &refusal{http.StatusRequestURITooLong, "RequestTooLargeException", "Request-URI Too Large"}
	errForbidden    = &refusal{http.StatusForbidden, "ForbiddenException", "Forbidden"}
	errUnauthorized = &refusal{http.StatusUnauthorized, "UnauthorizedException", "Unauthorized"}
	errDenied       = &refusal{http.StatusForbidden, "AccessDeniedException", "User is not authorized to access this resource"}
	errAuthorizer   = &refusal{http.StatusInternalServerError, "AuthorizerConfigurationException", "Internal server error"}
	errNotPermitted = &refusal{http.StatusInternalServerError, "InternalServerErrorException", "Internal server error"}
	errFunction     = &refusal{http.StatusBadGateway, "InternalServerErrorException", "Internal server error"}
	errTimeout      = &refusal{http.StatusGatewayTimeout, "EndpointRequestTimedOutException", "Endpoint request timed out"}
	errThrottled    = &refusal{http.StatusTooManyRequests, "TooManyRequestsException", "Too Many Requests"}

	errUnsigned     = &refusal{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	errWrongService = &refusal{http.StatusForbidden, "InvalidSignatureException", "Credential should be scoped to correct service: 'execute-api'."}
	errGone         = &refusal{http.StatusGone, "GoneException", ""}
	errTooLarge     = &refusal{http.StatusRequestEntityTooLarge, "PayloadTooLargeException", "Message too long"}
	errLimit        = &refusal{http.StatusTooManyRequests, "LimitExceededException", "Rate exceeded"}
	errBufferFull   = &refusal{http.StatusTooManyRequests, "LimitExceededException", "Client-side buffer full"}
)

// frame is the error frame of a refusal. Its spacing is API Gateway's, which
// clients have been seen to compare with.
func (r *refusal) frame(connectionID, requestID string) []byte {
	return fmt.Appendf(nil, `{"message": "%s", "connectionId":"%s", "requestId":"%s"}`, r.message, connectionID, requestID)
}
