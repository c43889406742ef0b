// Package wall is the only place that knows from where a program of the local stack can be used: the
// addresses it listens on, and the hosts and origins whose requests it answers.
package wall

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/watchroute/watchroute/shared/origin"
)

// Wall keeps pages of other sites out. A browser lets any page send requests to this
// machine, and open WebSockets to it, and says in the header Origin whose page it is. A
// page whose host name is made to resolve to this machine (DNS rebinding) has the stack's
// own origin, as far as the browser knows: the header Host gives it away.
type Wall struct {
	addresses map[string]bool // addresses that the stack listens on
	hosts     map[string]bool // names of this machine, beside those that it always has
	origins   map[origin.Origin]bool
}

// Options say who is let in, beside the program's own pages and the names of loopback and LocalStack.
type Options struct {
	// AllowOrigins are the origins of pages that may use the program, as browsers write them:
	// scheme://host or scheme://host:port.
	AllowOrigins []string
	// AllowHosts are names and IP addresses that it may be reached by.
	AllowHosts []string
}

// New reads what the options allow, and reports all of it that cannot be read.
func New(o Options) (Wall, error) {
	w := Wall{addresses: map[string]bool{}, hosts: map[string]bool{}, origins: map[origin.Origin]bool{}}
	var faults []error
	for _, text := range o.AllowOrigins {
		allowed, err := origin.Parse(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("allow origin: %w", err))
		}
		w.origins[allowed] = true
	}
	for _, text := range o.AllowHosts {
		allowed, err := origin.Parse("http://" + text)
		if err != nil {
			faults = append(faults, fmt.Errorf("allow host %q: it is neither a name nor an IP address", text))
		}
		w.hosts[allowed.Host] = true
	}
	return w, errors.Join(faults...)
}

// Own adds an address that the program listens on, and its host. Call it before requests come.
func (w Wall) Own(addr string) {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		w.addresses[addr] = host != ""
		w.hosts[strings.ToLower(host)] = true
	}
}

// Before lets requests through to next that no page of another site can have sent. The
// others are answered 403, and reported to whoever runs the stack: a browser does not
// show the answer to a handshake.
func (w Wall) Before(next http.Handler, refused func(reason string)) http.HandlerFunc {
	return func(response http.ResponseWriter, r *http.Request) {
		if err := w.check(r); err != nil {
			refused(err.Error())
			http.Error(response, err.Error(), http.StatusForbidden)
			return
		}
		next.ServeHTTP(response, r)
	}
}

// check tells why a request is refused; nil if it is not.
func (w Wall) check(r *http.Request) error {
	if w.addresses[r.Host] && len(r.Header["Origin"]) == 0 {
		return nil // true for every call of a function
	}
	here, err := origin.Parse("http://" + r.Host)
	if err != nil || !w.here(here.Host) {
		return fmt.Errorf("host %.*q is not a name of this machine; --allow-host lets it in", shown, r.Host)
	}
	for _, text := range r.Header.Values("Origin") {
		from, err := origin.Parse(text)
		ours := from.Scheme == "http" && w.here(from.Host) && from.Port == here.Port
		if text == "null" {
			return errors.New("origin null is of a page from a file or in a sandbox; serve it over HTTP, and --allow-origin lets it in")
		}
		if err != nil || !ours && !w.origins[from] {
			return fmt.Errorf("origin %.*q is of another site; --allow-origin lets its pages in", shown, text)
		}
	}
	return nil
}

// shown is how much of a header is repeated, in bytes.
const shown = 100

// here tells whether a host is this machine: a loopback address or name, a name of
// LocalStack's, which its owner resolves to 127.0.0.1, or one that the options allow.
//
// Source: https://docs.localstack.cloud/aws/capabilities/networking/
func (w Wall) here(host string) bool {
	host = strings.TrimSuffix(host, ".")
	for _, name := range []string{"localhost", "localhost.localstack.cloud"} {
		if host == name || strings.HasSuffix(host, "."+name) {
			return true
		}
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback() || w.hosts[host]
}
