package console

import (
	"net/http"
	"net/http/httptest"
)

// inside is an HTTP client of a single handler, without a network.
type inside struct{ handler http.Handler }

// Do answers a request as a server would.
func (i inside) Do(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host, r.RequestURI = r.URL.Host, r.URL.RequestURI()
	w := httptest.NewRecorder()
	i.handler.ServeHTTP(w, r)
	return w.Result(), r.Context().Err()
}
