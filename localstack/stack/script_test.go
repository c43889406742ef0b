package stack_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/token"
	"golang.org/x/tools/txtar"
)

// script is a story of requests and answers on a real stack. testdata/refusals.txtar lists its
// commands.
type script struct {
	*testing.T
	*running
	name    string
	clients map[string]*client
	tokens  map[string]string // one of each client, as a revocation takes back those issued before it
	pages   int
	faults  *fault.Faults
	asked   httpAnswer // the last answer over HTTP

	refused  []refusedBy // in turn
	isClosed bool        // some connection
}

// refusedBy is an answer with an error code. The status is 0 over a WebSocket.
type refusedBy struct {
	code   events.Code
	status int
}

// belowOpen is the claim of everybody in a story.
const belowOpen = `{"v":1,"allow":[{"topics":["open/**"],"actions":["subscribe","read","publish","deliver"]}]}`

// TestEveryErrorCodeHasAStory holds the stories to the codes of package events and to the table of
// events/README.md: each code is reached in the ways in which it is documented, with its status,
// and the connection is closed where the table says so.
func TestEveryErrorCodeHasAStory(t *testing.T) {
	archive, err := txtar.ParseFile(own + "/refusals.txtar")
	if err != nil {
		t.Fatal(err)
	}
	shared := start(t, tokensOnly)
	var told []string
	for _, file := range archive.Files {
		told = append(told, file.Name)
		t.Run(file.Name, func(t *testing.T) { documented(t, tell(t, shared, file.Name, string(file.Data))) })
	}
	slices.Sort(told)
	for page, code := range map[string]*regexp.Regexp{
		"events/frame.go":  regexp.MustCompile(`(?m)^\tCode\w+ +Code = "(\w+)"`),
		"events/README.md": regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|.*\\|.*\\|.*\\|$"),
	} {
		var codes []string
		for _, match := range code.FindAllStringSubmatch(pageText(t, page), -1) {
			codes = append(codes, match[1])
		}
		if slices.Sort(codes); !slices.Equal(codes, told) {
			t.Errorf("%s has the codes\n%q, and there are stories of\n%q", page, codes, told)
		}
	}
}

func pageText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documented compares what was told with the row of the code in events/README.md.
func documented(t *testing.T, st *script) {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `" + st.name + "` \\|(.*)\\|.*\\|(.*)\\|$").FindStringSubmatch(pageText(t, "events/README.md"))
	if row == nil {
		t.Fatalf("events/README.md has no row for %s", st.name)
	}
	means, status := row[1], strings.TrimSpace(row[2])
	want, _ := strconv.Atoi(status) // none is 0
	code := events.Code(st.name)
	for _, got := range st.refused {
		if got.code != code || got.status != 0 && got.status != want {
			t.Errorf("refused with %+v, want %s and the status %d", got, code, want)
		}
	}
	overHTTP := slices.ContainsFunc(st.refused, func(r refusedBy) bool { return r.status != 0 })
	overSocket := slices.ContainsFunc(st.refused, func(r refusedBy) bool { return r.status == 0 })
	if overHTTP != (want != 0) || overSocket == strings.Contains(means, "over HTTP:") {
		t.Errorf("is reached over HTTP: %t, over a WebSocket: %t; documented is%s, status %q", overHTTP, overSocket, means, status)
	}
	if st.isClosed != regexp.MustCompile(`connection(, which)? is closed`).MatchString(means) {
		t.Errorf("a connection is closed: %t, documented is%s", st.isClosed, means)
	}
}

// tell carries out a script, on the shared stack unless the script changes the template.
func tell(t *testing.T, shared *running, name, lines string) *script {
	t.Helper()
	st := &script{T: t, running: shared, name: name, clients: map[string]*client{}, tokens: map[string]string{}}
	repeat := regexp.MustCompile(`\{(.)\*(\d+)\}`)
	lines = repeat.ReplaceAllStringFunc(lines, func(text string) string {
		m := repeat.FindStringSubmatch(text)
		n, _ := strconv.Atoi(m[2]) // digits
		return strings.Repeat(m[1], n)
	})
	var changes [][]string
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case slices.Contains([]string{"set", "fault"}, words[0]):
			changes = append(changes, words)
		default:
			st.change(changes)
			changes = nil
			st.do(strings.TrimSpace(line))
		}
	}
	return st
}

// change starts a stack of the story's own.
func (st *script) change(changes [][]string) {
	st.Helper()
	if len(changes) == 0 {
		return
	}
	plan := fault.Plan{}
	template := edited(st.T, func(resources object) {
		for _, words := range changes {
			switch words[0] {
			case "set":
				environment(resources, words[1])[words[2]] = words[3]
			case "fault":
				plan[fault.Kind(words[1])] = 1
			}
		}
	})
	st.faults = fault.New(plan, seed)
	st.faults.Off()
	st.running = start(st, func(o *stack.Options) { tokensOnly(o); o.Template, o.Faults = template, st.faults })
}

// do carries out one command.
func (st *script) do(line string) {
	st.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	who, what, _ := strings.Cut(rest, " ")
	switch c := st.clients[who]; verb {
	case "connect":
		st.clients[who] = st.connectWith(st, st.tokenOf(who))
	case "page":
		st.clients[who] = st.opensPage(who)
	case "send":
		c.send(what)
	case "gets":
		st.answered(0, string(c.read()), what)
	case "closed":
		ctx, cancel := context.WithTimeout(st.Context(), patience)
		defer cancel()
		_, data, err := c.conn.Read(ctx)
		if st.isClosed = websocket.CloseStatus(err) == websocket.StatusNormalClosure; !st.isClosed {
			st.Fatalf("%s gets %s, %v; want the connection closed", who, data, err)
		}
	case "http":
		st.asked = st.calls(who, what)
	case "gives":
		status, err := strconv.Atoi(who)
		if err != nil || st.asked.status != status {
			st.Fatalf("is answered %d %.300s, want %s", st.asked.status, st.asked.body, rest)
		}
		st.answered(st.asked.status, st.asked.body, what)
	case "hold":
		if held, _ := st.held(st, strings.TrimPrefix(what, "/topics/"), st.tokenOf(who)); held == nil {
			st.Errorf("the stream of %s is not held", who)
		}
	case "put":
		st.put(st, who, what, "1")
	case "below":
		st.below(who, what)
	case "revoke":
		st.revoke(st, st.subject(who), "*")
	case "expire":
		st.expire(st, st.subject(who))
	case "forget":
		st.forget(st.subject(who))
	case "break":
		st.faults.Only(fault.Kind(who))
	case "times":
		st.times(who, what)
	case "until":
		st.until(who, what)
	default:
		st.Fatalf("no command %s", line)
	}
}

// below waits until so many topics of a pattern have had a change: puts are numbered a little later.
func (st *script) below(who, what string) {
	st.Helper()
	pattern, count, _ := strings.Cut(what, " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		st.Fatal(err)
	}
	eventually(st.T, count+" topics of "+pattern, func() bool {
		var stand struct{ Cursors map[string]string }
		if err := json.Unmarshal([]byte(st.calls(who, "GET /topics/"+pattern+"?after=now").body), &stand); err != nil {
			st.Fatal(err)
		}
		return len(stand.Cursors) >= n
	})
}

// times repeats a command, and reads an answer for each frame.
func (st *script) times(count, line string) {
	st.Helper()
	n, err := strconv.Atoi(count)
	if err != nil {
		st.Fatal(err)
	}
	for i := range n {
		st.do(strings.ReplaceAll(line, "#", strconv.Itoa(i)))
		if words := strings.Fields(line); words[0] == "send" {
			st.clients[words[1]].read()
		}
	}
}

// until repeats a request until it is refused with a code.
func (st *script) until(code, line string) {
	st.Helper()
	words := strings.Fields(line)
	for range 1000 {
		st.do(line)
		status, body := st.asked.status, st.asked.body
		if words[0] == "send" {
			status, body = 0, string(st.clients[words[1]].read())
		}
		if strings.Contains(body, `"code":"`+code+`"`) {
			st.answered(status, body, `{"code":"`+code+`"}`)
			return
		}
	}
	st.Errorf("1000 times %s was never refused with %s", line, code)
}

// subject keeps the clients of stories apart.
func (st *script) subject(who string) string { return who + "-" + st.name }

// tokenOf gives the client's one token, which is good, unless it is nobody's. That of late has
// expired, within the leeway of a minute.
func (st *script) tokenOf(who string) string {
	st.Helper()
	if st.tokens[who] == "" {
		st.tokens[who] = st.newToken(who)
	}
	return st.tokens[who]
}

func (st *script) newToken(who string) string {
	st.Helper()
	if who == "nobody" {
		return "bad"
	}
	return st.token(st, st.subject(who), belowOpen, func(made *token.Token) {
		if who == "late" {
			made.Expires = time.Now().Add(-30 * time.Second)
		}
	})
}

func (st *script) opensPage(who string) *client {
	st.Helper()
	c, status := st.page(st.T, 200+st.pages, "", events.Subprotocol+", bearer."+st.tokenOf(who))
	if st.pages++; c == nil {
		st.Fatalf("the page of %s is answered %d", who, status)
	}
	return c
}

// calls sends a request. What follows its headers is the body.
func (st *script) calls(who, request string) httpAnswer {
	st.Helper()
	method, rest, _ := strings.Cut(request, " ")
	target, rest, _ := strings.Cut(rest, " ")
	var header []string
	for {
		word, after, _ := strings.Cut(rest, " ")
		name, value, ok := strings.Cut(word, "=")
		if !ok || strings.HasPrefix(word, "{") {
			break
		}
		header, rest = append(header, name, value), after
	}
	if rest != "" {
		target += " " + rest
	}
	return st.request(st, method, target, st.tokenOf(who), header...)
}

// answered wants an answer to have the members, and notes its error code.
func (st *script) answered(status int, answer, members string) {
	st.Helper()
	var got, want map[string]any
	if err := json.Unmarshal([]byte(members), &want); err != nil {
		st.Fatalf("%v: %s", err, members)
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		st.Fatalf("is answered %d %.300s, want %s", status, answer, members)
	}
	for name, value := range want {
		if !reflect.DeepEqual(got[name], value) {
			st.Fatalf("is answered %d %.300s, want %s", status, answer, members)
		}
	}
	if code, ok := want["code"].(string); ok {
		st.refused = append(st.refused, refusedBy{events.Code(code), status})
	}
}

// forget deletes the rows of a subject's connections.
func (st *script) forget(subject string) {
	st.Helper()
	table := aws.String(st.Outputs["ConnectionsTable"])
	out, err := st.db.Query(st.Context(), &dynamodb.QueryInput{
		TableName: table, KeyConditionExpression: aws.String("subject = :subject"), ConsistentRead: aws.Bool(true),
		ExpressionAttributeValues: map[string]types.AttributeValue{":subject": text(subject)},
	})
	if err != nil || len(out.Items) == 0 {
		st.Fatalf("%s has no connections: %v", subject, err)
	}
	for _, row := range out.Items {
		key := map[string]types.AttributeValue{"subject": row["subject"], "connectionId": row["connectionId"]}
		if _, err := st.db.DeleteItem(st.Context(), &dynamodb.DeleteItemInput{TableName: table, Key: key}); err != nil {
			st.Fatal(err)
		}
	}
}
