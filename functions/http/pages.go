package main

import (
	"net/http"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/shared/origin"
)

// allowPages lets web pages read the answer: those of the allowed origins, or all. Credentials
// of the browser's own, such as cookies, are never asked for.
//
// Source: https://fetch.spec.whatwg.org/#http-cors-protocol
func (h handler) allowPages(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Add("Vary", "Origin, Authorization, Accept, Prefer")
	header.Set("Access-Control-Expose-Headers", "Allow, ETag, Link, Location, Preference-Applied, Retry-After, WWW-Authenticate, "+cursorHeader)
	if len(h.origins) == 0 {
		header.Set("Access-Control-Allow-Origin", "*")
		return
	}
	from, err := origin.Parse(r.Header.Get("Origin"))
	if err == nil && slices.Contains(h.origins, from) {
		header.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	}
}

// options answers what a page's browser asks before it sends the request proper, and others
// who want to know the methods.
func (h handler) options(w http.ResponseWriter, allowed []string) {
	header := w.Header()
	header.Set("Allow", strings.Join(allowed, ", "))
	header.Set("Access-Control-Allow-Methods", strings.Join(allowed, ", "))
	header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer")
	header.Set("Access-Control-Max-Age", "7200") // seconds; the most that Chromium takes
	w.WriteHeader(http.StatusNoContent)
}
