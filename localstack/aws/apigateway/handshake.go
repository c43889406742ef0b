package apigateway

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// handshake is one upgrade request, as events tell of it.
type handshake struct {
	r         *http.Request
	requestID string
	query     url.Values
	traceID   string
}

func newHandshake(r *http.Request) *handshake {
	id := newID()
	return &handshake{
		r:         r,
		requestID: id,
		query:     r.URL.Query(),
		traceID:   fmt.Sprintf("Root=1-%08x-%024x", time.Now().Unix(), id[:12]),
	}
}

// verify checks the request as RFC 6455, section 4.2.1, demands, before any
// function runs.
func (h *handshake) verify() error {
	r := h.r
	switch {
	case !hasToken(r.Header, "Connection", "upgrade") || !hasToken(r.Header, "Upgrade", "websocket"):
		return errNoUpgrade
	case len(r.URL.RequestURI()) > urlLimit:
		return errLongURL
	case r.Method != http.MethodGet, !r.ProtoAtLeast(1, 1), r.Header.Get("Sec-WebSocket-Version") != "13":
		return errBadRequest
	}
	keys := r.Header.Values("Sec-WebSocket-Key")
	if len(keys) != 1 {
		return errBadRequest
	}
	if key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(keys[0])); err != nil || len(key) != 16 {
		return errBadRequest
	}
	return nil
}

func hasToken(header http.Header, name, token string) bool {
	for _, value := range header.Values(name) {
		for item := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}

// identity is who is asking.
func (h *handshake) identity() identity {
	return identity{UserAgent: h.r.UserAgent(), SourceIP: h.sourceIP()}
}

func (h *handshake) sourceIP() string {
	host, _, err := net.SplitHostPort(h.r.RemoteAddr)
	if err != nil {
		return h.r.RemoteAddr
	}
	return host
}

// headers are the request's, without those that belong to the hop, with those
// that the front door adds.
func (h *handshake) headers() (map[string]string, map[string][]string) {
	multi := http.Header{}
	for name, values := range h.r.Header {
		switch name {
		case "Connection", "Upgrade", "Content-Length":
		default:
			multi[spelled(name)] = values
		}
	}
	multi["Host"] = []string{h.r.Host}
	multi["X-Forwarded-For"] = []string{strings.Join(append(h.r.Header.Values("X-Forwarded-For"), h.sourceIP()), ", ")}
	multi["X-Forwarded-Proto"], multi["X-Forwarded-Port"] = h.arrival()
	if len(multi["X-Amzn-Trace-Id"]) == 0 {
		multi["X-Amzn-Trace-Id"] = []string{h.traceID}
	}
	return lastValues(url.Values(multi)), multi
}

// arrival is the protocol and port the client really used, which on AWS are
// always https and 443.
func (h *handshake) arrival() (proto, port []string) {
	name, number := "http", "80"
	if h.r.TLS != nil {
		name, number = "https", "443"
	}
	if _, p, err := net.SplitHostPort(h.r.Host); err == nil {
		number = p
	}
	return []string{name}, []string{number}
}

// spelled undoes net/http's canonical form where it differs from how the
// header is written.
func spelled(name string) string {
	if rest, ok := strings.CutPrefix(name, "Sec-Websocket-"); ok {
		return "Sec-WebSocket-" + rest
	}
	return name
}
