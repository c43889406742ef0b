package lambda

import (
	"encoding/json"
	"errors"
)

// Why an invocation did not run; a function that ran and failed is no error.
var (
	// ErrNotFound is Lambda's ResourceNotFoundException.
	ErrNotFound = errors.New("function not found")
	// ErrConflict is Lambda's ResourceConflictException: the function, or the
	// mapping of this stream to it, exists.
	ErrConflict = errors.New("resource conflict")
	// ErrInvalid is Lambda's InvalidParameterValueException.
	ErrInvalid = errors.New("invalid parameter value")
	// ErrTooLarge is Lambda's RequestTooLargeException.
	ErrTooLarge = errors.New("request too large")
	// ErrThrottled is Lambda's TooManyRequestsException: as many invocations run as are
	// reserved for the function, or no process became free within the context while all
	// that are allowed were busy.
	ErrThrottled = errors.New("too many requests")
	// ErrClosed says that the service was closed.
	ErrClosed = errors.New("lambda service closed")
)

// failure is the answer of a function that Lambda itself writes.
func failure(errorType, message string) []byte {
	body, err := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{errorType, message})
	if err != nil { // two strings always encode
		return []byte(`{"errorType":"` + errorType + `"}`)
	}
	return body
}
