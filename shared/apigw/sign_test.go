package apigw

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/watchroute/watchroute/shared/watch"
)

// FuzzSignIsWhatTheSDKSigns: a signature is that of the SDK's signer, byte for byte, for any call,
// credentials and time, and for the second call of a second.
func FuzzSignIsWhatTheSDKSigns(f *testing.F) {
	const onAWS = "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/live"
	f.Add(onAWS, http.MethodPost, "L0SM9cOFvHcCIhw=", []byte(`{"type":"pong"}`), "eu-west-1", "AKID", "secret", "session", int64(1_700_000_000))
	f.Add(onAWS+":443", http.MethodDelete, "L0SM9cOFvHcCIhw=", []byte(nil), "us-east-1", "AKID", "", "", int64(0))
	f.Add("http://127.0.0.1:4566/a%2Fb/ü c", http.MethodPost, "a/b ü%?#&+=~", []byte(nil), "", "", "s", "x+/=", int64(1<<33))
	f.Add("http://[::1]:4566", http.MethodGet, "", []byte(nil), "eu west", "A", "\x00\xff", "t", int64(-1))
	f.Fuzz(func(t *testing.T, text, method, id string, body []byte, region, key, secret, token string, unix int64) {
		address, err := url.Parse(strings.TrimSuffix(text, "/") + "/@connections/")
		if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" || address.RawQuery != "" || address.Fragment != "" {
			t.Skip("no address of an API")
		}
		if strings.HasPrefix(address.Host, "[") && host(address) != address.Host {
			t.Skip("the SDK signs an IPv6 address without its brackets, which no Host is")
		}
		if method != http.MethodGet && method != http.MethodDelete {
			method = http.MethodPost
		}
		if method != http.MethodPost {
			body = nil
		}
		now := time.Unix(unix%(1<<37), 0)
		frame, escaped := watch.NewFrame(body), escape(watch.ConnectionID(id))
		credentials := aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, SessionToken: token}
		request, err := http.NewRequest(method, address.Scheme+"://"+address.Host+address.EscapedPath()+escaped, bytes.NewReader(body))
		if err != nil {
			t.Skip("net/http makes no request of it")
		}
		if method == http.MethodPost {
			request.Header.Set("Content-Type", mediaType)
		}
		if err := v4.NewSigner().SignHTTP(t.Context(), credentials, request, frame.SHA256, service, region, now); err != nil {
			t.Skip("the SDK does not sign it")
		}
		ours := signer{host: host(address), path: address.EscapedPath(), region: region}
		for range 2 {
			got, err := ours.sign(credentials, method, escaped, frame, now)
			if err != nil {
				if printable(key) && printable(token) {
					t.Fatal(err)
				}
				return
			}
			want := signature{request.Header.Get("X-Amz-Date"), request.Header.Get("X-Amz-Security-Token"), request.Header.Get("Authorization")}
			if got != want {
				t.Fatalf("signed\n%+v, the SDK\n%+v", got, want)
			}
		}
	})
}

// TestSignForgetsFormerCredentials: Lambda may give other credentials to the next environment,
// while the clock goes on.
func TestSignForgetsFormerCredentials(t *testing.T) {
	s := signer{host: "host", path: "/live/@connections/", region: "eu-west-1"}
	first := aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b", SessionToken: "c"}
	now := time.Unix(1_700_000_000, 0)
	seen := map[string]bool{}
	for _, c := range []struct {
		credentials aws.Credentials
		at          time.Time
	}{
		{first, now},
		{first, now.Add(time.Second)},
		{aws.Credentials{AccessKeyID: "x", SecretAccessKey: "b", SessionToken: "c"}, now},
		{aws.Credentials{AccessKeyID: "a", SecretAccessKey: "x", SessionToken: "c"}, now},
		{aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b", SessionToken: "x"}, now},
	} {
		got, err := s.sign(c.credentials, http.MethodPost, "id", watch.NewFrame(nil), c.at)
		if err != nil || seen[got.authorization] || got.token != c.credentials.SessionToken {
			t.Errorf("%+v at %v is signed %+v, %v", c.credentials, c.at, got, err)
		}
		seen[got.authorization] = true
	}
}

// TestSignRefusesWhatNoHeaderCanHave: the signature would be that of another request.
func TestSignRefusesWhatNoHeaderCanHave(t *testing.T) {
	s := signer{host: "host", path: "/live/@connections/", region: "eu-west-1"}
	for _, text := range []string{"a\r\nb", " a", "a\n", "ü", "\x7f"} {
		for _, c := range []aws.Credentials{{AccessKeyID: text}, {SessionToken: text}} {
			if got, err := s.sign(c, http.MethodPost, "id", watch.NewFrame(nil), time.Now()); err == nil {
				t.Errorf("%q is signed %+v", text, got)
			}
		}
	}
}

func BenchmarkSign(b *testing.B) {
	credentials := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "session"}
	frame := watch.NewFrame([]byte(strings.Repeat("x", 256)))
	s := signer{host: "host", path: "/live/@connections/", region: "eu-west-1"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.sign(credentials, http.MethodPost, "L0SM9cOFvHcCIhw%3D", frame, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
