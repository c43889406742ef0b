package main

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/needs"
)

// output collects what a running stack prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start runs the program on a free port until the test ends, and waits until it
// says how to use it. ended gives what run returned.
func start(t *testing.T, args ...string) (out *output, stop func(), ended <-chan error) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs a stack")
	}
	ctx, cancel := context.WithCancel(t.Context())
	out = &output{}
	result := make(chan error, 1)
	go func() { result <- run(ctx, append([]string{"--addr", "localhost:0"}, args...), out) }()
	for deadline := time.Now().Add(2 * time.Minute); !strings.Contains(out.String(), "Ctrl-C ends it"); time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-result:
			t.Fatalf("the stack ended: %v\n%s", err, out)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the stack is not ready within two minutes")
		}
	}
	return out, cancel, result
}

// line gives what the stack printed after a label.
func (o *output) line(label string) string {
	_, rest, _ := strings.Cut(o.String(), label)
	first, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(first)
}

func TestInterruptEndsEverythingWithinASecond(t *testing.T) {
	out, stop, ended := start(t)
	addr := strings.TrimPrefix(out.line("AWS APIs"), "http://")
	began := time.Now()
	stop()
	if err := <-ended; err != nil || time.Since(began) > time.Second {
		t.Errorf("ended after %s with %v", time.Since(began), err)
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		_ = conn.Close()
		t.Errorf("%s still listens", addr)
	}
}

// TestWhatIsPrintedWorksForEveryClient, to whichever loopback address it resolves the name.
func TestWhatIsPrintedWorksForEveryClient(t *testing.T) {
	out, stop, ended := start(t)
	defer func() { stop(); <-ended }()
	printed := strings.TrimPrefix(out.line("npx wscat -c"), "ws://")
	address, stage, _ := strings.Cut(printed, "/")
	if !strings.Contains(out.String(), "ARGS=--url=http://"+address+")") {
		t.Errorf("the token would be of another stack than %s:\n%s", address, out)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host != "localhost" {
		t.Fatalf("printed is %s", printed)
	}
	hosts := []string{"127.0.0.1"}
	if probe, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		_ = probe.Close()
		hosts = append(hosts, "::1")
	}
	for _, host := range hosts {
		dialer := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(host, port))
		}}}
		conn, _, err := websocket.Dial(t.Context(), "ws://"+address+"/"+stage, &websocket.DialOptions{HTTPClient: dialer})
		if err != nil {
			t.Errorf("who resolves localhost to %s: %v", host, err)
			continue
		}
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"action":"ping"}`)); err != nil {
			t.Error(err)
		}
		if _, frame, err := conn.Read(t.Context()); err != nil || string(frame) != `{"type":"pong"}` {
			t.Errorf("at %s ping is answered %s, %v", host, frame, err)
		}
		_ = conn.CloseNow()
	}
}

// TestPrintedHTTPLinesAnswer with the topic that the wscat lines use.
func TestPrintedHTTPLinesAnswer(t *testing.T) {
	out, stop, ended := start(t)
	defer func() { stop(); <-ended }()
	if got := out.line("  HTTP "); !strings.HasSuffix(got, "/live") {
		t.Errorf("HTTP is said to be at %q", got)
	}
	openAPI, asyncAPI, _ := strings.Cut(out.line("  Contracts "), ", ")
	for of, address := range map[string]string{"openapi": openAPI, "asyncapi": asyncAPI} {
		response, err := http.Get(strings.TrimSpace(address))
		if err != nil {
			t.Fatal(err)
		}
		var contract map[string]any
		if err := json.NewDecoder(response.Body).Decode(&contract); err != nil || contract[of] == nil {
			t.Errorf("%s is answered %s, %v", address, response.Status, err)
		}
		_ = response.Body.Close()
	}
	for printed, want := range map[string]struct{ accept, contentType string }{
		out.line("  curl http"):                               {"", "application/json"},
		out.line("  curl -N -H 'Accept: text/event-stream' "): {"text/event-stream", "text/event-stream"},
	} {
		if !strings.HasPrefix(printed, "http") {
			printed = "http" + printed // which the label took
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, printed, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", want.accept)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := response.Header.Get("Content-Type"); response.StatusCode != 200 || got != want.contentType || !strings.HasSuffix(printed, "/live/topics/stocks/AAPL") {
			t.Errorf("%s is answered %s, %s, want %s", printed, response.Status, got, want.contentType)
		}
		_ = response.Body.Close()
	}
}

// TestConsoleIsPrintedFirst, where it is.
func TestConsoleIsPrintedFirst(t *testing.T) {
	out, stop, ended := start(t)
	defer func() { stop(); <-ended }()
	_, rest, _ := strings.Cut(out.String(), "Ctrl-C ends it.")
	first := strings.Fields(rest)
	if len(first) < 2 || first[0] != "Console" {
		t.Fatalf("after the head comes %.100s", rest)
	}
	response, err := http.Get(first[1])
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/html") {
		t.Errorf("the console is answered %s, %s", response.Status, kind)
	}
}

func TestAddressToPaste(t *testing.T) {
	for _, c := range []struct{ asked, made, want string }{
		{"localhost:0", "127.0.0.1:5000", "localhost:5000"}, {":4566", "[::]:4566", "localhost:4566"},
		{"127.0.0.1:0", "127.0.0.1:5000", "127.0.0.1:5000"}, {"[::1]:0", "[::1]:5000", "[::1]:5000"},
	} {
		if got := where(c.asked, c.made); got != c.want {
			t.Errorf("for %s, %s is to be pasted, want %s", c.asked, got, c.want)
		}
	}
}

func TestWhatIsWrongIsOneClearLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	broken := filepath.Join(t.TempDir(), "template.json")
	if err := os.WriteFile(broken, []byte(`{"Resources":{"X":{"Type":"AWS::Moon::Base"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"port in use":      {[]string{"--addr", taken.Addr().String()}, "address already in use"},
		"missing template": {[]string{"--addr", "127.0.0.1:0", "--template", "nowhere.json"}, "nowhere.json: no such file"},
		"unknown resource": {[]string{"--addr", "127.0.0.1:0", "--template", broken}, "X is of type AWS::Moon::Base, which does not run locally"},
		"unknown fault":    {[]string{"--faults", "kill=0.5,explode"}, `unknown fault "explode": the faults are kill, `},
		"far page allowed": {[]string{"--allow-origin", "http://localhost:3000,https://app.example"}, `allow origin "https://app.example": its pages could do everything here without a token`},
		"any page allowed": {[]string{"--anonymous=false", "--allow-origin", "http://localhost:3000,null"}, `allow origin: origin "null" is not scheme://host[:port]`},
		"any host allowed": {[]string{"--allow-host", "*"}, `allow host "*": it is neither a name nor an IP address`},
		"unknown flag":     {[]string{"--adr", "x"}, "-adr"},
		"stray argument":   {[]string{"--unthrottled", "4567"}, `there is no argument "4567"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), c.args, &output{})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v, want one line with %q", err, c.want)
			}
		})
	}
}

func TestFaultsAreSaidSoThatTheyCanBeRepeated(t *testing.T) {
	out, stop, ended := start(t, "--faults", "all, kill=0, forget=0.5", "--seed", "7")
	defer func() { stop(); <-ended }()
	want := fault.All()
	delete(want, fault.Kill)
	want[fault.Forget] = 0.5
	got := out.line("Faults  ")
	text, ok := strings.CutSuffix(strings.TrimPrefix(got, "--faults "), " --seed 7")
	if plan, err := fault.Parse(text); !ok || err != nil || !maps.Equal(plan, want) {
		t.Errorf("the faults are given as %q: %v", got, err)
	}
}

func TestWhoIsAllowedIsAList(t *testing.T) {
	out, stop, ended := start(t, "--anonymous=false", "--allow-origin", "https://a.example,https://b.example", "--allow-origin", "https://c.example", "--allow-host", "devbox.lan")
	defer func() { stop(); <-ended }()
	for origin, want := range map[string]int{
		"https://a.example": http.StatusOK, "https://b.example": http.StatusOK, "https://c.example": http.StatusOK, "https://d.example": http.StatusForbidden,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, out.line("AWS APIs")+"/_localstack/health", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "devbox.lan"
		request.Header.Set("Origin", origin)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: status %d, want %d", origin, response.StatusCode, want)
		}
	}
}

func TestSeedOfFaults(t *testing.T) {
	for _, text := range []string{"", "kill=0"} {
		if faults, err := newFaults(text, 7); !faults.Calm() || err != nil {
			t.Errorf("%q gives %v, %v, want none", text, faults, err)
		}
	}
	seeds := map[string]bool{}
	for range 5 {
		faults, err := newFaults("kill=1", 0)
		if err != nil {
			t.Fatal(err)
		}
		seeds[faults.String()] = true
	}
	if len(seeds) == 1 || seeds["--faults kill=1 --seed 0"] {
		t.Errorf("seeds that are to be random: %v", seeds)
	}
}

func TestFunctionThatDoesNotBuildIsOneClearLine(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                  "module example.test/m\n\ngo 1.24\n",
		"functions/hello/main.go": "package main\n\nfunc main() { undefinedName() }\n",
		stack.TemplateFile:        `{"Resources":{"Role":{"Type":"AWS::IAM::Role"}}}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	err := run(t.Context(), []string{"--addr", "127.0.0.1:0"}, &output{})
	const want = "build functions: exit status 1: functions/hello/main.go:3:15: undefined: undefinedName"
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

// TestWscat plays the first user's minute with the real SDK and the real wscat,
// where Node is there to fetch it.
func TestWscat(t *testing.T) {
	needs.Program(t, "npx", "npx fetches wscat")
	out, stop, ended := start(t)
	defer func() { stop(); <-ended }()
	url := out.line("npx wscat -c")
	wscat := exec.CommandContext(t.Context(), "npx", "--yes", "wscat@6.1.0", "-c", url,
		"-x", `{"action":"subscribe","id":"q1","topic":"stocks/AAPL"}`, "-w", "300")
	var heard output
	wscat.Stdout, wscat.Stderr = &heard, &heard
	stdin, err := wscat.StdinPipe() // wscat ends when its input does
	if err != nil {
		t.Fatal(err)
	}
	if err := wscat.Start(); err != nil {
		t.Fatal(err)
	}
	await := func(what string) {
		t.Helper()
		for deadline := time.Now().Add(90 * time.Second); !strings.Contains(heard.String(), what); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("wscat did not hear %s but:\n%s", what, heard.String())
			}
		}
	}
	await(`{"type":"subscribed","id":"q1","topic":"stocks/AAPL","epoch":"","seq":0}`)
	if err := writeItems(t.Context(), out.line("AWS APIs")); err != nil {
		t.Fatal(err)
	}
	await(`"seq":1,"op":"added","id":"quote"`)
	await(`"seq":2,"op":"modified","id":"quote"`)
	await(`"seq":3,"op":"removed","id":"quote"`)
	await(`"data":{"price":151}`)
	_ = stdin.Close()
	_ = wscat.Wait() // how it ends does not matter
}
