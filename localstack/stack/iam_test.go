package stack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
)

// object is a JSON object of a template.
type object = map[string]any

// edited writes the golden template with a change to a temporary file.
func edited(t *testing.T, change func(resources object)) string {
	t.Helper()
	return editedFile(t, filepath.Join(root, stack.TemplateFile), change)
}

// editedFile does the same with any template.
func editedFile(t *testing.T, path string, change func(resources object)) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var template object
	if err := json.Unmarshal(data, &template); err != nil {
		t.Fatal(err)
	}
	change(template["Resources"].(object))
	if data, err = json.Marshal(template); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "template.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// statements are those of a role's inline policy.
func statements(resources object, role string) (document object, list []any) {
	policies := resources[role].(object)["Properties"].(object)["Policies"].([]any)
	document = policies[0].(object)["PolicyDocument"].(object)
	return document, document["Statement"].([]any)
}

// take takes an action from a role in the statement that names the resource: a
// logical id, a part of an ARN with a slash, or * for any.
func take(t *testing.T, resources object, role, action, resource string) {
	t.Helper()
	taken := 0
	document, list := statements(resources, role)
	document["Statement"] = slices.DeleteFunc(list, func(s any) bool {
		statement := s.(object)
		named, by := fmt.Sprint(statement["Resource"]), "["+resource+" "
		if strings.Contains(resource, "/") {
			by = resource
		}
		if resource != "*" && !strings.Contains(named, by) {
			return false
		}
		actions := statement["Action"].([]any)
		left := slices.DeleteFunc(slices.Clone(actions), func(a any) bool { return a == action })
		statement["Action"] = left
		taken += len(actions) - len(left)
		return len(left) == 0
	})
	if taken != 1 {
		t.Fatalf("%s has %d grants of %s on %s, want 1", role, taken, action, resource)
	}
}

// without writes the golden template without one grant.
func without(t *testing.T, role, action, resource string) string {
	t.Helper()
	return edited(t, func(resources object) { take(t, resources, role, action, resource) })
}

// logged collects a log, whole.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits for a text: what functions log comes after they have answered.
func (l *logged) await(t *testing.T, text string) {
	t.Helper()
	eventually(t, "a log with "+text, func() bool { return strings.Contains(l.String(), text) })
}

// restricted runs a stack with that template, and keeps its log.
func restricted(t *testing.T, file string) (*running, *logged) {
	t.Helper()
	log := &logged{}
	return start(t, func(o *stack.Options) {
		o.Template, o.Log, o.Logger = file, log, slog.New(slog.NewTextHandler(log, nil))
	}), log
}

// denied tells how often a function was refused an action.
func (s *running) denied(function, action string) int {
	return s.Usage().IAM.Functions[function].Denied[action]
}

// message is AWS's text of a refusal.
func message(function, action, resource string) string {
	return "User: arn:aws:sts::000000000000:assumed-role/" + function + "Role/" + function + " is not authorized to perform: " +
		action + " on resource: " + resource + " because no identity-based policy allows the " + action + " action"
}

const tables = "arn:aws:dynamodb:us-east-1:000000000000:table/"

func TestConnectMayNotPut(t *testing.T) {
	s, log := restricted(t, without(t, "ConnectRole", "dynamodb:PutItem", "Connections"))
	_, response, err := websocket.Dial(t.Context(), s.WebSocketURL(), nil)
	if err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("connect without a grant: %v", err)
	}
	log.await(t, "https response error StatusCode: 400")
	log.await(t, "AccessDeniedException: "+message("Connect", "dynamodb:PutItem", tables+"Connections"))
	if n := s.denied("Connect", "dynamodb:PutItem"); n != 1 || s.Usage().IAM.Denied != 1 {
		t.Errorf("usage tells of %d refusals", n)
	}
	s.ResetUsage()
	if n := s.Usage().IAM.Denied; n != 0 {
		t.Errorf("%d refusals after the reset", n)
	}
}

func TestMessageMayNotQuery(t *testing.T) {
	s, log := restricted(t, without(t, "MessageRole", "dynamodb:Query", "Events"))
	c := s.connect(t)
	c.subscribe("a") // which needs no query
	c.send(`{"action":"subscribe","id":"q1","topic":"b","snapshot":true}`)
	if got, ok := c.frame().(*events.Subscribed); !ok || got.Topic != "b" {
		t.Errorf("subscribe is answered %+v", got)
	}
	if got, ok := c.frame().(*events.Error); !ok || got.Code != events.CodeInternal {
		t.Errorf("snapshot without a grant is answered %+v", got)
	}
	log.await(t, message("Message", "dynamodb:Query", tables+"Events"))
	if u := s.Usage().IAM; u.Denied != u.Functions["Message"].Denied["dynamodb:Query"] || u.Denied == 0 {
		t.Errorf("usage: %+v", u)
	}
}

func TestFanoutMayNotPost(t *testing.T) {
	s, log := restricted(t, without(t, "FanoutRole", "execute-api:ManageConnections", "/POST/@connections/"))
	c := s.connect(t)
	c.subscribe("a")
	s.put(t, "a", "i", "1")
	eventually(t, "a refused post", func() bool { return s.denied("Fanout", "execute-api:ManageConnections") > 0 })
	if u := s.Usage(); u.APIGateway.Posts[http.StatusOK] != 0 || len(u.IAM.Functions["Fanout"].Denied) != 1 {
		t.Errorf("usage: %+v, %+v", u.APIGateway.Posts, u.IAM.Functions["Fanout"])
	}
	log.await(t, "arn:aws:execute-api:us-east-1:000000000000:api/live/POST/@connections/")
	log.await(t, "403 ForbiddenException")
}

func TestFanoutMayNotSend(t *testing.T) {
	s, log := restricted(t, without(t, "FanoutRole", "sqs:SendMessage", "FailureQueue"))
	s.put(t, "bad//topic", "i", "1")
	log.await(t, "AccessDenied: "+message("Fanout", "sqs:sendmessage", "arn:aws:sqs:us-east-1:000000000000:FailureQueue"))
	if s.denied("Fanout", "sqs:sendmessage") == 0 || s.Usage().SQS.Queues["FailureQueue"].Sent != 0 {
		t.Errorf("usage: %+v", s.Usage())
	}
}

// TestMappingNeedsItsGrants takes away what Lambda's pollers use, one by one.
func TestMappingNeedsItsGrants(t *testing.T) {
	for action, resource := range map[string]string{
		"dynamodb:GetRecords": "Events", "dynamodb:GetShardIterator": "Events", "dynamodb:DescribeStream": "Events",
		"dynamodb:ListStreams": "*", "sqs:SendMessage": "GivenUpQueue",
	} {
		err := startError(t, without(t, "FanoutRole", action, resource))
		if want := "is not authorized to perform: " + action + " on resource: "; err == nil ||
			!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "EventsToFanout") {
			t.Errorf("without %s: %v", action, err)
		}
	}
}

// TestQueueMappingNeedsItsGrants does the same for what reads a queue.
func TestQueueMappingNeedsItsGrants(t *testing.T) {
	for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
		err := startError(t, without(t, "SalvageRole", action, "GivenUpQueue"))
		if want := "is not authorized to perform: " + action + " on resource: arn:aws:sqs:us-east-1:000000000000:GivenUpQueue"; err == nil ||
			!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "GivenUpToSalvage") {
			t.Errorf("without %s: %v", action, err)
		}
	}
}

// startError starts a stack that must not start.
func startError(t *testing.T, file string) error {
	t.Helper()
	return startErrorOf(t, stack.Options{Root: root, Template: file})
}

func startErrorOf(t *testing.T, o stack.Options) error {
	t.Helper()
	o.Addr, o.BuildDir, o.Log, o.Logger = "127.0.0.1:0", buildDir, &logged{}, slog.New(slog.DiscardHandler)
	built(t, &o)
	s, err := stack.Start(t.Context(), o)
	if err == nil {
		s.Close()
	}
	return err
}

func TestRolesThatDoNotRunLocally(t *testing.T) {
	for want, change := range map[string]func(object){
		"the member Condition does not run locally": func(resources object) {
			_, list := statements(resources, "ConnectRole")
			list[0].(object)["Condition"] = object{"Bool": object{"aws:SecureTransport": "true"}}
		},
		`Connect: role "arn:aws:iam::1:role/other" is not in the template`: func(resources object) {
			resources["Connect"].(object)["Properties"].(object)["Role"] = "arn:aws:iam::1:role/other"
		},
		"role Nobody is not in the template": func(resources object) {
			resources["Extra"] = object{"Type": "AWS::IAM::Policy", "Properties": object{"Roles": []any{"Nobody"}, "PolicyDocument": object{}}}
		},
	} {
		if err := startError(t, edited(t, change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("start: %v, want %s", err, want)
		}
	}
}

// TestPolicyResourceGrants moves connect's grants into a policy of their own, and
// lets its role have one that AWS manages.
func TestPolicyResourceGrants(t *testing.T) {
	s, log := restricted(t, edited(t, func(resources object) {
		role := resources["ConnectRole"].(object)["Properties"].(object)
		policy := role["Policies"].([]any)[0].(object)
		delete(role, "Policies")
		role["ManagedPolicyArns"] = []any{"arn:aws:iam::aws:policy/ReadOnlyAccess"}
		policy["Roles"] = []any{object{"Ref": "ConnectRole"}}
		resources["Extra"] = object{"Type": "AWS::IAM::Policy", "Properties": policy}
	}))
	s.connect(t)
	if u := s.Usage().IAM; u.Denied != 0 || u.Functions["Connect"].Grants[0].Used != 1 {
		t.Errorf("usage: %+v", u)
	}
	log.await(t, "arn:aws:iam::aws:policy/ReadOnlyAccess")
}

func TestUnknownFunctionHasNoPath(t *testing.T) {
	s := start(t, nil)
	response, err := http.Post(s.URL()+"/_localstack/functions/Nobody/", "", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("answer %s", response.Status)
	}
}
