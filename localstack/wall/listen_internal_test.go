package wall

import (
	"net"
	"strings"
	"testing"
)

// ipv6 reports whether the machine has the loopback address of IPv6.
func ipv6(t *testing.T) bool {
	t.Helper()
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Log("no IPv6 here: ", err)
		return false
	}
	_ = listener.Close()
	return true
}

// TestLocalhostIsBothLoopbackAddresses: a client that resolves the name to ::1 alone was once
// refused.
func TestLocalhostIsBothLoopbackAddresses(t *testing.T) {
	listeners, err := Listen("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer CloseAll(listeners)
	_, port, _ := net.SplitHostPort(listeners[0].Addr().String())
	hosts := []string{"127.0.0.1", "localhost"}
	if ipv6(t) {
		hosts = append(hosts, "::1")
	}
	for _, host := range hosts {
		conn, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		_ = conn.Close()
	}
	for _, l := range listeners {
		if !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
			t.Errorf("it listens on %s, too", l.Addr())
		}
	}
}

// TestPortThatOneLoopbackAddressLacksIsTaken: some clients would reach the other program.
func TestPortThatOneLoopbackAddressLacksIsTaken(t *testing.T) {
	for _, other := range []string{"127.0.0.1:0", "[::1]:0"} {
		if strings.Contains(other, "::1") && !ipv6(t) {
			continue
		}
		taken, err := net.Listen("tcp", other)
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(taken.Addr().String())
		if listeners, err := Listen("localhost:" + port); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
			t.Errorf("with %s taken: %v, %v", taken.Addr(), listeners, err)
			CloseAll(listeners)
		}
		_ = taken.Close()
		listeners, err := Listen("localhost:" + port) // nothing was left open
		if err != nil {
			t.Error(err)
		}
		CloseAll(listeners)
	}
}

func TestOtherAddressesAreTakenAsTheyAre(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "127.0.0.2:0"} {
		listeners, err := Listen(addr)
		if err != nil || len(listeners) != 1 || !strings.HasPrefix(listeners[0].Addr().String(), strings.TrimSuffix(addr, "0")) {
			t.Errorf("%s: %v, %v", addr, listeners, err)
		}
		CloseAll(listeners)
	}
	if _, err := Listen("nonsense"); err == nil {
		t.Error("an address without a port is taken")
	}
}
