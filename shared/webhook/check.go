package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
	"github.com/watchroute/watchroute/events"
)

const (
	httpsPort = 443
	// maxHost bounds a name, in bytes.
	//
	// Source: https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4
	maxHost = 253
)

var (
	// publicName is a name of DNS with at least two labels, of which the last is not a number: for
	// many look-ups 127.1, 0x7f.1 and 0177.0.0.1 are addresses.
	publicName = regexp.MustCompile(`^(?i:[a-z0-9_-]{1,63}\.)+(?i:[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)$`)

	// ownNames are the names that are local everywhere, with all names below them. AWS names machines
	// below internal.
	//
	// Source: https://www.iana.org/assignments/special-use-domain-names
	ownNames = []string{"localhost", "localdomain", "local", "internal", "home.arpa", "onion"}

	errNotPublic = errors.New("url has a host that is not public")
)

// guard knows which addresses may be called.
type guard struct {
	loopback bool
	port     uint16
	public   *ssrf.Guardian
}

func newGuard(loopback bool, port uint16) guard {
	return guard{loopback, port, ssrf.New(ssrf.WithPorts(port))}
}

// control refuses an address when it is about to be dialled. It is the Control of a [net.Dialer].
func (g guard) control(network, address string, conn syscall.RawConn) error {
	if at, err := netip.ParseAddrPort(address); err == nil && g.loopback && at.Addr().Unmap().IsLoopback() {
		return nil
	}
	return g.public.Safe(network, address, conn)
}

// Check refuses a URL for what it says itself, before anything is looked up:
//
//   - The scheme must be https, and the port 443.
//   - The URL must have at most 2,048 characters, all of them visible ASCII. It must have no user name
//     and no fragment.
//   - The host must be a public address, or a name that is not a local one, such as localhost.
//
// With Options.AllowLoopback, localhost and loopback addresses may have any port, and http. The error
// is a sentence for the client. Post checks the URL, too.
func (c *Client) Check(text string) error {
	switch i := strings.IndexFunc(text, invisible); {
	case text == "":
		return errors.New("url is empty")
	case len(text) > events.MaxURLBytes:
		return fmt.Errorf("url has %d bytes, at most %d are allowed", len(text), events.MaxURLBytes)
	case i >= 0:
		return fmt.Errorf("url has %q, allowed are visible ASCII characters: write others percent-encoded", []rune(text[i:])[0])
	case strings.Contains(text, "#"):
		return errors.New("url has a fragment")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("url cannot be read")
	case u.User != nil:
		return errors.New("url has a user name")
	case c.guard.loopback && isLoopback(u.Hostname()) && (u.Scheme == "http" || u.Scheme == "https"):
		return checkPort(u.Port())
	case u.Scheme != "https":
		return errors.New("url is not https")
	case u.Hostname() == "":
		return errors.New("url has no host")
	case u.Port() != "" && u.Port() != strconv.Itoa(int(c.guard.port)):
		return fmt.Errorf("url has a port other than %d", c.guard.port)
	}
	return c.guard.checkHost(u.Hostname())
}

// checkHost refuses a host that is not public, as far as it says so itself.
func (g guard) checkHost(host string) error {
	if at, err := netip.ParseAddr(host); err == nil {
		if at.Zone() != "" || g.public.SafeAddr(at) != nil {
			return errNotPublic
		}
		return nil
	}
	own := func(name string) bool { return strings.HasSuffix("."+strings.ToLower(host), "."+name) }
	if len(host) > maxHost || !publicName.MatchString(host) || slices.ContainsFunc(ownNames, own) {
		return errNotPublic
	}
	return nil
}

func isLoopback(host string) bool {
	at, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && at.Zone() == "" && at.Unmap().IsLoopback()
}

func checkPort(port string) error {
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return errors.New("url has a port that is not a number from 1 to 65535")
	}
	return nil
}

// invisible reports what is not a visible ASCII character.
func invisible(r rune) bool { return r <= ' ' || r > '~' }
