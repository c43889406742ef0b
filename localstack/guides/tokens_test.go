package guides_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/token/tokentest"
)

type object = map[string]any

// issued is a token in the form of a maker, and where the service finds its keys.
type issued struct {
	token, issuer, audience, jwks string
	topic                         string // of the token's subject
	editor                        bool   // may publish to news/*
}

// watchWithIssuedTokens watches with what the programs of "Tokens of your issuer" have made in their folder.
func watchWithIssuedTokens(t *testing.T, s *session) {
	key := tokentest.NewKey("k1", "RS256")
	cognito := publish(t, key, "/us-east-1_EXAMPLE")
	for _, editor := range []bool{false, true} {
		groups := []string{}
		if editor {
			groups = []string{"editors", "authors"}
		}
		for language, program := range map[string]string{
			"TypeScript": "npx tsc --module nodenext --target es2024 cognito.mts && node -e '" +
				`import("./cognito.mjs").then(async m => console.log(JSON.stringify((await m.handler(JSON.parse(process.env.EVENT))).response)))'`,
			"Python": "python3 -c '" + `import cognito, json, os; print(json.dumps(cognito.handler(json.loads(os.environ["EVENT"]), None)["response"]))'`,
		} {
			t.Run("Cognito, "+language, func(t *testing.T) {
				var out struct {
					Details struct {
						Access struct {
							Claims map[string]json.RawMessage `json:"claimsToAddOrOverride"`
						} `json:"accessTokenGeneration"`
					} `json:"claimsAndScopeOverrideDetails"`
				}
				given(t, s, program, cognitoEvent(groups), &out)
				claims := cognitoToken(cognito)
				for name, value := range out.Details.Access.Claims {
					claims[name] = value
				}
				issued{signed(t, key, claims), cognito, "1example23456789", "", "users/a36036a8-9061-424d-a737-56d57dae7bc6/inbox", editor}.watch(t)
			})
		}
		t.Run("Auth0", func(t *testing.T) {
			tenant := publish(t, key, "/")
			roles := []string{}
			if editor {
				roles = []string{"editor"}
			}
			var set map[string]json.RawMessage
			given(t, s, "node -e '"+`
				const set = {}, api = { accessToken: { setCustomClaim: (name, value) => { set[name] = value } } }
				require("./auth0.js").onExecutePostLogin(JSON.parse(process.env.EVENT), api).then(() => console.log(JSON.stringify(set)))'`, auth0Event(roles), &set)
			claims := auth0Token(tenant)
			for name, value := range set {
				claims[name] = value
			}
			issued{signed(t, key, claims), tenant, "https://watch.example", "", "users/auth0:7C5f7c8ec7c33c6c004bbafe82/inbox", editor}.watch(t)
		})
	}
	t.Run("an issuer of one's own", func(t *testing.T) {
		keys, err := os.ReadFile(filepath.Join(s.folder, "jwks.json"))
		must(t, err)
		token, err := os.ReadFile(filepath.Join(s.folder, "token"))
		must(t, err)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(keys) }))
		t.Cleanup(server.Close)
		issued{strings.TrimSpace(string(token)), "https://app.example", "", server.URL + "/jwks.json", "users/alice/inbox", false}.watch(t)
	})
}

// given runs a program in the folder of the session, and gives what it prints.
func given(t *testing.T, s *session, program string, event object, out any) {
	t.Helper()
	text, err := json.Marshal(event)
	must(t, err)
	c := exec.Command("bash", "-c", program)
	c.Dir, c.Env, c.Stderr = s.folder, append(s.env, "EVENT="+string(text)), os.Stderr
	printed, err := c.Output()
	must(t, err)
	must(t, json.Unmarshal(printed, out))
}

// cognitoEvent is one of version 2, as
// https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html has it.
func cognitoEvent(groups []string) object {
	return object{
		"version": "2", "triggerSource": "TokenGeneration_Authentication", "region": "us-east-1",
		"userPoolId": "us-east-1_EXAMPLE", "userName": "testuser",
		"callerContext": object{"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "1example23456789"},
		"request": object{
			"userAttributes": object{
				"sub": "a36036a8-9061-424d-a737-56d57dae7bc6", "cognito:user_status": "CONFIRMED",
				"email_verified": "true", "email": "testuser@example.com",
			},
			"groupConfiguration": object{"groupsToOverride": groups, "iamRolesToOverride": []string{}, "preferredRole": nil},
			"scopes":             []string{"aws.cognito.signin.user.admin"},
		},
		"response": object{"claimsAndScopeOverrideDetails": nil},
	}
}

// cognitoToken is the payload of an access token, as
// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html has it.
func cognitoToken(issuer string) object {
	now := time.Now().Unix()
	return object{
		"sub": "a36036a8-9061-424d-a737-56d57dae7bc6", "iss": issuer, "client_id": "1example23456789",
		"origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "event_id": "f43f9d1c-7ab5-4d6c-9e5b-5a4c7e0e2a11",
		"token_use": "access", "scope": "aws.cognito.signin.user.admin", "auth_time": now, "exp": now + 3600, "iat": now,
		"jti": "11111111-bbbb-cccc-dddd-eeeeeeeeeeee", "username": "testuser", "version": 2,
	}
}

// auth0Event is one of a login, as
// https://auth0.com/docs/customize/actions/reference/post-login/post-login-event-object has it.
func auth0Event(roles []string) object {
	return object{
		"authentication": object{"methods": []object{{"name": "pwd", "timestamp": "2026-11-27T00:00:00.000Z"}}},
		"authorization":  object{"roles": roles},
		"client":         object{"client_id": "AaiyAPdpYdesoKnqjj8HJqRn4T5titww", "name": "My SPA", "metadata": object{}},
		"connection":     object{"id": "con_fpe5kj482KO1eOzQ", "name": "Username-Password-Authentication", "strategy": "auth0"},
		"request":        object{"ip": "13.33.86.47", "method": "GET", "query": object{}, "body": object{}, "geoip": object{}},
		"stats":          object{"logins_count": 5},
		"tenant":         object{"id": "example"},
		"transaction":    object{"protocol": "oidc-basic-profile", "requested_scopes": []string{"openid"}},
		"user":           object{"user_id": "auth0|5f7c8ec7c33c6c004bbafe82", "email": "j@example.com", "app_metadata": object{}},
	}
}

// auth0Token is the payload of an access token of an API, as
// https://auth0.com/docs/secure/tokens/access-tokens has it: of one with the scope openid, which has two audiences.
func auth0Token(issuer string) object {
	now := time.Now().Unix()
	return object{
		"iss": issuer, "sub": "auth0|5f7c8ec7c33c6c004bbafe82", "aud": []string{"https://watch.example", issuer + "userinfo"},
		"azp": "AaiyAPdpYdesoKnqjj8HJqRn4T5titww", "exp": now + 86400, "iat": now, "scope": "openid profile",
	}
}

// signed is a token with a payload.
func signed(t *testing.T, key tokentest.Key, payload object) string {
	t.Helper()
	text, err := json.Marshal(payload)
	must(t, err)
	return key.Token(string(text))
}

// publish serves a key as an issuer whose name has a path, or ends in a slash, and gives the name.
func publish(t *testing.T, key tokentest.Key, path string) string {
	t.Helper()
	var issuer string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case strings.TrimSuffix(path, "/") + "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(object{"issuer": issuer, "jwks_uri": strings.TrimSuffix(issuer, "/") + "/.well-known/jwks.json"})
		case strings.TrimSuffix(path, "/") + "/.well-known/jwks.json":
			_ = json.NewEncoder(w).Encode(object{"keys": []any{key.JWK()}})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	issuer = server.URL + path
	return issuer
}

// watch lets a stack take tokens of this issuer. With the token one can subscribe to the subject's topic and to the
// news, and publish there as an editor only. Another audience is let in nowhere.
func (i issued) watch(t *testing.T) {
	t.Helper()
	s, err := stack.Start(t.Context(), stack.Options{Addr: "127.0.0.1:0", Root: root, Template: i.template(t, i.audience), Log: t.Output()})
	must(t, err)
	t.Cleanup(s.Close)
	socket, _, err := websocket.Dial(t.Context(), s.WebSocketURL(), &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + i.token}}})
	must(t, err)
	defer func() { _ = socket.CloseNow() }()
	ask := func(request object, want ...string) {
		t.Helper()
		must(t, wsjson.Write(t.Context(), socket, request))
		var answer struct{ Type, Code string }
		must(t, wsjson.Read(t.Context(), socket, &answer))
		if answer.Type != want[0] || len(want) > 1 && answer.Code != want[1] {
			t.Errorf("%v is answered with %+v, want %v", request, answer, want)
		}
	}
	ask(object{"action": "subscribe", "topic": i.topic}, "subscribed")
	ask(object{"action": "subscribe", "topic": "users/bob/inbox"}, "error", "forbidden")
	item := object{"action": "publish", "topic": "news/1", "item": object{"id": "1", "data": object{}}}
	if i.editor {
		ask(item, "published")
	} else {
		ask(item, "error", "forbidden")
	}
	if i.audience == "" {
		return
	}
	other, err := stack.Start(t.Context(), stack.Options{Addr: "127.0.0.1:0", Root: root, Template: i.template(t, "somebody"), Log: t.Output()})
	must(t, err)
	t.Cleanup(other.Close)
	_, answer, err := websocket.Dial(t.Context(), other.WebSocketURL(), &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + i.token}}})
	if err == nil || answer == nil || answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("for another audience, it is let in: %v, %v", answer, err)
	}
}

// template is the committed one, deployed with the issuer instead of the stack's secret.
func (i issued) template(t *testing.T, audience string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, stack.TemplateFile))
	must(t, err)
	var template object
	must(t, json.Unmarshal(text, &template))
	changed := 0
	for _, resource := range template["Resources"].(object) {
		properties, _ := resource.(object)["Properties"].(object)
		environment, _ := properties["Environment"].(object)
		settings, _ := environment["Variables"].(object)
		if settings["TOKEN_SECRET_ARN"] == nil {
			continue
		}
		delete(settings, "TOKEN_SECRET_ARN")
		for name, value := range map[string]string{"TOKEN_ISSUER": i.issuer, "TOKEN_AUDIENCE": audience, "TOKEN_JWKS_URL": i.jwks} {
			if value != "" {
				settings[name] = value
			}
		}
		changed++
	}
	if changed != 2 {
		must(t, errors.New("two functions verify tokens: authorizer and renew"))
	}
	text, err = json.Marshal(template)
	must(t, err)
	file := filepath.Join(t.TempDir(), "template.json")
	must(t, os.WriteFile(file, text, 0o600))
	return file
}
