package stack_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/stack"
)

// rest runs the template with the REST API, with a change of it or of the options if there is
// one. Its clients need a token.
func rest(t *testing.T, change func(resources object), more func(*stack.Options)) *running {
	t.Helper()
	return start(t, func(o *stack.Options) {
		of := ownOptions(t, "rest.template.json", change)
		o.Root, o.Template, o.Anonymous = of.Root, of.Template, false
		o.Logger = slog.New(slog.DiscardHandler)
		if more != nil {
			more(o)
		}
	})
}

// open sends a request with the token, and gives the answer, of which the body may be to come.
func (s *running) open(t *testing.T, method, url string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.key(t))
	r.Header["last-event-id"] = []string{"e:1"}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// sseReader reads server-sent events.
type sseReader struct {
	*testing.T
	lines *bufio.Reader
}

func (r sseReader) next() string {
	r.Helper()
	line, err := r.lines.ReadString('\n')
	data, ok := strings.CutPrefix(line, "data: ")
	if !ok || err != nil {
		r.Fatalf("read %q, %v, want an event", line, err)
	}
	if blank, err := r.lines.ReadString('\n'); blank != "\n" || err != nil {
		r.Fatalf("read %q, %v, want an event's end", blank, err)
	}
	return strings.TrimSuffix(data, "\n")
}

// hold opens a stream that hangs after its first event, which it gives decoded.
func (s *running) hold(t *testing.T, query string) (*http.Response, sseReader, object) {
	t.Helper()
	response := s.open(t, "GET", s.HTTPURL()+"/topics/stocks%2FAAPL/?"+query)
	if response.StatusCode != 200 {
		t.Fatalf("answered %s", response.Status)
	}
	r := sseReader{t, bufio.NewReader(response.Body)}
	var event object
	if err := json.Unmarshal([]byte(r.next()), &event); err != nil {
		t.Fatal(err)
	}
	return response, r, event
}

// wantCut reads a body to its end, which must not come.
func wantCut(t *testing.T, body io.Reader) {
	t.Helper()
	if rest, err := io.ReadAll(body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %q, %v, want a cut", rest, err)
	}
}

// TestStreamFromAFunctionToAClient goes from the authorizer to the end of a stream: events come
// as the function writes them, and the function has seen the request as it was sent.
func TestStreamFromAFunctionToAClient(t *testing.T) {
	s := rest(t, nil, nil)
	response, events, event := s.hold(t, "events=2&pause=50ms&x=a+b")
	context := event["requestContext"].(object)
	if event["path"] != "/topics/stocks%2FAAPL/" || event["pathParameters"].(object)["proxy"] != "stocks%2FAAPL" || context["path"] != "/live/topics/stocks%2FAAPL/" {
		t.Errorf("the path is told as %v, %v, %v", event["path"], event["pathParameters"], context["path"])
	}
	if who := context["authorizer"].(object); who["principalId"] != "u1" || who["level"] != "7" {
		t.Errorf("the authorizer is told as %v", who)
	}
	if event["headers"].(object)["last-event-id"] != "e:1" {
		t.Errorf("headers %v, want their names as they were sent", event["headers"])
	}
	if event["queryStringParameters"].(object)["x"] != "a b" || event["body"] != nil {
		t.Errorf("query %v, body %v", event["queryStringParameters"], event["body"])
	}
	if h := response.Header; h.Get("Content-Type") != "text/event-stream" || len(h.Values("Set-Cookie")) != 2 {
		t.Errorf("headers %v", h)
	}
	if u := s.Usage().REST.Streams; u.Open != 1 {
		t.Errorf("%d streams are open while one is", u.Open)
	}
	if got := events.next() + events.next(); got != "12" {
		t.Errorf("read events %s", got)
	}
	if rest, err := io.ReadAll(events.lines); len(rest) > 0 || err != nil {
		t.Errorf("the stream ends with %q, %v", rest, err)
	}
	u := s.Usage()
	if u.REST.Requests != 1 || u.REST.Answers[200] != 1 || u.Lambda.Functions["Hold"].Invocations != 1 {
		t.Errorf("usage %+v, %+v", u.REST, u.Lambda.Functions)
	}
}

// TestTwoAPIsOfOneStage tells the WebSocket API and the REST API apart by the path alone.
func TestTwoAPIsOfOneStage(t *testing.T) {
	s := rest(t, nil, nil)
	for url, want := range map[string]int{
		s.HTTPURL() + "/topics/a":                        200,
		s.URL() + "/_aws/execute-api/rest/live/topics/a": 200,
		s.URL() + "/_aws/execute-api/api/live/topics/a":  403,
		s.HTTPURL() + "/topics//a":                       200, // not cleaned on the way
		s.HTTPURL() + "//topics/a":                       200,
		s.HTTPURL() + "/other":                           403,
		s.HTTPURL():                                      426, // of the WebSocket API
		s.HTTPURL() + "/@connections/L0SM9cOFvHcCIhw=":   403,
		s.URL() + "/lively/topics/a":                     403,
	} {
		if got := s.open(t, "GET", url); got.StatusCode != want {
			t.Errorf("%s is answered %s, want %d", url, got.Status, want)
		}
	}
	if _, response := s.handshake(t, "", nil); response.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("a handshake is answered %s", response.Status)
	}
	if want := "https://rest.execute-api.us-east-1.amazonaws.com/live"; s.Outputs["HttpUrl"] != want {
		t.Errorf("the output is %s, want %s", s.Outputs["HttpUrl"], want)
	}
}

// TestRESTAuthorizerDecides has the statuses of the WebSocket API's, and gateway responses with
// headers.
func TestRESTAuthorizerDecides(t *testing.T) {
	s := rest(t, nil, nil)
	for token, want := range map[string]int{"": 401, "wrong": 403, "broken": 500, s.key(t): 200} {
		response, err := http.Get(s.HTTPURL() + "/topics/a?token=" + token)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("token %q: %s, want %d", token, response.Status, want)
		}
		if cors := response.Header.Get("Access-Control-Allow-Origin"); (cors == "*") != (want != 200) {
			t.Errorf("token %q: Access-Control-Allow-Origin %q", token, cors)
		}
	}
	preflight, err := http.NewRequest("OPTIONS", s.HTTPURL()+"/topics/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(preflight)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 200 {
		t.Errorf("OPTIONS without a token is answered %s", response.Status)
	}
}

// TestRESTRefusesForeigners: a page of another site cannot use the REST API either.
func TestRESTRefusesForeigners(t *testing.T) {
	s := rest(t, nil, nil)
	for _, path := range []string{"/live/plain", "/_aws/execute-api/rest/live/plain"} {
		of := service{method: "POST", path: path, header: map[string]string{"Authorization": "Bearer " + s.key(t)}}
		if status, _, _ := s.ask(t, of, "", "https://evil.example"); status != 403 {
			t.Errorf("%s: a foreign origin is answered %d", path, status)
		}
		if status, _, _ := s.ask(t, of, "evil.example"); status != 403 {
			t.Errorf("%s: a foreign host is answered %d", path, status)
		}
	}
	if u := s.Usage(); u.REST.Requests != 0 || u.Lambda.Functions["Tell"].Invocations != 0 {
		t.Errorf("usage %+v, %+v", u.REST, u.Lambda.Functions)
	}
}

// TestBufferedMethodAndItsThrottle: the method has a burst of two by MethodSettings.
func TestBufferedMethodAndItsThrottle(t *testing.T) {
	s := rest(t, func(resources object) {
		settings := properties(resources, "RestStage")["MethodSettings"].([]any)
		settings[1].(object)["ThrottlingRateLimit"] = 1e-9
	}, nil)
	for _, want := range []int{200, 200, 429} {
		if got := s.open(t, "POST", s.HTTPURL()+"/plain"); got.StatusCode != want {
			t.Errorf("answered %s, want %d", got.Status, want)
		}
	}
	if got := s.open(t, "GET", s.HTTPURL()+"/topics/a"); got.StatusCode != 200 {
		t.Errorf("another method is answered %s", got.Status)
	}
	for _, event := range s.seen(t, "HTTP") {
		if !strings.Contains(event, `"resource":"/plain"`) {
			t.Errorf("the function was told %s", event)
		}
	}
}

// TestReservedExecutionsBoundHolds: each held request is one execution, and one more than are
// reserved is answered 500. Other functions have room.
func TestReservedExecutionsBoundHolds(t *testing.T) {
	s := rest(t, nil, nil)
	for range 3 {
		s.hold(t, "then=hang")
	}
	if got := s.open(t, "GET", s.HTTPURL()+"/topics/a"); got.StatusCode != 500 {
		t.Errorf("a fourth is answered %s, want 500", got.Status)
	}
	if got := s.open(t, "POST", s.HTTPURL()+"/plain"); got.StatusCode != 200 {
		t.Errorf("another function is answered %s", got.Status)
	}
	if _, response := s.handshake(t, "", nil); response.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("a handshake is answered %s", response.Status)
	}
	if u := s.Usage(); u.Lambda.Functions["Hold"].Throttles != 1 || u.REST.Streams.Open != 3 {
		t.Errorf("usage %+v, %+v", u.Lambda.Functions["Hold"], u.REST)
	}
}

// TestManyHolds: a machine with few processes holds many streams, and a plain request has room
// beside them.
func TestManyHolds(t *testing.T) {
	s := rest(t, func(resources object) { properties(resources, "Hold")["ReservedConcurrentExecutions"] = 100 }, func(o *stack.Options) { o.MaxProcesses = 2 })
	for range 40 {
		s.hold(t, "then=hang")
	}
	if got := s.open(t, "GET", s.HTTPURL()+"/topics/a"); got.StatusCode != 200 {
		t.Errorf("a plain request is answered %s", got.Status)
	}
	if n := len(s.Processes("Hold")); n != 2 {
		t.Errorf("%d processes hold, want 2", n)
	}
}

// TestAHoldGoesOnWhenItsClientLeaves: the function is not told, and all its time is billed.
func TestAHoldGoesOnWhenItsClientLeaves(t *testing.T) {
	s := rest(t, nil, nil)
	response, _, _ := s.hold(t, "events=5&pause=100ms")
	_ = response.Body.Close()
	eventually(t, "the stream is over", func() bool { return s.Usage().REST.Streams.Open == 0 })
	eventually(t, "the function has ended by itself", func() bool {
		u := s.Usage().Lambda.Functions["Hold"]
		return u.Invocations == 1 && u.Errors == 0 && u.DurationMS >= 500
	})
}

// TestEndsOfStreams: whatever ends a function ends its stream, without an end that a client
// could take for the whole.
func TestEndsOfStreams(t *testing.T) {
	s := rest(t, func(resources object) { properties(resources, "Hold")["Timeout"] = 2 }, nil)
	for _, then := range []string{"fail", "exit", "hang"} { // the last until its time is over
		response, _, _ := s.hold(t, "pause=200ms&then="+then)
		wantCut(t, response.Body)
	}
	if got := s.open(t, "GET", s.HTTPURL()+"/topics/a?then=refuse"); got.StatusCode != 502 {
		t.Errorf("a function that fails at once is answered %s", got.Status)
	}
	if u := s.Usage(); u.Lambda.Functions["Hold"].Errors != 4 || u.Lambda.Functions["Hold"].Timeouts != 1 || u.REST.Streams.Cut != 3 {
		t.Errorf("usage %+v, %+v", u.Lambda.Functions["Hold"], u.REST)
	}
	response, _, _ := s.hold(t, "events=1000&pause=10ms")
	if err := syscall.Kill(s.Processes("Hold")[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantCut(t, response.Body)
}

func TestSilentStreamIsCut(t *testing.T) {
	s := rest(t, nil, func(o *stack.Options) { o.REST.IdleTimeout = time.Second })
	response, _, _ := s.hold(t, "then=hang")
	wantCut(t, response.Body)
}

// TestFaultsOfHTTP breaks requests and streams in each way.
func TestFaultsOfHTTP(t *testing.T) {
	for kind, wantStatus := range map[fault.Kind]int{
		fault.HTTP429: 429, fault.HTTP500: 500, fault.HTTP502: 502, fault.TearStream: 200, fault.IdleCut: 200, fault.KillHold: 200,
	} {
		t.Run(string(kind), func(t *testing.T) {
			faults := fault.New(fault.Plan{kind: 1}, 7)
			s := rest(t, nil, func(o *stack.Options) { o.Faults = faults })
			response := s.open(t, "GET", s.HTTPURL()+"/topics/a?then=hang")
			if response.StatusCode != wantStatus {
				t.Errorf("answered %s, want %d", response.Status, wantStatus)
			}
			if wantStatus == 200 {
				wantCut(t, response.Body)
			} else if cors := response.Header.Get("Access-Control-Allow-Origin"); cors != "*" {
				t.Errorf("Access-Control-Allow-Origin is %q", cors)
			}
			eventually(t, "the fault is counted", func() bool { return s.Usage().Faults[kind] == 1 })
			if ran := len(s.Processes("Hold")) + s.Usage().Lambda.Functions["Hold"].Invocations; (ran == 0) != (wantStatus == 429 || wantStatus == 500) {
				t.Errorf("the function ran %d times", ran)
			}
		})
	}
}

// TestRESTPermissions: the API invokes nothing without a permission.
func TestRESTPermissions(t *testing.T) {
	for without, want := range map[string]int{"HoldPermission": 500, "RestGuardPermission": 500} {
		s := rest(t, func(resources object) { delete(resources, without) }, nil)
		if got := s.open(t, "GET", s.HTTPURL()+"/topics/a"); got.StatusCode != want {
			t.Errorf("without %s answered %s, want %d", without, got.Status, want)
		}
	}
}

// TestRESTTemplatesThatDoNotRun are refused when the stack starts, with the reason.
func TestRESTTemplatesThatDoNotRun(t *testing.T) {
	integration := func(resources object, id string) object {
		return properties(resources, id)["Integration"].(object)
	}
	for want, change := range map[string]func(resources object){
		"only REGIONAL":                     func(r object) { delete(properties(r, "Rest"), "EndpointConfiguration") },
		"Policy of a REST API":              func(r object) { properties(r, "Rest")["Policy"] = object{} },
		"a deployment that makes a stage":   func(r object) { properties(r, "Deployment")["StageName"] = "live" },
		"set AuthorizerResultTtlInSeconds":  func(r object) { delete(properties(r, "RestAuthorizer"), "AuthorizerResultTtlInSeconds") },
		"only REQUEST":                      func(r object) { properties(r, "RestAuthorizer")["Type"] = "TOKEN" },
		"only AWS_PROXY":                    func(r object) { integration(r, "AnyMethod")["Type"] = "MOCK" },
		"is POST, not":                      func(r object) { integration(r, "AnyMethod")["IntegrationHttpMethod"] = "GET" },
		"neither BUFFERED nor STREAM":       func(r object) { integration(r, "AnyMethod")["ResponseTransferMode"] = "CHUNKED" },
		"/invocations":                      func(r object) { delete(integration(r, "AnyMethod"), "ResponseTransferMode") },
		"/response-streaming-invocations":   func(r object) { integration(r, "PlainMethod")["ResponseTransferMode"] = "STREAM" },
		"50ms to 29s":                       func(r object) { integration(r, "PlainMethod")["TimeoutInMillis"] = 30_000 },
		"50ms to 15m0s":                     func(r object) { integration(r, "AnyMethod")["TimeoutInMillis"] = 900_001 },
		"let the deployment depend on it":   func(r object) { r["Deployment"].(object)["DependsOn"] = []any{"AnyMethod"} },
		"are for no method":                 func(r object) { properties(r, "RestStage")["MethodSettings"].([]any)[1].(object)["HttpMethod"] = "GET" },
		"without a stage of its deployment": func(r object) { properties(r, "RestStage")["DeploymentId"] = "other" },
		"authorization type AWS_IAM":        func(r object) { properties(r, "AnyMethod")["AuthorizationType"] = "AWS_IAM" },
		"neither a constant in single quotes": func(r object) {
			properties(r, "Default4XX")["ResponseParameters"].(object)["gatewayresponse.header.X"] = "*"
		},
	} {
		err := startErrorOf(t, ownOptions(t, "rest.template.json", change))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("start: %v, want %q", err, want)
		}
	}
}
