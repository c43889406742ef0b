package stack_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/needs"
	"github.com/watchroute/watchroute/shared/token"
	"github.com/watchroute/watchroute/shared/watch"
)

// foreign are the foreign clients. The test's log has their versions.
type foreign struct {
	all   []eventSources
	pages []*page // those of them that can run the wrapper
}

// clients starts those that are on this machine. The test says which are not.
func clients(t *testing.T) (f foreign) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs a stack")
	}
	f.all = append(f.all, goSSE{t})
	for _, start := range []func(*testing.T) *page{nodePage, chromiumPage} {
		if p := start(t); p != nil {
			f.all, f.pages = append(f.all, p), append(f.pages, p)
		}
	}
	t.Log("clients are ", f.all)
	return f
}

// origins are the origins of the pages, which the local stack has to allow.
func (f foreign) origins() (all []string) {
	for _, p := range f.pages {
		all = append(all, p.home.URL)
	}
	return all
}

// open opens a source in each client.
func (f foreign) open(target func(client string) string) (all []*source) {
	for _, client := range f.all {
		all = append(all, client.open(target(client.String())))
	}
	return all
}

// wrap opens a source with the README's wrapper in each page.
func (f foreign) wrap(t testing.TB, service, topic string, token func() string) (all []*source) {
	wrapper := wrapperFromReadme(t, topic)
	for _, p := range f.pages {
		all = append(all, p.wrap(service, wrapper, token))
	}
	return all
}

// wrapperFromReadme gives the README's code block that opens an EventSource, for a topic.
func wrapperFromReadme(t testing.TB, topic string) string {
	t.Helper()
	readme, err := os.ReadFile(root + "/events/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, block := range regexp.MustCompile(`(?m)(^    .*\n|^\n)+`).FindAllString(string(readme), -1) {
		if strings.Contains(block, "new EventSource(") {
			found = append(found, block)
		}
	}
	if len(found) != 1 || strings.Count(found[0], "/topics/stocks/AAPL") != 1 {
		t.Fatalf("the README has %d wrappers: %q", len(found), found)
	}
	return strings.ReplaceAll(found[0], "stocks/AAPL", topic)
}

// httpStack starts a stack that allows the clients' pages. A stream is held for streamTime, and a
// subject may hold several.
func (f foreign) httpStack(t *testing.T, streamTime time.Duration, holds string, change func(*stack.Options)) *running {
	t.Helper()
	return start(t, func(o *stack.Options) {
		o.AllowOrigins = f.origins()
		o.Template = edited(t, func(resources object) {
			of := environment(resources, "Http")
			of["STREAM_TIME"], of["MAX_SUBJECT_HOLDS"], of["MAX_HOLDS"] = streamTime.String(), holds, "1000"
		})
		change(o)
	})
}

// TestAPutItemReachesEveryClient with the same cursor: curl in three ways, wscat, each EventSource,
// and our own WebSocket.
func TestAPutItemReachesEveryClient(t *testing.T) {
	f := clients(t)
	s := f.httpStack(t, 10*time.Second, "20", tokensOnly)
	alice := s.token(t, "alice", all, nil)
	topic, bearer := s.HTTPURL()+"/topics/stocks/AAPL", "Authorization: Bearer "+alice
	s.put(t, "stocks/AAPL", "quote", "150")
	var at string
	eventually(t, "the first change", func() bool {
		at = s.cursor(t, "stocks/AAPL", alice)
		return strings.HasSuffix(at, ":1")
	})
	sources := f.open(func(string) string { return topic + "?token=" + alice })
	for _, source := range sources {
		source.await(t, "subscribed", 1, func(h heard) bool { return h.Type == "subscribed" && h.ID == at })
	}
	watcher := s.connectWith(t, alice)
	watcher.subscribe("stocks/AAPL")
	programs := map[string]*output{}
	curl, wscat := curlProgram(t), wscatProgram(t)
	if curl != "" {
		programs["curl's stream"] = said(t, "event: subscribed", curl, "-sS", "-N", "-H", bearer, "-H", "Accept: text/event-stream", topic)
		programs["curl's long poll"] = said(t, "", curl, "-sS", "-i", "-H", bearer, "-H", "Prefer: wait=20", topic+"?after="+at)
	}
	if wscat != "" {
		programs["wscat"] = said(t, `"subscribed"`, wscat, "-c", s.WebSocketURL(), "-H", bearer, "-x", `{"action":"subscribe","id":"q","topic":"stocks/AAPL"}`, "-w", "300")
	}

	s.put(t, "stocks/AAPL", "quote", "151")
	change := watcher.changes(1)[0]
	cursor := change.Cursor().String()
	if curl != "" {
		programs["curl's GET"] = said(t, "", curl, "-sS", "-i", "-H", bearer, topic+"?after="+at)
	}
	for what, said := range programs {
		const list = `"changes":[`
		eventually(t, what+" has the change", func() bool {
			return strings.Contains(after(said.String(), fmt.Sprintf(`"seq":%d,`, change.Seq)), "}]") // whole
		})
		if !sameChange(t, after(said.String(), list), change) {
			t.Errorf("%s has %s, the WebSocket has %+v", what, said, change)
		}
	}
	for what, place := range map[string]string{"curl's stream": "id: " + cursor + "\ndata: {", "curl's long poll": `"cursor":"` + cursor + `"`, "curl's GET": `"cursor":"` + cursor + `"`} {
		if said := programs[what]; said != nil && !strings.Contains(said.String(), place) {
			t.Errorf("%s has %s, want %s", what, said, place)
		}
	}
	for _, source := range sources {
		source.hasEach(t, 2, 2)
		if heard := source.all(); heard[len(heard)-1].ID != cursor || source.changes(t)[0].Cursor() != change.Cursor() {
			t.Errorf("%s has heard %+v, the cursor is %s", source.client, heard, cursor)
		}
	}
}

// curlProgram gives the path of curl. Without curl, a subtest says so.
func curlProgram(t *testing.T) string {
	t.Helper()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Run("curl", func(t *testing.T) { needs.Missing(t, err) })
	}
	return curl
}

// wscatProgram gives the path of wscat. Without wscat, a subtest says so.
func wscatProgram(t *testing.T) string {
	t.Helper()
	wscat, err := filepath.Abs(npmFolder + "/node_modules/.bin/wscat")
	if err == nil {
		_, err = exec.LookPath(wscat)
	}
	if err != nil {
		t.Run("wscat", func(t *testing.T) { needs.Missing(t, "`make npm` installs it, where there is Node 20: ", err) })
		return ""
	}
	return wscat
}

// said runs a program until the test ends, and waits until it has said that it is ready.
func said(t *testing.T, ready, name string, arguments ...string) *output {
	t.Helper()
	said := &output{}
	command := exec.CommandContext(t.Context(), name, arguments...)
	command.Stdout, command.Stderr = said, said
	stdin, err := command.StdinPipe() // wscat ends when its input does
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = command.Wait() }) // the context has ended it
	eventually(t, filepath.Base(name)+" is ready", func() bool { return strings.Contains(said.String(), ready) })
	return said
}

// after gives what follows the first occurrence of text.
func after(s, text string) string {
	_, rest, _ := strings.Cut(s, text)
	return rest
}

// sameChange compares a change with JSON, which more text may follow.
func sameChange(t testing.TB, text string, want events.Change) bool {
	t.Helper()
	var raw json.RawMessage
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&raw); err != nil {
		t.Errorf("%v: %s", err, text)
		return false
	}
	frame, err := events.Decode([]byte(`{"type":"changes","changes":[` + string(raw) + `]}`))
	if err != nil {
		t.Errorf("%v: %s", err, raw)
		return false
	}
	got := frame.(*events.Changes).Changes[0]
	return got.Cursor() == want.Cursor() && got.ID == want.ID && string(got.Data) == string(want.Data)
}

// TestEventSourcesSurviveWhatPasses: foreign clients come again after passing failures, and stop
// after lasting ones. Long parts run at the same time, in stacks of their own.
func TestEventSourcesSurviveWhatPasses(t *testing.T) {
	t.Parallel()
	f := clients(t)
	lapsed := f.lapse(t)
	late, unjudged := f.late(t), f.unjudged(t)
	decided, forGood := f.decided(t), f.forGood(t)
	f.cuts(t)
	t.Run("API Gateway's own: the function is late", late)
	t.Run("API Gateway's own: the authorizer fails", unjudged)
	decided(t)
	t.Run("what does not pass", forGood)
	t.Run("a lapse", lapsed)
}

// lapse cuts the function off from DynamoDB, and later restores it. Earlier streams and those
// opened meanwhile come again by themselves, and then get the new items.
func (f foreign) lapse(t *testing.T) (after func(*testing.T)) {
	faults := fault.New(fault.Plan{fault.CutOff: 1}, seed)
	faults.Off()
	s := f.httpStack(t, time.Minute, "1000", func(o *stack.Options) { o.Faults = faults })
	held := f.open(func(string) string { return s.HTTPURL() + "/topics/a" })
	for _, source := range held {
		source.await(t, "subscribed", 1, named("subscribed"))
	}
	faults.Only(fault.CutOff)
	opened := f.open(func(string) string { return s.HTTPURL() + "/topics/a?after=:0" })
	both := slices.Concat(held, opened)
	for _, source := range both {
		source.await(t, "end", 1, lost)
	}
	faults.Off()
	s.put(t, "a", "i", "1")
	return func(t *testing.T) {
		for _, source := range both {
			source.hasEach(t, 1, 1)
		}
	}
}

// decided makes the function end streams, or refuse them, for each of its reasons.
func (f foreign) decided(t *testing.T) (after func(*testing.T)) {
	s := f.httpStack(t, 4*time.Second, "2", tokensOnly)
	for _, topic := range []string{"busy", "stale"} {
		s.put(t, topic, "i", "1")
	}
	of := func(target string, change func(*token.Token)) func(string) string {
		return func(client string) string {
			return s.HTTPURL() + target + "&token=" + s.token(t, target+client, all, change)
		}
	}
	eventually(t, "both topics have a change", func() bool {
		reader := s.token(t, "reader", all, nil)
		return strings.HasSuffix(s.cursor(t, "busy", reader), ":1") && strings.HasSuffix(s.cursor(t, "stale", reader), ":1")
	})

	long := f.open(of("/topics/long?delta=false", nil))
	stale := f.open(of("/topics/stale?last_event_id=other:7", nil))
	busy := f.tooMany(t, s)
	brief := func(made *token.Token) { made.Expires = made.Issued.Add(4 * time.Second) }
	expiring := f.open(of("/topics/expiring?delta=false", brief))
	secret := []byte(s.secret(t, "TokenSecretArn")) // the wrapper asks for tokens until its page ends
	wrapped := f.wrap(t, s.HTTPURL(), "wrapped", func() string {
		made := token.Token{Subject: "wrapper", Issued: time.Now(), Claim: json.RawMessage(all)}
		brief(&made)
		signed, err := token.Sign(secret, made)
		if err != nil {
			t.Error(err)
		}
		return signed
	})
	for what, sources := range map[string][]*source{"long": long, "wrapped": wrapped} {
		for _, source := range sources {
			source.await(t, what+" begins", 1, func(h heard) bool { return h.Type == "subscribed" || h.Type == "snapshot" })
		}
	}
	for n := range 2 {
		s.put(t, "long", "i", fmt.Sprint(n))
		s.put(t, "wrapped", "i", fmt.Sprint(n))
	}
	s.put(t, "busy", "i", "2")

	return func(t *testing.T) {
		t.Run("the wrapper's tokens expire, and nothing else happens", func(t *testing.T) {
			for _, source := range wrapped {
				source.await(t, "third pause", 3, named("pause"))
				source.pauses(t, func(time.Duration) time.Duration { return 2 * time.Second }) // not a longer one each time
			}
		})
		s.put(t, "stale", "i", "2")
		for _, topic := range []string{"long", "wrapped"} {
			s.put(t, topic, "i", "2")
		}
		t.Run("the time of a stream is over", func(t *testing.T) {
			for _, source := range long {
				source.await(t, "return", 2, lost)
				source.hasEach(t, 1, 3)
			}
		})
		t.Run("a cursor that cannot be told from", func(t *testing.T) { s.wantStartedOver(t, stale) })
		t.Run("too many streams", func(t *testing.T) {
			for _, source := range busy {
				source.hasEach(t, 2, 2)
				if source.count(lost) == 0 {
					t.Errorf("%s had a place at once: %+v", source.client, source.all())
				}
			}
		})
		t.Run("the token expires", func(t *testing.T) {
			for _, source := range expiring {
				source.await(t, "end", 1, ended)
			}
			for _, source := range wrapped {
				source.hasEach(t, 1, 3)
			}
		})
	}
}

// cursor gives a topic's current cursor.
func (s *running) cursor(t testing.TB, topic, token string) string {
	t.Helper()
	return read[events.TopicItems](t, s.request(t, "GET", "/topics/"+topic, token), 200).Cursor
}

// tooMany opens sources of subjects that already hold as many streams as they may. Each is told a
// different time to come again.
func (f foreign) tooMany(t *testing.T, s *running) []*source {
	t.Helper()
	target := "/topics/busy?after=" + s.cursor(t, "busy", s.token(t, "reader", all, nil))
	retries := map[string]bool{}
	sources := f.open(func(client string) string {
		busy := s.token(t, "busy "+client, all, nil)
		for range 2 {
			s.stream(t, target, busy)
		}
		for range 2 {
			a := s.request(t, "GET", target, busy, "Accept", "text/event-stream")
			retry := strings.TrimPrefix(strings.Split(a.body, "\n")[0], "retry: ")
			var pause int
			if _, err := fmt.Sscan(retry, &pause); err != nil || a.status != 200 || pause < 5000 || pause > 10_000 || retries[retry] || strings.Contains(a.body, "data:") {
				t.Errorf("one stream too many is answered %+v, after %v", a, retries)
			}
			retries[retry] = true
		}
		return s.HTTPURL() + target + "&token=" + busy
	})
	for _, source := range sources {
		source.await(t, "refusal that passes", 1, lost)
	}
	return sources
}

// forGood refuses sources for lasting errors. They end, tell their users, and do not come again.
// Nor does the README's wrapper.
func (f foreign) forGood(t *testing.T) (after func(*testing.T)) {
	s := f.httpStack(t, time.Minute, "1000", tokensOnly)
	const elsewhere = `{"v":1,"allow":[{"topics":["b"],"actions":["subscribe"]}]}`
	good, outsider, leaver := s.token(t, "good", all, nil), s.token(t, "outsider", elsewhere, nil), s.token(t, "leaver", all, nil)
	with := func(target, token string) []*source {
		return f.open(func(string) string { return s.HTTPURL() + target + "&token=" + token })
	}
	wrapped := func(topic, token string) []*source {
		return f.wrap(t, s.HTTPURL(), topic, func() string { return token })
	}
	held, wrappedHeld := with("/topics/left?snapshot=true", leaver), wrapped("left", leaver)
	for _, source := range slices.Concat(held, wrappedHeld) {
		source.await(t, "snapshot", 1, named("snapshot"))
	}
	s.revoke(t, "leaver", watch.AnyToken)
	s.put(t, "left", "i", "1") // so that the function looks
	native := map[string][]*source{
		"a bad token":      with("/topics/a?delta=false", "bad"),
		"no token":         f.open(func(string) string { return s.HTTPURL() + "/topics/a" }),
		"a revoked token":  with("/topics/a?delta=false", leaver),
		"forbidden":        with("/topics/a?delta=false", outsider),
		"a bad topic":      with("/topics/no%20topic?delta=false", good),
		"a bad id":         with("/topics/a?last_event_id=x", good),
		"revoked and held": held,
	}
	wrappers := map[string][]*source{
		`{"status":403}`:   wrapped("a", outsider),
		`{"status":400}`:   wrapped("no%20topic", good),
		`"code":"revoked"`: wrappedHeld,
	}
	return func(t *testing.T) {
		for what, sources := range native {
			for _, source := range sources {
				source.await(t, "end for "+what, 1, ended)
			}
		}
		for _, source := range held {
			if said := func(h heard) bool { return h.Type == "error" && strings.Contains(h.Data, `"code":"revoked"`) }; source.count(said) != 1 {
				t.Errorf("%s is not told once why: %+v", source.client, source.all())
			}
		}
		for _, sources := range wrappers {
			for _, source := range sources {
				source.await(t, "refusal", 1, named("refused"))
			}
		}
		answers := func() string {
			of := s.Usage().REST.Answers
			return fmt.Sprint(of[400], of[401], of[403])
		}
		before := answers()
		time.Sleep(1500 * time.Millisecond) // more than a client's pause
		if got := answers(); got != before {
			t.Errorf("answers of 400, 401 and 403 were %s and are %s", before, got)
		}
		for why, sources := range wrappers {
			for _, source := range sources {
				if told := func(h heard) bool { return h.Type == "refused" && strings.Contains(h.Data, why) }; source.count(told) != 1 || source.count(named("pause")) > 0 {
					t.Errorf("%s has heard %+v, want %s once", source.client, source.all(), why)
				}
			}
		}
	}
}

// wantStartedOver checks sources that came with a cursor of another epoch. They must get a reset
// and the items, and continue. A plain GET is answered 410.
func (s *running) wantStartedOver(t *testing.T, stale []*source) {
	t.Helper()
	reader := s.token(t, "reader", all, nil)
	problem(t, "a GET with that cursor", s.request(t, "GET", "/topics/stale?after=other:7", reader), 410, events.CodeReset)
	for _, source := range stale {
		source.hasEach(t, 2, 2)
		var order []string
		for _, h := range source.all() {
			if h.Type == "reset" || h.Type == "snapshot" || h.Type == "changes" {
				order = append(order, h.Type)
			}
		}
		if got := strings.Join(order, " "); got != "reset snapshot changes" || source.count(ended) > 0 {
			t.Errorf("%s has heard %s: %+v", source.client, got, source.all())
		}
	}
}

// cuts breaks streams that have begun, and then makes API Gateway answer instead of the function.
func (f foreign) cuts(t *testing.T) {
	faults := fault.New(fault.Plan{fault.TearStream: 1, fault.HTTP429: 1, fault.HTTP500: 1, fault.HTTP502: 1}, seed)
	faults.Off()
	broken := func(o *stack.Options) {
		o.Faults, o.REST.IdleTimeout = faults, 4*time.Second
	}
	s := f.httpStack(t, time.Minute, "1000", broken)
	sources := f.open(func(string) string { return s.HTTPURL() + "/topics/a" })
	for _, source := range sources {
		source.await(t, "subscribed", 1, named("subscribed"))
	}
	put := int64(0)
	cut := func(name string, now func()) {
		t.Run(name, func(t *testing.T) {
			before := make([]int, len(sources))
			for i, source := range sources {
				before[i] = source.count(lost)
			}
			now()
			for i, source := range sources {
				source.await(t, "cut", before[i]+1, lost)
			}
			faults.Off()
			put++
			s.put(t, "a", "i", fmt.Sprint(put))
			for _, source := range sources {
				source.hasEach(t, 1, put)
			}
		})
	}
	cut("the function is killed before it has told anything", func() { s.signal(t, syscall.SIGKILL) })
	cut("in the middle of a line", func() {
		faults.Only(fault.TearStream)
		put++
		s.put(t, "a", "torn", "1")
	})
	cut("silent for as long as API Gateway allows", func() {})
	cut("the function is killed", func() { s.signal(t, syscall.SIGKILL) })

	address := s.Addr()
	s.Close()
	s = f.httpStack(t, time.Minute, "1000", func(o *stack.Options) { broken(o); o.Addr = address })
	s.put(t, "a", "new", "1")
	t.Run("the stack is restarted", func(t *testing.T) {
		for _, source := range sources {
			source.await(t, "reset", 1, named("reset")) // the stack keeps no data, so the epoch is new
			source.await(t, "new item", 1, func(h heard) bool {
				return (h.Type == "snapshot" || h.Type == "changes") && strings.Contains(h.Data, `"id":"new"`)
			})
		}
	})
	f.refusedByTheGateway(t, s, faults)
}

// signal sends a signal to the processes of the function.
func (s *running) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	for _, process := range s.Processes("Http") {
		if err := syscall.Kill(process, signal); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
}

// late makes the function answer too late, and later in time again.
func (f foreign) late(t *testing.T) (after func(*testing.T)) {
	s := f.httpStack(t, time.Minute, "1000", func(o *stack.Options) { o.REST.IdleTimeout, o.MaxProcesses = time.Second, 1 })
	fetch(t, s.HTTPURL()+events.OpenAPIPath, "") // so that there is a process to stop, also where no page can be opened
	return f.refused(t, refusal{s, "late", func() { s.signal(t, syscall.SIGSTOP) }, func() { s.signal(t, syscall.SIGCONT) }, http.StatusServiceUnavailable, 0})
}

// unjudged cuts the authorizer and the function off from DynamoDB, so that held clients come again.
func (f foreign) unjudged(t *testing.T) (after func(*testing.T)) {
	faults := fault.New(fault.Plan{fault.CutOff: 1}, seed)
	faults.Off()
	s := f.httpStack(t, time.Minute, "1000", func(o *stack.Options) { tokensOnly(o); o.Faults = faults })
	return f.refused(t, refusal{s, "unjudged", func() { faults.Only(fault.CutOff) }, faults.Off, http.StatusServiceUnavailable, 4})
}

// refusedByTheGateway makes API Gateway answer instead of the function.
func (f foreign) refusedByTheGateway(t *testing.T, s *running, faults *fault.Faults) {
	for kind, status := range map[fault.Kind]int{
		fault.HTTP429: http.StatusTooManyRequests, fault.HTTP500: http.StatusServiceUnavailable, fault.HTTP502: http.StatusServiceUnavailable,
	} {
		fails := func() { faults.Only(kind); s.signal(t, syscall.SIGKILL) } // so that all come again
		t.Run("API Gateway's own: "+string(kind), f.refused(t, refusal{s, string(kind), fails, faults.Off, status, 0}))
	}
}

// refusal is a status that API Gateway makes itself, for a time.
type refusal struct {
	*running
	topic         string // no other source watches it
	begins, works func() // it begins, and everything works again
	status        int
	pauses        int // that the wrapper makes meanwhile; 0 for two
}

// refused begins a refusal. It must end native sources. The README's wrapper must come again after
// growing pauses, and lose nothing.
func (f foreign) refused(t *testing.T, r refusal) (after func(*testing.T)) {
	t.Helper()
	token := r.token(t, "wrapper", all, nil)
	wrapped := f.wrap(t, r.HTTPURL(), r.topic, func() string { return token })
	for _, source := range wrapped {
		source.await(t, "snapshot", 1, named("snapshot"))
	}
	r.begins()
	native := f.open(func(string) string { return r.HTTPURL() + "/topics/" + r.topic + "?token=" + token })
	return func(t *testing.T) {
		for _, source := range native {
			source.await(t, "end", 1, ended)
		}
		for _, source := range wrapped {
			source.await(t, fmt.Sprintf("pause %d", max(2, r.pauses)), max(2, r.pauses), named("pause"))
			source.pauses(t, func(before time.Duration) time.Duration { return min(2*before, time.Minute) })
		}
		if r.Usage().REST.Answers[r.status] == 0 {
			t.Errorf("nobody was answered %d", r.status)
		}
		r.works()
		r.put(t, r.topic, "i", "1")
		for _, source := range wrapped {
			source.hasEach(t, 1, 1)
		}
	}
}

// pauses checks the wrapper's pauses. Each is drawn by chance, between one half and all of the longest
// that it may be by then, so that not all clients come again at once. The longest first pause is two
// seconds.
func (s *source) pauses(t testing.TB, next func(longest time.Duration) time.Duration) {
	t.Helper()
	longest := 2 * time.Second
	for _, h := range s.all() {
		if h.Type != "pause" {
			continue
		}
		var pause float64
		most := float64(longest.Milliseconds())
		if _, err := fmt.Sscan(h.Data, &pause); err != nil || pause < most/2 || pause >= most {
			t.Errorf("%s makes a pause of %s ms, want less than %v and at least half of that: %+v", s.client, h.Data, most, s.all())
			return
		}
		longest = next(longest)
	}
}
