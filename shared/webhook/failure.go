package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"code.dny.dev/ssrf"
)

const (
	// maxShown bounds what is kept of an answer's body, in bytes.
	maxShown = 256
	// maxRetryAfter bounds what a receiver may ask to wait.
	maxRetryAfter = 24 * time.Hour
)

// Failure is why a message counts as not delivered. Its text is for the owner of the webhook. It has
// neither the URL, which may hold a secret, nor an address of our network.
type Failure struct {
	// Status is the answer's. 0 means that there was none.
	Status int
	// Body is the beginning of the answer's: at most 256 bytes of valid UTF-8, of characters that can
	// be printed. Anything else becomes U+FFFD, and white space becomes a space.
	Body string
	// RetryAfter is how long the receiver wants us to wait, at most 24 h. 0 means that it did not
	// say so in a form that RFC 9110, section 10.2.3 knows.
	RetryAfter time.Duration
	// Gone is true for the status 410: the receiver wants nothing more.
	Gone bool
	// Cause is why there is no answer, or what is wrong with one. It is for the operator.
	Cause error
}

func newFailure(response *http.Response, body []byte, now time.Time) *Failure {
	return &Failure{
		Status:     response.StatusCode,
		Body:       shown(body),
		RetryAfter: retryAfter(response.Header.Get("Retry-After"), now),
		Gone:       response.StatusCode == http.StatusGone,
	}
}

// Error says what happened in one line.
func (f *Failure) Error() string {
	switch {
	case f.Status == 0:
		return "no answer: " + reason(f.Cause)
	case f.Cause != nil:
		return fmt.Sprintf("answered %d: %s", f.Status, reason(f.Cause))
	}
	return fmt.Sprintf("answered %d", f.Status)
}

// Unwrap gives the cause, which may be nil.
func (f *Failure) Unwrap() error { return f.Cause }

// reason gives what an owner may know of a cause.
func reason(err error) string {
	var name *net.DNSError
	var network *net.OpError
	switch timeout := net.Error(nil); {
	case err == nil:
		return "unknown"
	case errors.Is(err, ssrf.ErrProhibitedIP), errors.Is(err, ssrf.ErrProhibitedPort):
		return errNotPublic.Error()
	case errors.Is(err, context.Canceled):
		return "the call was given up"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it took too long"
	case errors.As(err, &name) && name.IsNotFound:
		return "url has a host that is not known"
	case errors.As(err, &name):
		return "the url's host could not be looked up"
	case errors.As(err, &network):
		return network.Op + ": " + network.Err.Error() // without its addresses
	}
	return shown([]byte(err.Error())) // net/http repeats what it cannot read
}

// shown gives the beginning of a body as people can read it.
func shown(body []byte) string {
	text := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return utf8.RuneError
	}, string(body))
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") // without the half of a character
	}
	return text
}

// retryAfter reads seconds or a date.
func retryAfter(value string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	} else if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter // it may have more digits than a number holds
		}
		wait = time.Duration(seconds) * time.Second
	}
	return min(max(wait, 0), maxRetryAfter)
}
