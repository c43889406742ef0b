package stack_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/aws/restapi"
	"github.com/watchroute/watchroute/localstack/contract"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/build"
	"github.com/watchroute/watchroute/shared/dynamo"
)

const root = "../.."

// buildDir takes the functions' executables, which all tests of the package share.
var buildDir string

// builds build the functions of a folder into buildDir, when a test asks for the first
// time.
var builds = map[string]func() error{root: builder(root), own: builder(own)}

func builder(root string) func() error {
	return sync.OnceValue(func() error { return build.Functions(context.Background(), root, buildDir, build.Host(), nil) })
}

// built has the functions of the options built into buildDir, unless they have a folder of
// their own to be built in. Where a quick run is wanted the test ends here.
func built(t testing.TB, o *stack.Options) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs a stack")
	}
	if o.BuildDir != buildDir {
		return
	}
	if err := builds[o.Root](); err != nil {
		t.Fatal(err)
	}
	o.Built = true
}

// checker holds what all stacks of the package send to the schema.
var checker *contract.Checker

func TestMain(m *testing.M) {
	var err error
	if buildDir, err = os.MkdirTemp("", "watchroute-functions-"); err != nil {
		panic(err)
	}
	if checker, err = contract.New(); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := checker.Kept().Leave(); err != nil {
		panic(err)
	}
	_ = os.RemoveAll(buildDir)
	os.Exit(code)
}

// patience bounds every wait: generous, as the race detector and busy machines
// are slow, and reached only by a test that fails.
const patience = 60 * time.Second

// running is a started stack with clients for it.
type running struct {
	*stack.Stack
	db  *dynamodb.Client
	sqs *sqs.Client
}

// start runs the real stack on a free port. change, if not nil, adjusts its options.
func start(t testing.TB, change func(*stack.Options)) *running {
	t.Helper()
	logs := &testLog{t: t}
	o := stack.Options{
		Addr: "127.0.0.1:0", Root: root, BuildDir: buildDir, Log: logs, Logger: slog.New(slog.NewTextHandler(logs, nil)),
		Anonymous: true,
		Gateway:   apigateway.Options{Account: apigateway.Throttle{Rate: -1}},
	}
	if change != nil {
		change(&o)
	}
	built(t, &o)
	if o.Root == root { // and not functions of a test
		hold(&o, logs)
	}
	s, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); logs.end() })
	cfg := aws.Config{Region: stack.Region, HTTPClient: dynamo.HTTPClient(), BaseEndpoint: aws.String(s.URL()),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}
	return &running{Stack: s, db: dynamodb.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg)}
}

// hold holds what a stack sends to the contracts.
func hold(o *stack.Options, logs *testLog) {
	o.Gateway.Sent = func(frame []byte) {
		if err := checker.Frame(frame); err != nil {
			logs.fail(err)
		}
	}
	o.Gateway.Answered = func(message string, answer []byte) {
		if err := checker.Request([]byte(message), answer); err != nil {
			logs.fail(err)
		}
	}
	o.REST.Answered = func(a restapi.Answer) {
		if a.Cut {
			return
		}
		if err := cmp.Or(checker.Body(a.Method, a.Path, a.Asked, a.Status, a.Body), checker.Answer(a.Method, a.Path, a.Status, a.Header, a.Body)); err != nil {
			logs.fail(err)
		}
	}
}

// testLog hands what functions write to the test, as long as it runs.
type testLog struct {
	mu    sync.Mutex
	t     testing.TB
	ended bool
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.t.Logf("%s", bytes.TrimSpace(p))
	}
	return len(p), nil
}

// fail fails the test, as long as it runs.
func (l *testLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.t.Error(err)
	}
}

func (l *testLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}

// put writes an item with one attribute, price.
func (s *running) put(t testing.TB, topic, id, price string) {
	t.Helper()
	s.putItem(t, map[string]types.AttributeValue{
		"topic": &types.AttributeValueMemberS{Value: topic}, "id": &types.AttributeValueMemberS{Value: id},
		"price": &types.AttributeValueMemberN{Value: price},
	})
}

func (s *running) putItem(t testing.TB, item map[string]types.AttributeValue) {
	t.Helper()
	if _, err := s.db.PutItem(context.Background(), &dynamodb.PutItemInput{TableName: aws.String("Events"), Item: item}); err != nil {
		t.Error(err)
	}
}

func (s *running) delete(t testing.TB, topic, id string) {
	t.Helper()
	_, err := s.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("Events"), Key: map[string]types.AttributeValue{
		"topic": &types.AttributeValueMemberS{Value: topic}, "id": &types.AttributeValueMemberS{Value: id},
	}})
	if err != nil {
		t.Error(err)
	}
}

// get reads a JSON answer of the stack's own endpoints.
func (s *running) get(t testing.TB, path string, into any) {
	t.Helper()
	response, err := http.Get(s.URL() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", path, response.Status, err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
}

// client is one WebSocket.
type client struct {
	t    testing.TB
	conn *websocket.Conn
}

// connect opens a WebSocket without a token, trying again if a function was killed under
// it.
func (s *running) connect(t testing.TB) *client {
	t.Helper()
	return s.connectWith(t, "")
}

// connectWith does so with a token.
func (s *running) connectWith(t testing.TB, token string) *client {
	t.Helper()
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		conn, response, err := websocket.Dial(ctx, s.WebSocketURL(), &websocket.DialOptions{HTTPHeader: header})
		if err == nil {
			conn.SetReadLimit(events.MaxFrameBytes)
			t.Cleanup(func() { _ = conn.CloseNow() })
			return &client{t: t, conn: conn}
		}
		// 502 is of $connect, 500 of the authorizer.
		if response == nil || response.StatusCode != http.StatusBadGateway && response.StatusCode != http.StatusInternalServerError {
			t.Fatalf("connect: %v", err)
		}
	}
}

func (c *client) send(frame string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if err := c.conn.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
		c.t.Fatal(err)
	}
}

// read gives the next frame as it came.
func (c *client) read() []byte {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	_, data, err := c.conn.Read(ctx)
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return data
}

// frame gives the next frame, which must be one of the service's.
func (c *client) frame() events.Frame {
	c.t.Helper()
	data := c.read()
	frame, err := events.Decode(data)
	if err != nil {
		c.t.Fatalf("%v: %s", err, data)
	}
	return frame
}

// join subscribes with presence, and gives the answer.
func (c *client) join(topic string) *events.Subscribed {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"action":"subscribe","id":"join","topic":%q,"presence":{"name":"N"}}`, topic))
	for {
		switch frame := c.frame().(type) {
		case *events.Subscribed:
			return frame
		case *events.Error:
			c.t.Fatalf("join of %s is answered %+v", topic, frame)
		}
	}
}

// changes gives the next n changes, which may come in one frame or several.
func (c *client) changes(n int) []events.Change {
	c.t.Helper()
	var all []events.Change
	for len(all) < n {
		frame, ok := c.frame().(*events.Changes)
		if !ok {
			c.t.Fatalf("got another frame where %d changes were due", n-len(all))
		}
		all = append(all, frame.Changes...)
	}
	return all
}

// subscribe watches a topic and gives the answer. Changes that come before it, and
// answers of API Gateway for a function that was killed, are passed over.
func (c *client) subscribe(topic string) *events.Subscribed {
	c.t.Helper()
	for {
		c.send(fmt.Sprintf(`{"action":"subscribe","id":"q","topic":%q}`, topic))
		for {
			data := c.read()
			if bytes.Contains(data, []byte(`"Internal server error"`)) {
				break
			}
			frame, err := events.Decode(data)
			if err != nil {
				c.t.Fatalf("%v: %s", err, data)
			}
			if subscribed, ok := frame.(*events.Subscribed); ok {
				return subscribed
			}
		}
	}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}
