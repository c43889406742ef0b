package stack_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/eventbridge"
	"github.com/watchroute/watchroute/localstack/inspector"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/needs"
)

// destinations asks for destinations with a token, and reads the answer if it is a success.
func (s *running) destinations(t *testing.T, token, method, path string, body any, into any) (status int) {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, s.HTTPURL()+"/destinations"+path, bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil && response.StatusCode < 300 {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s is answered %s, %s: %v", path, response.Status, text, err)
		}
	}
	return response.StatusCode
}

// destination registers a webhook.
func (s *running) destination(t *testing.T, token, topic, url string) (d events.Destination) {
	t.Helper()
	if status := s.destinations(t, token, http.MethodPost, "", events.DestinationRequest{Topic: topic, URL: url}, &d); status != http.StatusCreated {
		t.Fatalf("registering is answered %d", status)
	}
	return d
}

// delivering is a claim that lets everything be delivered and published.
const delivering = `{"v":1,"allow":[{"topics":["**"],"actions":["deliver","publish"]}]}`

// hook is a receiver of webhooks in this process.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	status int // of the answers; 0 for 200
	seqs   map[events.Topic][]int64
	ids    []string // of all attempts
	kinds  []string // of what was taken
}

func newHook(t *testing.T) *hook {
	h := &hook{seqs: map[events.Topic][]int64{}}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hook) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if err := checker.Delivery(r.Header.Get("Content-Type"), body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var challenge struct{ Type, Challenge string }
	if json.Unmarshal(body, &challenge) == nil && challenge.Type == "challenge" {
		_, _ = io.WriteString(w, challenge.Challenge)
		return
	}
	h.ids = append(h.ids, r.Header.Get("webhook-id"))
	if h.status != 0 {
		w.WriteHeader(h.status)
		return
	}
	if challenge.Type == events.TypeTest {
		return
	}
	frame, err := events.Decode(body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.kinds = append(h.kinds, fmt.Sprintf("%T", frame))
	if changes, ok := frame.(*events.Changes); ok {
		for _, c := range changes.Changes {
			h.seqs[c.Topic] = append(h.seqs[c.Topic], c.Seq)
		}
	}
}

// got gives the numbers that were taken of a topic.
func (h *hook) got(topic events.Topic) []int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.seqs[topic])
}

// taken gives the kinds of the messages that were taken.
func (h *hook) taken() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.kinds)
}

// attempts counts the messages that came.
func (h *hook) attempts() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ids)
}

// TestWebhookGetsChangesInOrder, those of a topic and of a pattern. A receiver that fails is tried
// again when a person enables it, with the same id. Its owner sees why, and an operator is told.
func TestWebhookGetsChangesInOrder(t *testing.T) {
	s := start(t, tokensOnly)
	token := s.token(t, "alice", delivering, nil)
	one, all := newHook(t), newHook(t)
	d := s.destination(t, token, "orders/1", one.URL)
	s.destination(t, token, "orders/**", all.URL)
	for n := range 3 {
		s.put(t, "orders/1", "i", fmt.Sprint(n))
		s.put(t, "orders/2", "i", fmt.Sprint(n))
	}
	for hook, topics := range map[*hook][]events.Topic{one: {"orders/1"}, all: {"orders/1", "orders/2"}} {
		for _, topic := range topics {
			eventually(t, "three changes of "+string(topic), func() bool { return slices.Equal(hook.got(topic), []int64{1, 2, 3}) })
		}
	}
	operator := s.connectWith(t, s.token(t, "oscar", `{"v":1,"allow":[{"topics":["@destinations/**"],"actions":["subscribe"]}]}`, nil))
	operator.subscribe(string(events.DestinationsTopic) + "/*")
	one.answer(http.StatusInternalServerError)
	before := one.attempts()
	s.put(t, "orders/1", "i", "3")
	shown := events.Destination{}
	eventually(t, "a failed attempt that the owner sees", func() bool {
		shown = events.Destination{}
		s.destinations(t, token, http.MethodGet, "/"+d.ID, nil, &shown)
		return len(shown.Standings) == 1 && shown.Standings[0].Failures == 1
	})
	if at := shown.Standings[0]; at.LastStatus != 500 || at.Since != at.LastAt || !strings.HasSuffix(at.Cursor, ":3") || shown.Secret != "" {
		t.Errorf("the owner sees %+v", shown)
	}
	if status := s.destinations(t, s.token(t, "mallory", delivering, nil), http.MethodGet, "/"+d.ID, nil, nil); status != http.StatusNotFound {
		t.Errorf("another subject's destination is answered %d", status)
	}
	told := operator.changes(1)[0]
	notice := events.DestinationNotice{}
	if err := json.Unmarshal(told.Data, &notice); err != nil || told.Topic != events.DestinationsTopic+"/"+events.Topic(d.ID) || told.ID != "orders/1" ||
		told.Op != events.Added || notice.State != events.DestinationRetrying || notice.Failures != 1 || notice.LastStatus != 500 {
		t.Errorf("the operator is told %+v, %v", told, err)
	}
	one.answer(0)
	if status := s.destinations(t, token, http.MethodPost, "/"+d.ID+"/enable", nil, nil); status != http.StatusNoContent {
		t.Fatalf("enable is answered %d", status)
	}
	if told := operator.changes(1)[0]; told.ID != "orders/1" || told.Op != events.Removed {
		t.Errorf("it has passed, and the operator is told %+v", told)
	}
	eventually(t, "the fourth change", func() bool { return slices.Equal(one.got("orders/1"), []int64{1, 2, 3, 4}) })
	if one.ids[before] != one.ids[len(one.ids)-1] {
		t.Errorf("the retry has the id %s, the first attempt %s", one.ids[len(one.ids)-1], one.ids[before])
	}
	asked := events.DestinationTest{}
	if status := s.destinations(t, token, http.MethodPost, "/"+d.ID+"/test", nil, &asked); status != http.StatusAccepted {
		t.Fatalf("test is answered %d", status)
	}
	eventually(t, "what has become of the test", func() bool {
		shown = events.Destination{}
		s.destinations(t, token, http.MethodGet, "/"+d.ID, nil, &shown)
		return shown.Test != nil && shown.Test.At != (events.Time{})
	})
	if shown.Test.ID != asked.ID || one.ids[len(one.ids)-1] != asked.ID || shown.Test.Error != "" {
		t.Errorf("the test %s came as %s and is shown as %+v", asked.ID, one.ids[len(one.ids)-1], shown.Test)
	}
	if status := s.destinations(t, token, http.MethodDelete, "/"+d.ID, nil, nil); status != http.StatusNoContent {
		t.Fatalf("delete is answered %d", status)
	}
	eventually(t, "nothing left of it", func() bool { return s.rows(t, "Destinations", "destination", d.ID) == 0 })
	s.put(t, "orders/1", "i", "4")
	eventually(t, "the change at the other", func() bool { return len(all.got("orders/1")) == 5 })
	if n := len(one.got("orders/1")); n != 4 {
		t.Errorf("a destination that was removed has got %d changes", n)
	}
}

// TestTheSweepRetries: a rule of the template invokes deliver, which looks for attempts that are due.
func TestTheSweepRetries(t *testing.T) {
	t.Parallel()
	clock := eventbridge.NewHand(time.Now())
	s := start(t, func(o *stack.Options) { tokensOnly(o); o.Clock = clock })
	token, hook := s.token(t, "alice", delivering, nil), newHook(t)
	s.destination(t, token, "a", hook.URL)
	hook.answer(http.StatusInternalServerError)
	s.put(t, "a", "i", "1")
	eventually(t, "a failed attempt", func() bool { return hook.attempts() == 1 })
	hook.answer(0)
	eventually(t, "the retry, which is due after five seconds", func() bool {
		clock.Advance(time.Minute)
		time.Sleep(100 * time.Millisecond)
		return slices.Equal(hook.got("a"), []int64{1})
	})
	if len(s.Usage().EventBridge.Rules) == 0 {
		t.Errorf("usage: %+v", s.Usage().EventBridge)
	}
}

// receivers are programs that verify webhooks by a library of somebody else.
var receivers = map[string]func(t *testing.T) *exec.Cmd{
	"npm standardwebhooks": func(t *testing.T) *exec.Cmd {
		return exec.CommandContext(t.Context(), needs.Program(t, "node", "Node runs the receiver"), own+"/receiver.mjs", needs.Installed(t, npmFolder, "npm"))
	},
	"PyPI standardwebhooks": func(t *testing.T) *exec.Cmd {
		return exec.CommandContext(t.Context(), needs.Installed(t, root+"/.build/python", "python")+"/bin/python", own+"/receiver.py")
	},
}

// report is a line of a receiver.
type report struct {
	Port                int
	Got, Body, Verified string
	Valid, Done         bool
}

// TestForeignLibrariesVerifyWebhooks: three changes come in order, each with a valid signature, which
// is not valid with another secret.
func TestForeignLibrariesVerifyWebhooks(t *testing.T) {
	s := start(t, tokensOnly)
	token := s.token(t, "alice", delivering, nil)
	for name, program := range receivers {
		t.Run(name, func(t *testing.T) {
			receiver := startReceiver(t, program(t))
			topic := fmt.Sprint("orders/", receiver.next(t).Port)
			d := s.destination(t, token, topic, fmt.Sprintf("http://127.0.0.1:%s/", strings.TrimPrefix(topic, "orders/")))
			if got := receiver.next(t); !strings.HasPrefix(got.Got, "challenge_") {
				t.Fatalf("the first message is %+v", got)
			}
			for n := range int64(3) {
				s.put(t, topic, "i", fmt.Sprint(n))
				frame, err := events.Decode([]byte(receiver.next(t).Body))
				if err != nil {
					t.Fatal(err)
				}
				if changes, ok := frame.(*events.Changes); !ok || changes.Changes[0].Seq != n+1 {
					t.Errorf("message %d is %+v", n+1, frame)
				}
			}
			for secret, valid := range map[string]bool{d.Secret: true, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": false} {
				if _, err := io.WriteString(receiver.in, secret+"\n"); err != nil {
					t.Fatal(err)
				}
				verified := 0
				for line := receiver.next(t); !line.Done; line = receiver.next(t) {
					if line.Valid != valid {
						t.Errorf("with the right secret %t, message %s is valid %t", valid, line.Verified, line.Valid)
					}
					verified++
				}
				if verified != 4 {
					t.Errorf("%d messages were verified", verified)
				}
			}
		})
	}
}

// receiver is a receiver that runs.
type receiver struct {
	in    io.WriteCloser
	lines *bufio.Scanner
}

func startReceiver(t *testing.T, program *exec.Cmd) *receiver {
	t.Helper()
	in, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	program.Stderr = os.Stderr
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // ends it
		_ = program.Wait()
	})
	return &receiver{in, bufio.NewScanner(out)}
}

// next reads the next line.
func (r *receiver) next(t *testing.T) (line report) {
	t.Helper()
	if !r.lines.Scan() {
		t.Fatalf("the receiver has ended: %v", r.lines.Err())
	}
	if err := json.Unmarshal(r.lines.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	return line
}

// TestInspectorShowsWebhooks: it answers the challenge, fails as it is told, and says who has signed.
func TestInspectorShowsWebhooks(t *testing.T) {
	s := start(t, nil)
	d := s.destination(t, "", "a", s.URL()+"/_localstack/webhooks?status=503&times=1")
	attempts := func() (shown struct{ Attempts []inspector.Attempt }) {
		s.get(t, inspector.Path, &shown)
		return shown
	}
	s.putItem(t, map[string]types.AttributeValue{"topic": text("a"), "id": text("<b>i</b>")})
	eventually(t, "a challenge and a failed attempt", func() bool { return len(attempts().Attempts) == 2 })
	s.destinations(t, "", http.MethodPost, "/"+d.ID+"/enable", nil, nil)
	eventually(t, "the retry", func() bool { return len(attempts().Attempts) == 3 })
	var told []string
	for _, a := range attempts().Attempts {
		told = append(told, fmt.Sprint(a.Status, " try ", a.Try, " by us ", a.Signed == d.ID))
	}
	if want := []string{"200 try 2 by us true", "503 try 1 by us true", "200 try 1 by us true"}; !slices.Equal(told, want) {
		t.Errorf("the inspector shows %q, want %q", told, want)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+inspector.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(page), "signature valid") || strings.Contains(string(page), "<b>i") {
		t.Errorf("the page is %v, %s", err, page)
	}
	for _, wrong := range []string{"?status=200", "?status=x", "?status=500&times=-1"} {
		response, err := http.Post(s.URL()+inspector.Path+wrong, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s is answered %s", wrong, response.Status)
		}
	}
}
