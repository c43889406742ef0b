package apigateway

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// connectionInfo is the answer of GetConnection. Its times are ISO 8601: SDKs
// do not read epoch numbers here.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
type connectionInfo struct {
	ConnectedAt  string   `json:"connectedAt"`
	Identity     identity `json:"identity"`
	LastActiveAt string   `json:"lastActiveAt"`
}

// manage answers an @connections call for the connection with the id.
func (g *Gateway) manage(w http.ResponseWriter, r *http.Request, id string) {
	status, body, err := g.operate(r, id)
	if err == nil {
		w.Header()["X-Amzn-Requestid"] = []string{newID()} // Set would write the name anew each time
		if body != nil {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	} else {
		status = g.failManage(w, err)
	}
	if r.Method == http.MethodPost {
		g.meter.posted(status)
	}
}

// failManage answers with a failure. That of a connection that is gone has no
// body, only its type.
func (g *Gateway) failManage(w http.ResponseWriter, err error) (status int) {
	var refused *refusal
	if !errors.As(err, &refused) {
		g.log.Error("@connections call failed", "error", err)
		refused = errNotPermitted
	}
	var body []byte
	if refused.message != "" {
		body, _ = json.Marshal(map[string]string{"message": refused.message}) // strings always encode
	}
	writeFailure(w, refused, newID(), body)
	return refused.status
}

// operate does what the method says.
func (g *Gateway) operate(r *http.Request, id string) (status int, body []byte, err error) {
	if err := g.checkSigned(r); err != nil {
		return 0, nil, err
	}
	if !g.account.Take() {
		return 0, nil, errLimit
	}
	if !validID(id) && !g.options.MalformedIDGone {
		return 0, nil, &refusal{http.StatusBadRequest, "BadRequestException", "Invalid connectionId: " + id}
	}
	switch r.Method {
	case http.MethodPost:
		return http.StatusOK, nil, g.post(r, id)
	case http.MethodGet:
		body, err = g.get(id)
		return http.StatusOK, body, err
	case http.MethodDelete:
		return http.StatusNoContent, nil, g.delete(id)
	}
	return 0, nil, errUnsigned // AWS's answer for a method that does not exist, too
}

// checkSigned demands SigV4 credentials for execute-api, in the header or the
// query. Whether the signature is right cannot be known here.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
func (g *Gateway) checkSigned(r *http.Request) error {
	if g.options.Unsigned {
		return nil
	}
	const algorithm = "AWS4-HMAC-SHA256"
	credential, signed := strings.CutPrefix(r.Header.Get("Authorization"), algorithm)
	if !signed && r.URL.RawQuery != "" {
		query := r.URL.Query()
		credential, signed = query.Get("X-Amz-Credential"), query.Get("X-Amz-Algorithm") == algorithm
	}
	switch {
	case !signed:
		return errUnsigned
	case !strings.Contains(credential, "/execute-api/aws4_request"):
		return errWrongService
	}
	return nil
}

// post sends the request's body to the connection as one text message. Success
// means that it was taken, not that the client has read it.
func (g *Gateway) post(r *http.Request, id string) error {
	limit := int64(g.options.MessageLimit)
	if r.ContentLength > limit {
		return errTooLarge
	}
	c := g.find(id)
	if c == nil {
		return errGone
	}
	buffer := g.buffer()
	defer g.release(buffer)
	n, err := buffer.ReadFrom(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return errBadRequest
	}
	if n > limit {
		return errTooLarge
	}
	return c.send(buffer.Bytes())
}

func (g *Gateway) get(id string) ([]byte, error) {
	c := g.find(id)
	if c == nil {
		return nil, errGone
	}
	const iso8601 = "2006-01-02T15:04:05.000Z"
	return json.Marshal(connectionInfo{
		ConnectedAt:  c.connectedAt.UTC().Format(iso8601),
		Identity:     c.identity,
		LastActiveAt: time.Unix(0, c.lastActive.Load()).UTC().Format(iso8601),
	})
}

// delete closes the connection with 1000, which does fire $disconnect. It does
// not wait for the client to agree.
func (g *Gateway) delete(id string) error {
	c := g.find(id)
	if c == nil {
		return errGone
	}
	<-c.opened
	why := &closure{websocket.StatusNormalClosure, reasonDeleted}
	if c.ws == nil || !c.condemn(why) || !g.spawn(func() { _ = c.ws.Close(why.code, why.reason) }) {
		return errGone
	}
	return nil
}
