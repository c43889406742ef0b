package wall

import (
	"net/http"
	"strings"
	"testing"
)

// request has a Host, and an Origin if origin is not empty.
func request(host, origin string) *http.Request {
	r := &http.Request{Host: host, Header: http.Header{}}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	return r
}

func testWall(t *testing.T, o Options) Wall {
	t.Helper()
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestHosts(t *testing.T) {
	w := testWall(t, Options{AllowHosts: []string{"devbox.lan", "10.0.0.7"}})
	w.Own("192.168.1.5:4566")
	w.Own("[::]:4566")
	for host, want := range map[string]bool{
		"localhost":                       true,
		"localhost:4566":                  true,
		"LocalHost.:1":                    true,
		"a.b.localhost:4566":              true,
		"127.0.0.1":                       true,
		"127.1.2.3:4566":                  true,
		"[::1]:4566":                      true,
		"[::ffff:127.0.0.1]:4566":         true,
		"localhost.localstack.cloud:4566": true,
		"x.execute-api.localhost.localstack.cloud:4566": true,
		"192.168.1.5:4566": true,
		"[::]:4566":        true,
		"devbox.lan:80":    true,
		"10.0.0.7:4566":    true,

		"evil.example":                            false,
		"evil.example:4566":                       false,
		"localhost.evil.example:4566":             false,
		"evillocalhost:4566":                      false,
		"127.0.0.1.evil.example":                  false,
		"localhost.localstack.cloud.evil.example": false,
		"localstack.cloud":                        false,
		"x.devbox.lan":                            false,
		"192.168.1.6:4566":                        false,
		"0.0.0.0:4566":                            false,
		"[::2]:4566":                              false,
		"localhost:4566@evil.example":             false,
		"":                                        false,
	} {
		err := w.check(request(host, ""))
		if (err == nil) != want {
			t.Errorf("host %q: %v", host, err)
		}
		if err != nil && !strings.Contains(err.Error(), "--allow-host") {
			t.Errorf("host %q: %v names no flag", host, err)
		}
	}
}

func TestOrigins(t *testing.T) {
	w := testWall(t, Options{AllowOrigins: []string{"https://App.example", "http://localhost:3000"}, AllowHosts: []string{"devbox.lan"}})
	for _, c := range []struct {
		host, origin string
		want         bool
	}{
		{"localhost:4566", "", true},
		{"localhost:4566", "http://localhost:4566", true},
		{"localhost:4566", "http://127.0.0.1:4566", true},
		{"127.0.0.1:4566", "http://x.localhost:4566", true},
		{"[::1]:4566", "http://[::1]:4566", true},
		{"localhost", "http://localhost", true},
		{"localhost:8080", "http://localhost:8080", true}, // a forwarded port
		{"devbox.lan:4566", "http://devbox.lan:4566", true},
		{"localhost:4566", "https://app.example", true},
		{"localhost:4566", "http://localhost:3000", true},

		{"localhost:4566", "null", false},
		{"localhost:4566", "https://evil.example", false},
		{"localhost:4566", "http://evil.example:4566", false},
		{"localhost:4566", "http://localhost:3001", false},
		{"localhost:4566", "http://localhost", false},
		{"localhost:4566", "https://localhost:4566", false},
		{"localhost:4566", "http://app.example", false},
		{"localhost:4566", "https://app.example.evil.example", false},
		{"localhost:4566", "http://localhost:4566/", false},
	} {
		err := w.check(request(c.host, c.origin))
		if (err == nil) != c.want {
			t.Errorf("at %s, origin %q: %v", c.host, c.origin, err)
		}
		if err != nil && !strings.Contains(err.Error(), "--allow-origin") {
			t.Errorf("at %s, origin %q: %v names no flag", c.host, c.origin, err)
		}
	}
}

// TestEveryOriginCounts: a request with several is refused for one of them, and one that
// is empty is none of ours.
func TestEveryOriginCounts(t *testing.T) {
	for _, origins := range [][]string{{"http://localhost:4566", "https://evil.example"}, {"http://localhost:4566", "null"}, {""}} {
		r := request("localhost:4566", "")
		r.Header["Origin"] = origins
		if testWall(t, Options{}).check(r) == nil {
			t.Errorf("%q are let in", origins)
		}
	}
}

func TestAllowedValuesThatCannotBeRead(t *testing.T) {
	_, err := New(Options{AllowOrigins: []string{"null", "https://app.example/", "https://fine.example"}, AllowHosts: []string{"fine.example", "*.lan", ""}})
	for _, want := range []string{`"null"`, `"https://app.example/"`, `allow host "*.lan"`, `allow host ""`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %s: %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "fine") {
		t.Errorf("error names what is fine: %v", err)
	}
}
