package stack_test

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/localstack/stack"
)

// own is the folder of the tests' own functions and templates.
const own = "testdata"

// ownOptions are those of a stack that runs one of them.
func ownOptions(t *testing.T, file string, change func(resources object)) stack.Options {
	t.Helper()
	if change == nil {
		change = func(object) {}
	}
	return stack.Options{Root: own, Template: editedFile(t, own+"/"+file, change)}
}

// guarded runs the template with the authorizer, with a change if there is one, and
// keeps the stack's log. Its clients need a token unless more says otherwise.
func guarded(t *testing.T, change func(resources object), more func(*stack.Options)) (*running, *logged) {
	t.Helper()
	log := &logged{}
	return start(t, func(o *stack.Options) {
		of := ownOptions(t, "guarded.template.json", change)
		o.Root, o.Template, o.Anonymous = of.Root, of.Template, false
		o.Log, o.Logger = log, slog.New(slog.NewTextHandler(log, nil))
		if more != nil {
			more(o)
		}
	}), log
}

// properties are those of a resource.
func properties(resources object, id string) object {
	return resources[id].(object)["Properties"].(object)
}

// handshake connects with a query and headers, and gives the status of the answer.
func (s *running) handshake(t *testing.T, query string, header http.Header) (*websocket.Conn, *http.Response) {
	t.Helper()
	conn, response, err := websocket.Dial(t.Context(), s.WebSocketURL()+query, &websocket.DialOptions{HTTPHeader: header})
	if response == nil {
		t.Fatal(err)
	}
	if conn != nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	return conn, response
}

// status is that of a handshake with a token in the query, or without if it is empty.
func (s *running) status(t *testing.T, token string) int {
	t.Helper()
	query := ""
	if token != "" {
		query = "?token=" + token
	}
	_, response := s.handshake(t, query, nil)
	return response.StatusCode
}

// key is the secret of the guarded template.
func (s *running) key(t *testing.T) string {
	t.Helper()
	return s.secret(t, "KeyArn")
}

// secret reads the secret that an output names, as anybody outside of the functions does.
func (s *running) secret(t testing.TB, output string) string {
	t.Helper()
	c := secretsmanager.New(secretsmanager.Options{Region: stack.Region, BaseEndpoint: aws.String(s.URL()),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
	out, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(s.Outputs[output])})
	if err != nil {
		t.Fatal(err)
	}
	return *out.SecretString
}

// seen waits until the table has rows by a function, or of a type of event, and gives
// what they hold by id.
func (s *running) seen(t *testing.T, by string) map[string]string {
	t.Helper()
	found := map[string]string{}
	eventually(t, "rows by "+by, func() bool {
		out, err := s.db.Query(t.Context(), &dynamodb.QueryInput{
			TableName: aws.String("Seen"), KeyConditionExpression: aws.String("#by = :by"), ConsistentRead: aws.Bool(true),
			ExpressionAttributeNames:  map[string]string{"#by": "by"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":by": &types.AttributeValueMemberS{Value: by}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range out.Items {
			event, _ := item["event"].(*types.AttributeValueMemberS)
			if event == nil {
				event = &types.AttributeValueMemberS{}
			}
			found[item["id"].(*types.AttributeValueMemberS).Value] = event.Value
		}
		return len(found) > 0
	})
	return found
}

func TestAuthorizerDecides(t *testing.T) {
	s, _ := guarded(t, nil, nil)
	for token, want := range map[string]int{
		"": http.StatusUnauthorized, "wrong": http.StatusForbidden, "broken": http.StatusInternalServerError, s.key(t): http.StatusSwitchingProtocols,
	} {
		if got := s.status(t, token); got != want {
			t.Errorf("token %q: %d, want %d", token, got, want)
		}
	}
	if _, response := s.handshake(t, "", http.Header{"Authorization": {"Bearer " + s.key(t)}}); response.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("token in a header: %s", response.Status)
	}
	if u := s.Usage(); u.Lambda.Functions["Guard"].Invocations != 5 || u.Lambda.Functions["Tell"].Invocations != 2 {
		t.Errorf("usage: %+v", u.Lambda.Functions)
	}
}

// TestSubprotocolCarriesTheToken: the authorizer sees what the client offers, the
// answer has what $connect chose of it alone.
func TestSubprotocolCarriesTheToken(t *testing.T) {
	s, _ := guarded(t, nil, nil)
	offer := http.Header{"Sec-WebSocket-Protocol": {"watchroute.v1, bearer." + s.key(t)}}
	_, response := s.handshake(t, "", offer)
	if got := response.Header.Values("Sec-WebSocket-Protocol"); response.StatusCode != http.StatusSwitchingProtocols || len(got) != 1 || got[0] != "watchroute.v1" {
		t.Errorf("%s with subprotocol %q", response.Status, got)
	}
}

func TestEventsTellWhoConnected(t *testing.T) {
	s, _ := guarded(t, nil, nil)
	conn, _ := s.handshake(t, "?token="+s.key(t), nil)
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	s.seen(t, "MESSAGE") // before the socket closes
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	want := object{"principalId": "u1", "role": "admin", "level": "7", "active": "true"}
	for _, kind := range []string{"CONNECT", "MESSAGE", "DISCONNECT"} {
		for id, text := range s.seen(t, kind) {
			var event struct{ RequestContext struct{ Authorizer object } }
			if err := json.Unmarshal([]byte(text), &event); err != nil {
				t.Fatal(err)
			}
			got := event.RequestContext.Authorizer
			delete(got, "integrationLatency")
			if !maps.Equal(got, want) {
				t.Errorf("%s of %s: authorizer %v, want %v", kind, id, got, want)
			}
		}
	}
}

// TestAuthorizerNeedsItsPermission takes it away, and gives others in its place.
func TestAuthorizerNeedsItsPermission(t *testing.T) {
	for name, change := range map[string]func(object){
		"none": func(resources object) { delete(resources, "GuardPermission") },
		"for the route": func(resources object) {
			properties(resources, "GuardPermission")["SourceArn"] = object{"Fn::Sub": "arn:aws:execute-api:us-east-1:000000000000:${Api}/live/$connect"}
		},
		"of another": func(resources object) {
			properties(resources, "GuardPermission")["SourceArn"] = object{"Fn::Sub": "arn:aws:execute-api:us-east-1:000000000000:${Api}/authorizers/other"}
		},
		"for other function": func(resources object) {
			properties(resources, "GuardPermission")["FunctionName"] = object{"Fn::GetAtt": []any{"Tell", "Arn"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, log := guarded(t, change, nil)
			if got := s.status(t, s.key(t)); got != http.StatusInternalServerError {
				t.Errorf("status %d, want 500", got)
			}
			log.await(t, "no permission to invoke the authorizer")
			if n := s.Usage().Lambda.Functions["Guard"].Invocations; n != 0 {
				t.Errorf("the authorizer ran %d times", n)
			}
		})
	}
}

func TestIdentitySourceMustBeThere(t *testing.T) {
	s, _ := guarded(t, func(resources object) {
		properties(resources, "Authorizer")["IdentitySource"] = []any{"route.request.querystring.token"}
	}, nil)
	if got := s.status(t, ""); got != http.StatusUnauthorized || s.Usage().Lambda.Functions["Guard"].Invocations != 0 {
		t.Errorf("without: status %d", got)
	}
	if got := s.status(t, s.key(t)); got != http.StatusSwitchingProtocols {
		t.Errorf("with: status %d", got)
	}
}

func TestSecretNeedsItsGrant(t *testing.T) {
	s, log := guarded(t, func(resources object) {
		_, list := statements(resources, "GuardRole")
		list[0].(object)["Resource"] = object{"Fn::Sub": "arn:aws:secretsmanager:us-east-1:000000000000:secret:Other-??????"}
	}, nil)
	if got := s.status(t, s.key(t)); got != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", got)
	}
	if s.denied("Guard", "secretsmanager:GetSecretValue") != 1 {
		t.Errorf("usage: %+v", s.Usage().IAM)
	}
	log.await(t, "assumed-role/GuardRole/Guard action=secretsmanager:GetSecretValue resource="+s.Outputs["KeyArn"])
}

func TestSecretIsAnotherEachStart(t *testing.T) {
	first, _ := guarded(t, nil, nil)
	second, _ := guarded(t, nil, nil)
	if a, b := first.key(t), second.key(t); a == b || len(a) != 64 || len(b) != 64 {
		t.Errorf("keys of %d and %d characters, the same: %v", len(a), len(b), a == b)
	}
}

func TestParametersReachTheFunctions(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*stack.Options)
		want   int // status without a token
	}{
		"default":   {nil, http.StatusUnauthorized},
		"anonymous": {func(o *stack.Options) { o.Anonymous = true }, http.StatusSwitchingProtocols},
		"parameter": {func(o *stack.Options) { o.Parameters = map[string]string{"AllowAnonymous": "true"} }, http.StatusSwitchingProtocols},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := guarded(t, nil, c.change)
			if got := s.status(t, ""); got != c.want {
				t.Errorf("status %d, want %d", got, c.want)
			}
		})
	}
}

// TestHandshakesAreNotLogged plants a text wherever a client can put one, for every way
// in which a handshake ends.
func TestHandshakesAreNotLogged(t *testing.T) {
	const planted = "planted5EcReT"
	s, log := guarded(t, nil, func(o *stack.Options) { o.AllowOrigins = []string{"https://" + planted} })
	key := s.key(t)
	for token, want := range map[string]int{"broken" + planted: http.StatusInternalServerError, planted: http.StatusForbidden, key: http.StatusSwitchingProtocols} {
		_, response := s.handshake(t, "?token="+token+"&"+planted+"=%zz", http.Header{
			"Cookie": {planted}, "Origin": {"https://" + planted}, "User-Agent": {planted}, "Sec-WebSocket-Protocol": {planted},
		})
		if response.StatusCode != want {
			t.Errorf("token %q: %s", token, response.Status)
		}
	}
	s.Close()
	if text := log.String(); !strings.Contains(text, "function failed") || strings.Contains(text, planted) || strings.Contains(text, key) {
		t.Errorf("the log is\n%s", text)
	}
}

// TestAuthorizationThatDoesNotRunLocally wants each to be said when the stack starts.
func TestAuthorizationThatDoesNotRunLocally(t *testing.T) {
	for want, change := range map[string]func(object){
		"DefaultRoute: route $default cannot have an authorizer": func(resources object) {
			properties(resources, "DefaultRoute")["AuthorizationType"] = "CUSTOM"
		},
		"ConnectRoute: authorization type AWS_IAM does not run locally": func(resources object) {
			properties(resources, "ConnectRoute")["AuthorizationType"] = "AWS_IAM"
		},
		`route $connect: authorizer "other" is not in the template`: func(resources object) {
			properties(resources, "ConnectRoute")["AuthorizerId"] = "other"
		},
		`route $connect: authorizer "https://example.test" is no function`: func(resources object) {
			properties(resources, "Authorizer")["AuthorizerUri"] = "https://example.test"
		},
		"Authorizer: authorizer type JWT does not run locally": func(resources object) {
			properties(resources, "Authorizer")["AuthorizerType"] = "JWT"
		},
		"Authorizer: an authorizer with credentials does not run locally": func(resources object) {
			properties(resources, "Authorizer")["AuthorizerCredentialsArn"] = object{"Fn::GetAtt": []any{"GuardRole", "Arn"}}
		},
		"Key: a secret has a SecretString or a GenerateSecretString, not both": func(resources object) {
			properties(resources, "Key")["SecretString"] = "x"
		},
		"Key: InvalidParameterException: A password of length 2": func(resources object) {
			properties(resources, "Key")["GenerateSecretString"] = object{"PasswordLength": "2"}
		},
		"Key: CreateSecret: ValidationException: Invalid name.": func(resources object) {
			properties(resources, "Key")["Name"] = "a b"
		},
	} {
		if err := startErrorOf(t, ownOptions(t, "guarded.template.json", change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("start: %v, want %s", err, want)
		}
	}
}

func TestParametersThatCannotBe(t *testing.T) {
	for want, parameters := range map[string]map[string]string{
		`the template has no parameter "Other"`:                              {"Other": "1"},
		`Parameters.AllowAnonymous: "maybe" is not one of the AllowedValues`: {"AllowAnonymous": "maybe"},
	} {
		o := ownOptions(t, "guarded.template.json", nil)
		o.Parameters = parameters
		if err := startErrorOf(t, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("start: %v, want %s", err, want)
		}
	}
}
