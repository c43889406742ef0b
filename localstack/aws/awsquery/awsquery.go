// Package awsquery is the only place that knows the AWS Query protocol on the server side: forms in,
// XML out. The operations behind it are those of package awsjson.
//
// Source: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
package awsquery

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/uuid"
)

// Service is one AWS service that is spoken over the Query protocol.
type Service struct {
	// Operations are called by the parameter Action, with the form as JSON; see [Decode]. Their
	// results are encoded as XML, and their lists need tags such as `xml:"Failed>member"`.
	Operations *awsjson.Service
	// Namespace is that of the XML, such as "http://sns.amazonaws.com/doc/2010-03-31/".
	Namespace string
	// Version is what the parameter Version must be, such as "2010-03-31".
	Version string
}

// Serves reports whether the request is in the Query protocol.
func Serves(r *http.Request) bool {
	if r.Method != http.MethodPost || r.URL.Path != "" && r.URL.Path != "/" { // most requests, which cost no more than this
		return false
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind == "application/x-www-form-urlencoded"
}

// ServeHTTP answers one POST. Safe for concurrent use.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, awsjson.MaxRequestBytes))
	if err != nil {
		s.fail(w, &awsjson.Error{Status: http.StatusRequestEntityTooLarge, Type: "RequestEntityTooLarge", Message: "The request body is too large."})
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		s.fail(w, awsjson.Errorf("MalformedQueryString", "The query string contains a syntax error."))
		return
	}
	action := form.Get("Action")
	result, err := s.call(r.Context(), action, form)
	if err != nil {
		s.fail(w, err)
		return
	}
	s.write(w, http.StatusOK, action+"Response", response{Namespace: s.Namespace, Result: &named{action + "Result", result}, Metadata: &metadata{uuid.New()}})
}

func (s *Service) call(ctx context.Context, action string, form url.Values) (any, error) {
	switch {
	case action == "":
		return nil, awsjson.Errorf("MissingAction", "The request must contain the parameter Action.")
	case s.Operations.Operations[action] == nil || form.Get("Version") != s.Version:
		return nil, awsjson.Errorf("InvalidAction", "The action %s is not valid for this web service.", action)
	}
	form.Del("Action")
	form.Del("Version")
	input, err := Decode(form)
	if err != nil {
		return nil, err
	}
	return s.Operations.Call(ctx, action, input)
}

// response is the outermost element of an answer, of which either all but Error is there, or only
// Error and RequestID.
type response struct {
	Namespace string    `xml:"xmlns,attr"`
	Result    *named    `xml:",omitempty"`
	Metadata  *metadata `xml:"ResponseMetadata,omitempty"`
	Error     *failure  `xml:",omitempty"`
	RequestID string    `xml:"RequestId,omitempty"`
}

// id is that of the request.
func (r response) id() string {
	if r.Metadata != nil {
		return r.Metadata.RequestID
	}
	return r.RequestID
}

// named is an element with a name that is known when the request is.
type named struct {
	name  string
	value any
}

func (n *named) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	return e.EncodeElement(n.value, xml.StartElement{Name: xml.Name{Local: n.name}})
}

type metadata struct {
	RequestID string `xml:"RequestId"`
}

type failure struct {
	Type    string // whose fault it is
	Code    string
	Message string
}

// fail answers with err in the form that the SDKs read.
func (s *Service) fail(w http.ResponseWriter, err error) {
	var e *awsjson.Error
	if !errors.As(err, &e) {
		slog.Error("operation failed", "service", s.Namespace, "err", err)
		e = &awsjson.Error{Status: http.StatusInternalServerError, Type: "InternalError", Message: "internal error"}
	}
	status, whose := e.Status, "Sender"
	if status == 0 {
		status = http.StatusBadRequest
	}
	if status >= http.StatusInternalServerError {
		whose = "Receiver"
	}
	s.write(w, status, "ErrorResponse", response{Namespace: s.Namespace, Error: &failure{whose, e.Type, e.Message}, RequestID: uuid.New()})
}

func (s *Service) write(w http.ResponseWriter, status int, name string, answer response) {
	var b bytes.Buffer
	if err := xml.NewEncoder(&b).EncodeElement(answer, xml.StartElement{Name: xml.Name{Local: name}}); err != nil {
		slog.Error("encode answer", "service", s.Namespace, "answer", name, "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/xml")
	h.Set("X-Amzn-Requestid", answer.id())
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client has gone; there is no one left to tell
}

// Decode gives a form as JSON: parts of a name that dots separate are members of objects, the
// numbered children of "member" are the elements of a list, and those of "entry" the pairs of a map.
// All values are strings.
//
//	A=1&B.member.1=x&C.entry.1.key=k&C.entry.1.value=v ─► {"A":"1","B":["x"],"C":{"k":"v"}}
//
// The error is a MalformedQueryString.
func Decode(form url.Values) ([]byte, error) {
	root := node{}
	for name, values := range form {
		if err := root.put(name, values[0]); err != nil {
			return nil, err
		}
	}
	value, err := root.value()
	if err != nil {
		return nil, err
	}
	return json.Marshal(value)
}
