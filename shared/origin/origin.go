// Package origin is the only place that knows how web origins are written and compared.
// A browser tells the origin of a page in the header Origin of what the page requests.
//
// Source: https://www.rfc-editor.org/rfc/rfc6454
package origin

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Origin is where a page comes from. Origins that are the same compare equal.
type Origin struct {
	Scheme string // such as "https", in small letters
	Host   string // a name or an IP address, without brackets, in small letters
	Port   string // empty for the one that the scheme implies
}

// maxHost is how long a host's name may be, in bytes.
//
// Source: https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4
const maxHost = 253

// Parse reads an origin as browsers write it: scheme://host or scheme://host:port. It
// refuses everything else: a path, be it "/", a wildcard, a host in other than ASCII
// letters, and "null", which any page can make itself.
func Parse(text string) (Origin, error) {
	o, err := parse(text)
	if err != nil {
		return Origin{}, fmt.Errorf("origin %.*q is not scheme://host[:port]: %w", maxHost, text, err)
	}
	return o, nil
}

func parse(text string) (Origin, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Origin{}, err
	}
	o := Origin{Scheme: u.Scheme, Host: strings.ToLower(u.Hostname()), Port: u.Port()}
	switch {
	case o.Scheme == "" || o.Host == "":
		return Origin{}, errors.New("it has no scheme or no host")
	case !strings.EqualFold(text, u.Scheme+"://"+u.Host):
		return Origin{}, errors.New("there is something beside scheme, host and port")
	case !validHost(o.Host):
		return Origin{}, errors.New("its host is neither a name nor an IP address")
	case strings.HasSuffix(u.Host, ":"), o.Port != "" && !validPort(o.Port):
		return Origin{}, errors.New("its port is not a number from 1 to 65535")
	}
	if o.Scheme == "http" && o.Port == "80" || o.Scheme == "https" && o.Port == "443" {
		o.Port = ""
	}
	return o, nil
}

func validHost(host string) bool {
	if strings.Contains(host, ":") {
		address, err := netip.ParseAddr(host)
		return err == nil && address.Zone() == ""
	}
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}
	return len(host) <= maxHost && !strings.ContainsFunc(host, other)
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && port[0] != '0'
}

// ParseList reads origins that are separated by commas, and reports all that are none.
// An empty text has none.
func ParseList(text string) ([]Origin, error) {
	if text == "" {
		return nil, nil
	}
	var list []Origin
	var faults []error
	for one := range strings.SplitSeq(text, ",") {
		o, err := Parse(one)
		if err != nil {
			faults = append(faults, err)
		}
		list = append(list, o)
	}
	return list, errors.Join(faults...)
}

// String writes the origin as browsers do.
func (o Origin) String() string {
	host := o.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.Port != "" {
		host += ":" + o.Port
	}
	return o.Scheme + "://" + host
}
