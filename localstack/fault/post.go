package fault

import (
	"io"
	"net/http"
)

// refusals are API Gateway's answers to posts that it takes no more, in the order of
// asking. That of a connection that is gone has no body.
var refusals = []struct {
	kind            Kind
	status          int
	errorType, body string
}{
	{Post429, http.StatusTooManyRequests, "LimitExceededException", `{"message":"Rate exceeded"}`},
	{Post500, http.StatusInternalServerError, "InternalServerErrorException", `{"message":"Internal server error"}`},
	{Post410, http.StatusGone, "GoneException", ""},
}

// RefusePost answers a PostToConnection call, or lets it hang, and reports whether it
// did so. The connection hears nothing of it.
func (f *Faults) RefusePost(w http.ResponseWriter, r *http.Request) bool {
	for _, refusal := range refusals {
		if f.Hit(refusal.kind) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Amzn-ErrorType", refusal.errorType)
			w.WriteHeader(refusal.status)
			_, _ = io.WriteString(w, refusal.body) // the caller has gone; there is no one left to tell
			return true
		}
	}
	if !f.Hit(PostTimeout) {
		return false
	}
	_, _ = io.Copy(io.Discard, r.Body) // the server notices that the caller leaves once all is read
	<-r.Context().Done()
	return true
}
