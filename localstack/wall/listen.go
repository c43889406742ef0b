package wall

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// portTries is how often a port is looked for that is free on both loopback addresses.
const portTries = 20

// Listen listens on an address. The host localhost is both loopback addresses on one port, as
// far as the machine has them: some clients resolve the name to 127.0.0.1 alone, others to ::1
// alone. The listener on 127.0.0.1 comes first.
func Listen(addr string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host != "localhost" {
		one, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", addr, err)
		}
		return []net.Listener{one}, nil
	}
	both, err := listenBoth(port)
	for tries := 1; port == "0" && errors.Is(err, syscall.EADDRINUSE) && tries < portTries; tries++ {
		both, err = listenBoth(port)
	}
	return both, err
}

// listenBoth listens on the loopback addresses. A port that another program has on one of them
// is an error: some clients would talk to that program.
func listenBoth(port string) (both []net.Listener, err error) {
	for _, address := range []struct{ network, host string }{{"tcp4", "127.0.0.1"}, {"tcp6", "::1"}} {
		on := net.JoinHostPort(address.host, port)
		listener, failed := net.Listen(address.network, on)
		switch {
		case failed == nil:
			both = append(both, listener)
			_, port, _ = net.SplitHostPort(listener.Addr().String()) // the same for the other
		case !missing(failed):
			CloseAll(both)
			return nil, fmt.Errorf("listen on %s: %w", on, failed)
		default:
			err = fmt.Errorf("listen on %s: %w", on, failed)
		}
	}
	if len(both) > 0 {
		err = nil
	}
	return both, err
}

// missing reports whether a machine does not have an address, or no IPv6 at all.
func missing(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EPROTONOSUPPORT)
}

// CloseAll closes listeners that nobody has used.
func CloseAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // nobody has used it
	}
}
