package beside_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	management "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/localstack/beside"
	"github.com/watchroute/watchroute/localstack/wall"
)

// chat is a template as others write them: with resources that do not run in the embedded stack, an
// attribute of one of them, and a REST API whose answer is streamed.
const chat = `{
	"Parameters": {"Greeting": {"Type": "String"}},
	"Resources": {
		"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Fn::ImportValue": "elsewhere"}}},
		"Talk": {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["Bucket", "WebsiteURL"]}}},
		"Chat": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action"}},
		"Proxy": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": {"ApiId": {"Ref": "Chat"}, "IntegrationType": "AWS_PROXY",
			"IntegrationUri": {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Talk.Arn}/invocations"}}},
		"Default": {"Type": "AWS::ApiGatewayV2::Route", "Properties": {"ApiId": {"Ref": "Chat"}, "RouteKey": "$default",
			"Target": {"Fn::Sub": "integrations/${Proxy}"}, "RouteResponseSelectionExpression": "$default"}},
		"Answer": {"Type": "AWS::ApiGatewayV2::RouteResponse", "Properties": {"ApiId": {"Ref": "Chat"}, "RouteId": {"Ref": "Default"}, "RouteResponseKey": "$default"}},
		"Stage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": {"ApiId": {"Ref": "Chat"}, "StageName": "prod", "StageVariables": {"greeting": {"Ref": "Greeting"}}}},
		"Permission": {"Type": "AWS::Lambda::Permission", "Properties": {"FunctionName": {"Ref": "Talk"}, "Principal": "apigateway.amazonaws.com"}},
		"Rest": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"EndpointConfiguration": {"Types": ["REGIONAL"]}}},
		"Get": {"Type": "AWS::ApiGateway::Method", "Properties": {"RestApiId": {"Ref": "Rest"}, "ResourceId": {"Fn::GetAtt": ["Rest", "RootResourceId"]}, "HttpMethod": "GET",
			"Integration": {"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "ResponseTransferMode": "STREAM",
				"Uri": {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2021-11-15/functions/${Talk.Arn}/response-streaming-invocations"}}}},
		"Deployment": {"Type": "AWS::ApiGateway::Deployment", "DependsOn": "Get", "Properties": {"RestApiId": {"Ref": "Rest"}}},
		"RestStage": {"Type": "AWS::ApiGateway::Stage", "Properties": {"RestApiId": {"Ref": "Rest"}, "DeploymentId": {"Ref": "Deployment"}, "StageName": "web"}}
	}
}`

// emulator answers as much of CloudFormation and Lambda as the front asks for. It stands in for LocalStack,
// which the checks of localstack/emulators run.
type emulator struct {
	t      *testing.T
	invoke func(ctx context.Context, payload []byte) (answer any, failed bool)

	mu     sync.Mutex
	set    map[string]string // the function's environment
	stacks []string
	asked  map[string]int // invocations by path
}

func newEmulator(t *testing.T) *emulator {
	return &emulator{t: t, set: map[string]string{"KEPT": "yes"}, stacks: []string{"CDKToolkit", "Chat"}, asked: map[string]int{},
		invoke: func(context.Context, []byte) (any, bool) {
			return map[string]any{"statusCode": 200, "body": "hello"}, false
		}}
}

func (e *emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	e.asked[r.URL.Path]++
	e.mu.Unlock()
	switch {
	case r.URL.Path == "/":
		e.cloudFormation(w, r)
	case strings.HasSuffix(r.URL.Path, "/response-streaming-invocations"):
		http.Error(w, `{"message":"not implemented"}`, http.StatusNotImplemented)
	case strings.HasSuffix(r.URL.Path, "/invocations"):
		if !strings.Contains(r.URL.Path, "arn:aws:lambda:us-east-1:000000000000:function:Chat-Talk-1") {
			e.t.Errorf("another function was invoked: %s", r.URL.Path)
		}
		payload, _ := io.ReadAll(r.Body)
		answer, failed := e.invoke(r.Context(), payload)
		if failed {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
		}
		if raw, ok := answer.([]byte); ok {
			_, _ = w.Write(raw)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	case strings.HasSuffix(r.URL.Path, "/configuration") && r.Method == http.MethodPut:
		var change struct {
			Environment struct{ Variables map[string]string }
		}
		_ = json.NewDecoder(r.Body).Decode(&change)
		e.set = change.Environment.Variables
		fallthrough
	default:
		configuration := map[string]any{"FunctionName": "Chat-Talk-1", "State": "Active", "LastUpdateStatus": "Successful", "Environment": map[string]any{"Variables": e.set}}
		if !strings.HasSuffix(r.URL.Path, "/configuration") {
			configuration = map[string]any{"Configuration": configuration}
		}
		_ = json.NewEncoder(w).Encode(configuration)
	}
}

func (e *emulator) cloudFormation(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	operation, name := r.Form.Get("Action"), r.Form.Get("StackName")
	var result strings.Builder
	switch operation {
	case "DescribeStacks":
		for _, stack := range e.stacks {
			if name == "" || name == stack {
				fmt.Fprintf(&result, `<member><StackName>%s</StackName><StackStatus>CREATE_COMPLETE</StackStatus><StackId>arn:aws:cloudformation:us-east-1:000000000000:stack/%[1]s/1</StackId>
					<Parameters><member><ParameterKey>Greeting</ParameterKey><ParameterValue>ahoy</ParameterValue></member>
					<member><ParameterKey>OfAnotherTemplate</ParameterKey><ParameterValue>x</ParameterValue></member></Parameters></member>`, stack)
			}
		}
		fmt.Fprintf(w, `<DescribeStacksResponse><DescribeStacksResult><Stacks>%s</Stacks></DescribeStacksResult></DescribeStacksResponse>`, result.String())
	case "ListStackResources":
		fmt.Fprint(w, `<ListStackResourcesResponse><ListStackResourcesResult><StackResourceSummaries>
			<member><LogicalResourceId>Talk</LogicalResourceId><PhysicalResourceId>Chat-Talk-1</PhysicalResourceId><ResourceType>AWS::Lambda::Function</ResourceType></member>
			</StackResourceSummaries></ListStackResourcesResult></ListStackResourcesResponse>`)
	case "GetTemplate":
		fmt.Fprint(w, `<GetTemplateResponse><GetTemplateResult><TemplateBody><![CDATA[`+chat+`]]></TemplateBody></GetTemplateResult></GetTemplateResponse>`)
	default:
		e.t.Errorf("%s was asked for", operation)
	}
}

// open serves the chat of an emulator.
func open(t *testing.T, e *emulator, change func(*beside.Options)) (*beside.Server, error) {
	t.Helper()
	there := httptest.NewServer(e)
	t.Cleanup(there.Close)
	o := beside.Options{Endpoint: there.URL, Region: "us-east-1"}
	o.Gateway.Logger = slog.New(slog.DiscardHandler)
	if change != nil {
		change(&o)
	}
	front, err := beside.Open(t.Context(), o)
	if err != nil {
		return nil, err
	}
	listeners, err := wall.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := front.Listen(listeners, "127.0.0.1:0", wall.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, nil
}

func mustOpen(t *testing.T, e *emulator) *beside.Server {
	t.Helper()
	s, err := open(t, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func dial(t *testing.T, s *beside.Server) *websocket.Conn {
	t.Helper()
	socket, _, err := websocket.Dial(t.Context(), s.WebSocketURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.CloseNow() })
	return socket
}

func say(t *testing.T, socket *websocket.Conn, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := socket.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
	_, frame, err := socket.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(frame)
}

// TestChatOfAnyTemplate: the function that the emulator deployed gets what a client says, under its
// deployed name and with the stack's parameters, and its answer goes back.
func TestChatOfAnyTemplate(t *testing.T) {
	e := newEmulator(t)
	e.invoke = func(_ context.Context, payload []byte) (any, bool) {
		var event awsevents.APIGatewayWebsocketProxyRequest
		if err := json.Unmarshal(payload, &event); err != nil {
			t.Error(err)
		}
		return map[string]any{"statusCode": 200, "body": event.StageVariables["greeting"] + " " + event.Body}, false
	}
	if got := say(t, dial(t, mustOpen(t, e)), "you"); got != "ahoy you" {
		t.Errorf("the answer is %s", got)
	}
}

// TestFunctionPostsToAConnection: a function posts, while it runs, to where TellFunctions says.
func TestFunctionPostsToAConnection(t *testing.T) {
	e := newEmulator(t)
	s := mustOpen(t, e)
	where := strings.TrimSuffix("http"+strings.TrimPrefix(s.WebSocketURL(), "ws"), "/")
	for range 2 { // the second time changes nothing
		if err := s.TellFunctions(t.Context(), where); err != nil {
			t.Fatal(err)
		}
	}
	if e.set["KEPT"] != "yes" || e.set[beside.ManagementVariable] != where {
		t.Errorf("the function's environment is %v", e.set)
	}
	if puts := e.asked["/2015-03-31/functions/Chat-Talk-1"]; puts != 1 {
		t.Errorf("%d times it was looked whether the change is in effect, want once", puts)
	}
	done := make(chan struct{})
	e.invoke = func(ctx context.Context, payload []byte) (any, bool) {
		defer close(done)
		var event awsevents.APIGatewayWebsocketProxyRequest
		if err := json.Unmarshal(payload, &event); err != nil {
			t.Error(err)
		}
		client := management.New(management.Options{Region: "us-east-1", BaseEndpoint: aws.String(e.set[beside.ManagementVariable]),
			Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
		_, err := client.PostToConnection(ctx, &management.PostToConnectionInput{ConnectionId: &event.RequestContext.ConnectionID, Data: []byte("posted")})
		if err != nil {
			t.Error(err)
		}
		return map[string]any{"statusCode": 200}, false
	}
	if got := say(t, dial(t, s), "you"); got != "posted" {
		t.Errorf("the client got %s", got)
	}
	<-done
}

// TestFunctionsTellWhereTheAPIsAre, and only those that did before: at AWS's addresses nobody would find this.
func TestFunctionsTellWhereTheAPIsAre(t *testing.T) {
	e := newEmulator(t)
	s := mustOpen(t, e)
	if err := s.TellAddresses(t.Context()); err != nil || len(e.set) != 1 {
		t.Errorf("a function that tells nothing has the environment %v, %v", e.set, err)
	}
	e.set["SOCKET_URL"] = "wss://abc.execute-api.us-east-1.amazonaws.com/live"
	if err := s.TellAddresses(t.Context()); err != nil || e.set["SOCKET_URL"] != s.WebSocketURL() || e.set["HTTP_URL"] != s.HTTPURL() || e.set["KEPT"] != "yes" {
		t.Errorf("a function that tells it has the environment %v, %v", e.set, err)
	}
}

// TestFunctionThatFails: its client gets API Gateway's frame, and it ran once: a lost answer must not
// make a function run again.
func TestFunctionThatFails(t *testing.T) {
	e := newEmulator(t)
	e.invoke = func(context.Context, []byte) (any, bool) { return map[string]any{"errorMessage": "no"}, true }
	if got := say(t, dial(t, mustOpen(t, e)), "you"); !strings.Contains(got, "Internal server error") {
		t.Errorf("the client got %s", got)
	}
	runs := 0
	for path, n := range e.asked {
		if strings.HasSuffix(path, "/invocations") {
			runs += n
		}
	}
	if runs != 1 {
		t.Errorf("the function ran %d times", runs)
	}
}

// TestStreamThatComesWhole: where Lambda cannot stream, the answer comes when the function has ended.
func TestStreamThatComesWhole(t *testing.T) {
	e := newEmulator(t)
	e.invoke = func(context.Context, []byte) (any, bool) {
		return []byte(`{"statusCode":201,"headers":{"Content-Type":"text/plain"}}` + strings.Repeat("\x00", 8) + "all of it"), false
	}
	s := mustOpen(t, e)
	for range 2 {
		answer, err := http.Get(s.HTTPURL())
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusCreated || string(body) != "all of it" {
			t.Errorf("answered %d %s", answer.StatusCode, body)
		}
	}
	for path, n := range e.asked {
		if strings.HasSuffix(path, "/response-streaming-invocations") && n != 1 {
			t.Errorf("a stream was asked for %d times", n)
		}
	}
}

// TestOtherAPIsBesideTheChat: an HTTP API and a REST API that do not run here are left out, and told of.
func TestOtherAPIsBesideTheChat(t *testing.T) {
	others := strings.Replace(chat, `"Resources": {`, `"Resources": {
		"Http": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"ProtocolType": "HTTP"}},
		"HttpProxy": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": {"ApiId": {"Ref": "Http"}, "IntegrationType": "HTTP_PROXY"}},
		"HttpRoute": {"Type": "AWS::ApiGatewayV2::Route", "Properties": {"ApiId": {"Ref": "Http"}, "RouteKey": "GET /", "AuthorizationType": "JWT"}},
		"HttpStage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": {"ApiId": {"Ref": "Http"}, "StageName": "$default"}},`, 1)
	others = strings.Replace(others, `"EndpointConfiguration": {"Types": ["REGIONAL"]}`, `"Name": "at the edge"`, 1)
	var log strings.Builder
	s, err := open(t, newEmulator(t), func(o *beside.Options) {
		o.Template, o.Gateway.Logger = []byte(others), slog.New(slog.NewTextHandler(&log, nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := say(t, dial(t, s), "you"); got != "hello" {
		t.Errorf("the answer is %s", got)
	}
	if !strings.Contains(log.String(), "the REST API is left out: Rest: endpoints of types") || s.HTTPURL() != "" {
		t.Errorf("the REST API is at %q, told was %s", s.HTTPURL(), log.String())
	}
}

// TestWhatCannotBeServed: errors say what is missing.
func TestWhatCannotBeServed(t *testing.T) {
	for want, change := range map[string]func(*emulator, *beside.Options){
		"--stack says which":                                    func(e *emulator, _ *beside.Options) { e.stacks = append(e.stacks, "Other") },
		"find stack Gone: there are 0":                          func(_ *emulator, o *beside.Options) { o.Stack = "Gone" },
		"function New is in the template but not in stack Chat": func(_ *emulator, o *beside.Options) { o.Template = []byte(strings.ReplaceAll(chat, "Talk", "New")) },
		"template has no WebSocket API": func(_ *emulator, o *beside.Options) {
			o.Template = []byte(`{"Resources":{"Q":{"Type":"AWS::SQS::Queue"}}}`)
		},
	} {
		e := newEmulator(t)
		if _, err := open(t, e, func(o *beside.Options) { change(e, o) }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %s", err, want)
		}
	}
}
