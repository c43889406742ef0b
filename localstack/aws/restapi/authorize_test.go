package restapi

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

const allowAll = `{"principalId":"u1","policyDocument":{"Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"*"}]},"context":{"role":"admin","level":7,"active":true}}`

// guarded puts an authorizer, the function "guard", before the method.
func guarded(sources ...string) func(*Method) {
	return func(m *Method) {
		m.Authorizer = &Authorizer{Function: "guard", Permitted: true, IdentitySources: sources}
	}
}

// policy is an answer that speaks of one resource.
func policy(effect, resource string) string {
	return fmt.Sprintf(`{"principalId":"u1","policyDocument":{"Statement":[{"Action":"execute-api:Invoke","Effect":%q,"Resource":%q}]}}`, effect, resource)
}

// D: what an authorizer answers decides between 401, 403 and 500. O: 500 has the message null.
func TestAuthorizers(t *testing.T) {
	const arn = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/live/GET/topics/"
	for name, c := range map[string]struct {
		guard      function
		wantStatus int
		wantBody   string
	}{
		"allows":                {answers(allowAll), 200, ""},
		"allows this":           {answers(policy("Allow", arn+"a%2Fb")), 200, ""},
		"allows what is below":  {answers(policy("Allow", "arn:aws:execute-api:*:*:*/live/*/topics/*")), 200, ""},
		"allows another":        {answers(policy("Allow", arn+"b")), 403, `{"message":"User is not authorized to access this resource"}`},
		"allows another method": {answers(policy("Allow", strings.Replace(arn, "GET", "POST", 1)+"*")), 403, `{"message":"User is not authorized to access this resource"}`},
		"denies":                {answers(policy("Deny", "*")), 403, `{"message":"User is not authorized to access this resource"}`},
		"says Unauthorized":     {fails("Unauthorized"), 401, `{"message":"Unauthorized"}`},
		"fails":                 {fails("no"), 500, `{"message":null}`},
		"has no room":           {full(), 500, `{"message":null}`},
		"answers nonsense":      {answers(`{"principalId":"u1"}`), 500, `{"message":null}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, testAPI(guarded()), functions{"f": answers(`{}`), "guard": c.guard}, Options{})
			f.wants(f.get("/topics/a%2Fb"), c.wantStatus, c.wantBody)
		})
	}
	f := serve(t, testAPI(func(m *Method) { guarded()(m); m.Authorizer.Permitted = false }), functions{"f": answers(`{}`), "guard": answers(allowAll)}, Options{})
	f.wants(f.get("/topics/a"), 500, `{"message":null}`)
}

// D: without an identity source the answer is 401, and the authorizer is not invoked.
func TestIdentitySources(t *testing.T) {
	called := 0
	guard := function{answer: func(context.Context, []byte) ([]byte, bool, error) { called++; return []byte(allowAll), false, nil }}
	api := testAPI(guarded("method.request.header.X-Auth", "method.request.querystring.key", "stageVariables.v"))
	api.StageVariables = map[string]string{"v": "1"}
	f := serve(t, api, functions{"f": answers(`{}`), "guard": guard}, Options{})
	f.wants(f.get("/topics/a?key=1"), 401, `{"message":"Unauthorized"}`)
	f.wants(f.do("GET", "/topics/a?key=", http.Header{"X-Auth": {"1"}}, ""), 401, `{"message":"Unauthorized"}`)
	if called != 0 {
		t.Error("the authorizer was invoked")
	}
	f.wants(f.do("GET", "/topics/a?key=1", http.Header{"X-Auth": {"1"}}, ""), 200, "")
	f.wants(f.do("GET", "/topics/a?key=1", http.Header{"X-Auth": {"1"}}, ""), 200, "")
	if called != 2 { // nothing is cached
		t.Errorf("the authorizer was invoked %d times for two requests", called)
	}
}

// D: what a REQUEST authorizer of a REST API is given, and what the function then hears of it.
func TestAuthorizerEvent(t *testing.T) {
	asked, told := make(chan []byte, 1), make(chan []byte, 1)
	guard := function{answer: func(_ context.Context, payload []byte) ([]byte, bool, error) {
		asked <- payload
		return []byte(allowAll), false, nil
	}}
	f := serve(t, testAPI(guarded()), functions{"f": records(told), "guard": guard}, Options{})
	f.wants(f.do("POST", "/topics/a%2Fb/", http.Header{"X-Two": {"1", "2"}}, "secret"), 200, "")
	event := decode(t, within(t, "the authorizer's event", asked))
	for name, want := range map[string]any{
		"type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/live/POST/topics/a%2Fb/",
		"resource": "/topics/{proxy+}", "path": "/topics/a%2Fb/", "httpMethod": "POST",
		"queryStringParameters": map[string]any{}, "multiValueQueryStringParameters": map[string]any{}, "stageVariables": map[string]any{},
		"pathParameters": map[string]any{"proxy": "a%2Fb"},
	} {
		if !reflect.DeepEqual(event[name], want) {
			t.Errorf("%s is %v, want %v", name, event[name], want)
		}
	}
	if _, ok := event["body"]; ok {
		t.Error("the authorizer is told the body")
	}
	if multi := event["multiValueHeaders"].(map[string]any); !reflect.DeepEqual(multi["X-Two"], []any{"1", "2"}) {
		t.Errorf("multiValueHeaders %v", multi)
	}
	if context := event["requestContext"].(map[string]any); context["httpMethod"] != "POST" || context["authorizer"] != nil {
		t.Errorf("requestContext %v", context)
	}
	said := decode(t, within(t, "the function's event", told))["requestContext"].(map[string]any)["authorizer"].(map[string]any)
	delete(said, "integrationLatency")
	if want := (map[string]any{"principalId": "u1", "role": "admin", "level": "7", "active": "true"}); !reflect.DeepEqual(said, want) {
		t.Errorf("requestContext.authorizer %v, want %v", said, want)
	}
}

// D: a method ARN has 1,600 bytes where there is an authorizer. U: the status beyond.
func TestMethodARNHasALimit(t *testing.T) {
	f := functions{"f": answers(`{}`), "guard": answers(allowAll)}
	path := "/topics/" + strings.Repeat("x", maxMethodARN)
	guardedAPI := serve(t, testAPI(guarded()), f, Options{})
	guardedAPI.wants(guardedAPI.get(path), 414, `{"message":"Request-URI Too Large"}`)
	lenient := serve(t, testAPI(guarded()), f, Options{LongMethodARN: true})
	lenient.wants(lenient.get(path), 200, "")
	open := serve(t, testAPI(nil), f, Options{})
	open.wants(open.get(path), 200, "")
}

// O: the answer to a client that is denied can have what the authorizer says of it. Where nothing
// is said, there is nothing.
func TestDenialCanSayWhy(t *testing.T) {
	const denial = `{"principalId":"u1","policyDocument":{"Statement":[{"Action":"execute-api:Invoke","Effect":"Deny","Resource":"*"}]},"context":{"code":"revoked","level":7}}`
	api := testAPI(guarded())
	api.Responses = map[string]Response{
		"ACCESS_DENIED": {Templates: map[string]string{"application/json": `{"code":"$context.authorizer.code","level":"$context.authorizer.level","none":"$context.authorizer.none"}`}},
		"UNAUTHORIZED":  {Templates: map[string]string{"application/json": `{"code":"$context.authorizer.code"}`}},
	}
	denied := serve(t, api, functions{"f": answers(`{}`), "guard": answers(denial)}, Options{})
	denied.wants(denied.get("/topics/a"), 403, `{"code":"revoked","level":"7","none":""}`)
	unknown := serve(t, api, functions{"f": answers(`{}`), "guard": fails("Unauthorized")}, Options{})
	unknown.wants(unknown.get("/topics/a"), 401, `{"code":""}`)
}
