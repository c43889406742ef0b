package stack_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/stack"
)

// service is a request to one of the stack's services, with the status of its answer to
// whoever may ask.
type service struct {
	method, path, body string
	header             map[string]string
	want               int
}

// services are all that listen on the stack's port.
func (s *running) services() map[string]service {
	aws := func(target, body string) service {
		return service{http.MethodPost, "/", body, map[string]string{"X-Amz-Target": target}, http.StatusOK}
	}
	return map[string]service{
		"DynamoDB":         aws("DynamoDB_20120810.ListTables", `{}`),
		"DynamoDB Streams": aws("DynamoDBStreams_20120810.ListStreams", `{}`),
		"SQS":              aws("AmazonSQS.ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q}`, s.Outputs["FailureQueueUrl"])),
		"Secrets Manager":  aws("secretsmanager.GetSecretValue", fmt.Sprintf(`{"SecretId":%q}`, s.Outputs["TokenSecretArn"])),
		"a function's API": {http.MethodPost, "/_localstack/functions/Disconnect", `{}`, map[string]string{"X-Amz-Target": "DynamoDB_20120810.ListTables"}, http.StatusBadRequest},
		"@connections": {http.MethodGet, "/" + s.Stage() + "/@connections/L0SM9cOFvHcCIhw=", "",
			map[string]string{"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/execute-api/aws4_request"}, http.StatusGone},
		"WebSocket": {http.MethodGet, "/" + s.Stage(), "",
			map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}, http.StatusSwitchingProtocols},
		"health":  {http.MethodGet, "/_localstack/health", "", nil, http.StatusOK},
		"usage":   {http.MethodGet, "/_localstack/usage", "", nil, http.StatusOK},
		"outputs": {http.MethodGet, "/_localstack/outputs", "", nil, http.StatusOK},
		"a preflight": {http.MethodOptions, "/", "",
			map[string]string{"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-amz-target"}, http.StatusForbidden},
	}
}

// ask sends a request with another Host, if it is not empty, and with origins.
func (s *running) ask(t *testing.T, of service, host string, origins ...string) (status int, header http.Header, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), of.method, s.URL()+of.path, strings.NewReader(of.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range of.header {
		request.Header.Set(name, value)
	}
	request.Host, request.Header["Origin"] = host, origins
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusSwitchingProtocols {
		return response.StatusCode, response.Header, ""
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// TestPageOfAnotherSiteIsRefusedByEveryService forges what browsers send for such pages.
func TestPageOfAnotherSiteIsRefusedByEveryService(t *testing.T) {
	s := start(t, nil)
	_, port, _ := strings.Cut(s.Addr(), ":")
	own := "http://localhost:" + port
	for name, service := range s.services() {
		for _, asked := range []struct {
			host, origin, flag string // flag is empty for who is let in
		}{
			{"", "", ""},
			{"localhost:" + port, own, ""},
			{"x.execute-api.localhost.localstack.cloud:" + port, "", ""},
			{"", "null", "--allow-origin"},
			{"", "https://evil.example", "--allow-origin"},
			{"", "http://localhost:1", "--allow-origin"},
			{"evil.example:" + port, "", "--allow-host"},
			{"evil.example:" + port, "http://evil.example:" + port, "--allow-host"},
		} {
			var origins []string
			if asked.origin != "" {
				origins = []string{asked.origin}
			}
			status, header, body := s.ask(t, service, asked.host, origins...)
			if asked.flag == "" && status != service.want {
				t.Errorf("%s, host %q, origin %q: status %d, want %d: %s", name, asked.host, asked.origin, status, service.want, body)
			}
			if asked.flag != "" && (status != http.StatusForbidden || !strings.Contains(body, asked.flag)) {
				t.Errorf("%s, host %q, origin %q: status %d, want 403 that names %s: %s", name, asked.host, asked.origin, status, asked.flag, body)
			}
			for permission := range header {
				if strings.HasPrefix(permission, "Access-Control-") {
					t.Errorf("%s, origin %q: the answer has %s", name, asked.origin, permission)
				}
			}
		}
	}
}

// TestAllowedPagesConnect: the options let in whom they name, and nobody else.
func TestAllowedPagesConnect(t *testing.T) {
	log := &logged{}
	s := start(t, func(o *stack.Options) {
		o.AllowOrigins, o.AllowHosts, o.Logger = []string{"https://app.example"}, []string{"devbox.lan"}, slog.New(slog.NewTextHandler(log, nil))
	})
	handshake := s.services()["WebSocket"]
	for _, c := range []struct {
		host, origin string
		want         int
	}{
		{"", "https://app.example", http.StatusSwitchingProtocols},
		{"devbox.lan", "https://app.example", http.StatusSwitchingProtocols},
		{"", "https://other.example", http.StatusForbidden},
		{"other.lan", "https://app.example", http.StatusForbidden},
	} {
		if got, _, body := s.ask(t, handshake, c.host, c.origin); got != c.want {
			t.Errorf("host %q, origin %q: status %d, want %d: %s", c.host, c.origin, got, c.want, body)
		}
	}
	log.await(t, `origin \"https://other.example\" is of another site`)
}

// TestOriginsOfTheDeployment: what the wall lets in still has to be what the template says.
func TestOriginsOfTheDeployment(t *testing.T) {
	s := start(t, func(o *stack.Options) {
		o.AllowOrigins = []string{"https://app.example", "https://other.example"}
		o.Template = edited(t, func(resources object) {
			environment(resources, "Authorizer")["ALLOWED_ORIGINS"] = "https://app.example"
		})
	})
	handshake := s.services()["WebSocket"]
	for origin, want := range map[string]int{"https://app.example": http.StatusSwitchingProtocols, "https://other.example": http.StatusForbidden} {
		if got, _, body := s.ask(t, handshake, "", origin); got != want {
			t.Errorf("origin %q: status %d, want %d: %s", origin, got, want, body)
		}
	}
	if got, _, body := s.ask(t, handshake, ""); got != http.StatusSwitchingProtocols {
		t.Errorf("no origin: status %d: %s", got, body)
	}
}
