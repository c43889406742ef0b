package webhook

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"code.dny.dev/ssrf"
	"github.com/watchroute/watchroute/events"
	"golang.org/x/net/dns/dnsmessage"
)

// key signs in tests.
var key = []byte("0123456789abcdef0123456789abcdef")

// trap listens on every address of this machine and counts who dials it.
type trap struct {
	net.Listener
	dials atomic.Int64
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	tr := &trap{Listener: listener}
	var serving sync.WaitGroup
	serving.Go(func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			tr.dials.Add(1)
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return tr
}

func (tr *trap) port() uint16 { return tr.Addr().(*net.TCPAddr).AddrPort().Port() }

// dialled counts the connections until now. A last one of its own comes after all others.
func (tr *trap) dialled(t *testing.T) int64 {
	t.Helper()
	before := tr.dials.Load()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", tr.port()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the trap talks")
	}
	n := tr.dials.Swap(0) - 1
	if n < before {
		t.Fatalf("%d connections were counted, and %d after that", before, n)
	}
	return n
}

// names answers look-ups. The answers of a name are given one after another, the last one for ever.
// A name that is not there is one for 127.0.0.1, which is the worst that a look-up can say.
type names struct {
	answers map[string][][]string

	mu    sync.Mutex
	asked map[dnsmessage.Question]int
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go n.serve(theirs)
		return ours, nil
	}}
}

// serve answers one question, framed as in TCP.
func (n *names) serve(conn net.Conn) {
	defer conn.Close()
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return
	}
	packet := make([]byte, binary.BigEndian.Uint16(length[:]))
	var m dnsmessage.Message
	if _, err := io.ReadFull(conn, packet); err != nil || m.Unpack(packet) != nil {
		return
	}
	m.Response, m.Additionals = true, nil
	question := m.Questions[0]
	addresses := n.next(question)
	if len(addresses) == 0 {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, address := range addresses {
		if at := netip.MustParseAddr(address); at.Is4() == (question.Type == dnsmessage.TypeA) {
			m.Answers = append(m.Answers, resource(question, at))
		}
	}
	packet, err := m.AppendPack(make([]byte, 2))
	if err != nil {
		return
	}
	binary.BigEndian.PutUint16(packet, uint16(len(packet)-2))
	_, _ = conn.Write(packet)
}

// next gives the addresses that a name has now, of either family.
func (n *names) next(question dnsmessage.Question) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	all, ok := n.answers[strings.TrimSuffix(question.Name.String(), ".")]
	if !ok {
		return []string{"127.0.0.1", "::1"}
	}
	if n.asked == nil {
		n.asked = map[dnsmessage.Question]int{}
	}
	times := n.asked[question]
	n.asked[question]++
	return all[min(times, len(all)-1)]
}

func resource(question dnsmessage.Question, at netip.Addr) dnsmessage.Resource {
	header := dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class}
	if at.Is4() {
		return dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: at.As4()}}
	}
	return dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: at.As16()}}
}

// trapped gives a client for which PORT, the trap's, is what 443 is for others.
func trapped(t *testing.T, tr *trap, n *names) *Client {
	c := newClient(Options{Timeout: 5 * time.Second}, tr.port())
	c.dialer.Resolver = n.resolver()
	t.Cleanup(c.transport.CloseIdleConnections)
	return c
}

func (tr *trap) url(text string) string {
	return strings.ReplaceAll(text, "PORT", fmt.Sprint(tr.port()))
}

// saysSo are URLs that say themselves that they must not be called.
var saysSo = []struct{ url, want string }{
	// Loopback, in every notation.
	{"https://127.0.0.1:PORT/", "host"}, {"https://127.0.0.2:PORT/", "host"}, {"https://127.255.255.254:PORT/", "host"},
	{"https://127.1:PORT/", "host"}, {"https://127.0.1:PORT/", "host"}, {"https://2130706433:PORT/", "host"},
	{"https://017700000001:PORT/", "host"}, {"https://0x7f000001:PORT/", "host"}, {"https://0x7f.1:PORT/", "host"},
	{"https://0177.0.0.1:PORT/", "host"}, {"https://0x7F.0x0.0x0.0x1:PORT/", "host"}, {"https://127.0.0.1.:PORT/", "host"},
	{"https://0:PORT/", "host"}, {"https://0.0.0.0:PORT/", "host"}, {"https://[::]:PORT/", "host"}, {"https://[::1]:PORT/", "host"},
	{"https://[0:0:0:0:0:0:0:1]:PORT/", "host"}, {"https://[::127.0.0.1]:PORT/", "host"}, {"https://[::ffff:127.0.0.1]:PORT/", "host"},
	{"https://[::ffff:7f00:1]:PORT/", "host"}, {"https://[64:ff9b::7f00:1]:PORT/", "host"}, {"https://[64:ff9b:1::127.0.0.1]:PORT/", "host"},
	{"https://[2002:7f00:1::]:PORT/", "host"}, {"https://[::1%25lo]:PORT/", "host"}, {"https://[2606:4700::1111%25lo]:PORT/", "host"},
	{"https://localhost:PORT/", "host"}, {"https://LOCALHOST:PORT/", "host"}, {"https://localhost.:PORT/", "host"}, {"https://a.localhost:PORT/", "host"},
	{"https://localhost.localdomain:PORT/", "host"}, {"https://127%2e0%2e0%2e1:PORT/", "read"}, {"https://%31%32%37.0.0.1:PORT/", "read"},
	{"https://①②⑦.⓪.⓪.①:PORT/", "visible"}, {"https://127。0。0。1:PORT/", "visible"}, {"https://ｌocalhost:PORT/", "visible"},
	// Networks that are not public.
	{"https://169.254.169.254:PORT/latest/meta-data/", "host"}, {"https://[::ffff:169.254.169.254]:PORT/", "host"}, {"https://2852039166:PORT/", "host"},
	{"https://[fd00:ec2::254]:PORT/", "host"}, {"https://[fd12:3456::1]:PORT/", "host"}, {"https://[fe80::1]:PORT/", "host"}, {"https://[ff02::1]:PORT/", "host"},
	{"https://10.0.0.1:PORT/", "host"}, {"https://172.31.255.255:PORT/", "host"}, {"https://192.168.0.1:PORT/", "host"}, {"https://100.64.0.1:PORT/", "host"},
	{"https://224.0.0.1:PORT/", "host"}, {"https://255.255.255.255:PORT/", "host"}, {"https://198.18.0.1:PORT/", "host"}, {"https://[2001:db8::1]:PORT/", "host"},
	// Names that are local.
	{"https://metadata.google.internal:PORT/", "host"}, {"https://ip-10-0-0-1.ec2.internal:PORT/", "host"}, {"https://printer.local:PORT/", "host"},
	{"https://intranet:PORT/", "host"}, {"https://vm:PORT/", "host"}, {"https://router.home.arpa:PORT/", "host"}, {"https://hook.example.com.:PORT/", "host"},
	{"https://a..example.com:PORT/", "host"}, {"https://" + strings.Repeat("a.", 130) + "com:PORT/", "host"}, {"https://*.example.com:PORT/", "host"},
	// Other schemes, and none.
	{"http://hook.example.com:PORT/", "https"}, {"ftp://hook.example.com:PORT/", "https"}, {"file:///etc/passwd", "https"}, {"gopher://127.0.0.1:PORT/_", "https"},
	{"unix:///var/run/docker.sock", "https"}, {"javascript:alert(1)", "https"}, {"//127.0.0.1:PORT/", "https"}, {"127.0.0.1:PORT", "read"},
	{"hook.example.com/", "https"}, {"https:hook.example.com", "no host"}, {"https:///path", "no host"}, {"https://:PORT/", "no host"},
	// A user, a fragment, ports.
	{"https://user@hook.example.com:PORT/", "user"}, {"https://user:password@hook.example.com:PORT/", "user"}, {"https://@hook.example.com:PORT/", "user"},
	{"https://hook.example.com@127.0.0.1:PORT/", "user"}, {"https://hook.example.com:PORT/#@127.0.0.1", "fragment"}, {"https://hook.example.com:PORT/#", "fragment"},
	{"https://hook.example.com:80/", "port"}, {"https://hook.example.com:22/", "port"}, {"https://hook.example.com:0PORT/", "port"}, {"https://hook.example.com:-1/", "read"},
	{"https://hook.example.com:99999/", "port"}, {"https://hook.example.com:PORT:PORT/", "read"}, {`https://hook.example.com\@127.0.0.1:PORT/`, "read"},
	// Too long, empty, and characters that others may read in another way.
	{"https://hook.example.com:PORT/" + strings.Repeat("x", events.MaxURLBytes), "bytes"}, {"", "empty"}, {" ", "visible"}, {" https://127.0.0.1:PORT/", "visible"},
	{"https://hook.example.com:PORT/\r\nHost: 127.0.0.1", "visible"}, {"https://hook.example.com:PORT/\x00", "visible"}, {"ht\ttps://127.0.0.1:PORT/", "visible"},
	{"https://hook.example.com:PORT/\x7f", "visible"}, {"https://hook.example.com:PORT/\xff", "visible"}, {"https://hook.example.com:PORT/é", "visible"},
}

// TestURLsThatSayThemselvesThatTheyMustNotBeCalled are refused, and nothing is dialled.
func TestURLsThatSayThemselvesThatTheyMustNotBeCalled(t *testing.T) {
	tr := newTrap(t)
	c := trapped(t, tr, &names{})
	for _, row := range saysSo {
		text := tr.url(row.url)
		if err := c.Check(text); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("Check(%.80q) = %v, want one about %q", text, err, row.want)
		}
		err := c.Post(t.Context(), Endpoint{text, [][]byte{key}}, Message{ID: "m"})
		if f := (*Failure)(nil); !errors.As(err, &f) || f.Status != 0 || f.Cause == nil || !strings.Contains(f.Error(), row.want) {
			t.Errorf("Post to %.80q gives %v", text, err)
		}
	}
	if n := tr.dialled(t); n != 0 {
		t.Errorf("%d connections were opened", n)
	}
}

// onlyDialling are hosts whose address is known only when they are looked up.
var onlyDialling = map[string][][]string{
	"loopback.example.com":  {{"127.0.0.1"}},
	"loopback6.example.com": {{"::1"}},
	"zero.example.com":      {{"0.0.0.0"}},
	"zero6.example.com":     {{"::"}},
	"mapped.example.com":    {{"::ffff:127.0.0.1"}},
	"nat64.example.com":     {{"64:ff9b::7f00:1"}},
	"local64.example.com":   {{"64:ff9b:1::7f00:1"}},
	"sixto4.example.com":    {{"2002:7f00:1::"}},
	"metadata.example.com":  {{"169.254.169.254"}},
	"metadata6.example.com": {{"fd00:ec2::254"}},
	"private.example.com":   {{"10.0.0.1", "172.16.0.1", "192.168.0.1"}},
	"mixed.example.com":     {{"127.0.0.1", "10.0.0.1", "::1", "fd00::1"}},
	"shared.example.com":    {{"100.64.0.1"}},
	"rebound.example.com":   {{"93.184.215.14"}, {"127.0.0.1"}},
	"rebound6.example.com":  {{"2606:4700::1111"}, {"::1"}},
}

// TestNamesAreRefusedWhenTheyAreDialled, also if a look-up just before gave another answer.
func TestNamesAreRefusedWhenTheyAreDialled(t *testing.T) {
	tr := newTrap(t)
	n := &names{answers: map[string][][]string{}}
	c := trapped(t, tr, n)
	for name, answers := range onlyDialling {
		n.answers[name] = answers
		for range len(answers) - 1 { // whoever looks before finds it public
			found, err := n.resolver().LookupNetIP(t.Context(), "ip", name)
			if err != nil || len(found) != 1 || c.guard.public.SafeAddr(found[0].Unmap()) != nil {
				t.Fatalf("%s is %v, %v, which was to be public", name, found, err)
			}
		}
		url := tr.url("https://" + name + ":PORT/")
		if err := c.Check(url); err != nil {
			t.Errorf("Check(%s) = %v", url, err)
		}
		err := c.Post(t.Context(), Endpoint{url, [][]byte{key}}, Message{ID: "m"})
		if !errors.Is(err, ssrf.ErrProhibitedIP) || err.Error() != "no answer: "+errNotPublic.Error() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := tr.dialled(t); n != 0 {
		t.Errorf("%d connections were opened", n)
	}
}

// TestDiallingRefusesWhatCheckRefuses: the second wall stands without the first. Names such as 0x7f.1 lead
// to loopback here, as the C library reads them. Go itself looks up nothing that is made of digits alone.
func TestDiallingRefusesWhatCheckRefuses(t *testing.T) {
	tr := newTrap(t)
	c := trapped(t, tr, &names{})
	reached := 0
	for _, row := range saysSo {
		request, err := http.NewRequest(http.MethodPost, tr.url(row.url), http.NoBody)
		if err != nil || row.want != "host" || strings.Contains(row.url, "..") || len(row.url) > maxHost {
			continue
		}
		_, err = c.transport.RoundTrip(request)
		if unknown := (*net.DNSError)(nil); !errors.Is(err, ssrf.ErrProhibitedIP) && !(errors.As(err, &unknown) && unknown.IsNotFound) {
			t.Errorf("%s: %v", row.url, err)
		}
		if n := tr.dialled(t); n != 0 {
			t.Errorf("%s was dialled", row.url)
		}
		reached += reachedWithoutGuard(t, tr, request)
	}
	t.Logf("%d would reach us", reached)
	if reached < 20 {
		t.Errorf("without the guard only %d would reach us, so the test shows nothing", reached)
	}
}

// reachedWithoutGuard makes sure that the trap is where a URL leads to.
func reachedWithoutGuard(t *testing.T, tr *trap, request *http.Request) int {
	t.Helper()
	dialer := &net.Dialer{Timeout: 50 * time.Millisecond, Resolver: (&names{}).resolver()}
	open := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
	if _, err := open.RoundTrip(request); err == nil {
		t.Error("the trap answers")
	}
	return int(min(tr.dialled(t), 1))
}

// TestPublicURLsMayBeCalled, so that Check does not refuse everything.
func TestPublicURLsMayBeCalled(t *testing.T) {
	c := New(Options{})
	for _, text := range []string{
		"https://hook.example.com", "https://hook.example.com/", "HTTPS://Hook.Example.COM:443/a?b=c%20d&e=[]", "https://hook.example.com:/",
		"https://xn--bcher-kva.example/", "https://a_b.example.com/", "https://8.8.8.8/", "https://[2606:4700::1111]/", "https://notlocalhost.com/",
		"https://mylocal.net/internal", "https://1.example.com/", "https://hook.example.com/" + strings.Repeat("x", events.MaxURLBytes-25),
	} {
		if err := c.Check(text); err != nil {
			t.Errorf("Check(%.80q) = %v", text, err)
		}
	}
}

// TestLoopbackIsAllowedToDevelopersAlone: nothing else becomes allowed by that.
func TestLoopbackIsAllowedToDevelopersAlone(t *testing.T) {
	c := New(Options{AllowLoopback: true})
	for _, text := range []string{"http://localhost/", "http://LocalHost:8080/", "http://127.0.0.1:1/", "https://127.9.9.9:65535/", "http://[::1]:8080/", "https://hook.example.com/"} {
		if err := c.Check(text); err != nil {
			t.Errorf("Check(%q) = %v", text, err)
		}
	}
	for _, text := range []string{
		"http://hook.example.com/", "http://8.8.8.8/", "https://hook.example.com:8443/", "http://10.0.0.1/", "https://169.254.169.254/", "http://0.0.0.0:8080/",
		"http://user@localhost/", "ftp://localhost/", "http://localhost:0/", "http://localhost:65536/", "http://localhost/#f", "http://127.1/", "http://vm/",
		"http://localhost.example.com/", "http://[::1%25lo]/",
	} {
		if err := c.Check(text); err == nil {
			t.Errorf("Check(%q) allows it", text)
		}
	}
	for address, allowed := range map[string]bool{
		"127.0.0.1:8080": true, "[::1]:1": true, "8.8.8.8:443": true, "8.8.8.8:80": false, "10.0.0.1:443": false, "169.254.169.254:443": false, "0.0.0.0:8080": false,
	} {
		if err := c.guard.control("tcp4", address, nil); (err == nil) != allowed {
			t.Errorf("%s is refused with %v, allowed is %v", address, err, allowed)
		}
	}
}

// TestNoProxyOfTheEnvironment: it would look up names for us and see no guard.
func TestNoProxyOfTheEnvironment(t *testing.T) {
	proxy, tr := newTrap(t), newTrap(t)
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"} {
		t.Setenv(name, fmt.Sprintf("http://127.0.0.1:%d", proxy.port()))
	}
	c := newClient(Options{AllowLoopback: true}, tr.port())
	c.dialer.Resolver = (&names{}).resolver()
	err := c.Post(t.Context(), Endpoint{tr.url("https://hook.example.com:PORT/"), [][]byte{key}}, Message{ID: "m"})
	if n, through := tr.dialled(t), proxy.dialled(t); n == 0 || through != 0 {
		t.Errorf("%d connections came, %d by way of the proxy, %v", n, through, err)
	}
}

// FuzzCheck: what Check lets through is an https URL of a host that is no address but a public one.
func FuzzCheck(f *testing.F) {
	for _, row := range saysSo {
		f.Add(strings.ReplaceAll(row.url, ":PORT", ""))
	}
	f.Add("https://hook.example.com/")
	c := New(Options{})
	f.Fuzz(func(t *testing.T, text string) {
		if c.Check(text) != nil {
			return
		}
		request, err := http.NewRequest(http.MethodPost, text, http.NoBody)
		if err != nil || len(text) > events.MaxURLBytes || request.URL.Scheme != "https" || request.URL.User != nil || request.URL.Fragment != "" {
			t.Fatalf("Check allows %q, %v", text, err)
		}
		host, port := request.URL.Hostname(), request.URL.Port()
		at, err := netip.ParseAddr(host)
		if err == nil && !(at.IsGlobalUnicast() && !at.IsPrivate() && at.Zone() == "") || err != nil && net.ParseIP(host) != nil || port != "" && port != "443" {
			t.Errorf("Check allows %q", text)
		}
		if err != nil && (!strings.Contains(host, ".") || strings.HasSuffix(strings.ToLower(host), "localhost") && strings.HasSuffix(strings.ToLower("."+host), ".localhost")) {
			t.Errorf("Check allows the local name %q", host)
		}
	})
}
