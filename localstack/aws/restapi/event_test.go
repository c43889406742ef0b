package restapi

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// told sends a request and gives the event that the function gets.
func (f *fixture) told(events <-chan []byte, method, path string, header http.Header, body string) map[string]any {
	f.Helper()
	f.wants(f.do(method, path, header, body), 200, "")
	return decode(f.T, within(f.T, "an event", events))
}

// R: the members of an event, and which of them are null, as LocalStack has recorded them on
// AWS in July 2024.
func TestEvent(t *testing.T) {
	events := make(chan []byte, 1)
	f := serve(t, testAPI(nil), functions{"f": records(events)}, Options{})
	got := f.told(events, "GET", "/topics/stocks/AAPL", http.Header{"Authorization": {"random-value"}, "User-Agent": {"go/testing"}}, "")
	for _, name := range []string{"X-Amzn-Trace-Id", "X-Forwarded-Port", "Host"} {
		headers := got["headers"].(map[string]any)
		if headers[name] == "" || headers[name] == nil {
			t.Errorf("there is no header %s", name)
		}
		delete(headers, name)
		delete(got["multiValueHeaders"].(map[string]any), name)
	}
	context := got["requestContext"].(map[string]any)
	for _, name := range []string{"extendedRequestId", "requestId", "requestTime", "requestTimeEpoch"} {
		if context[name] == nil {
			t.Errorf("there is no %s", name)
		}
		delete(context, name)
	}
	var want map[string]any
	if err := json.Unmarshal([]byte(`{
		"body": null,
		"headers": {"Accept-Encoding": "gzip", "Authorization": "random-value", "User-Agent": "go/testing", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http"},
		"httpMethod": "GET",
		"isBase64Encoded": false,
		"multiValueHeaders": {"Accept-Encoding": ["gzip"], "Authorization": ["random-value"], "User-Agent": ["go/testing"], "X-Forwarded-For": ["127.0.0.1"], "X-Forwarded-Proto": ["http"]},
		"multiValueQueryStringParameters": null,
		"path": "/topics/stocks/AAPL",
		"pathParameters": {"proxy": "stocks/AAPL"},
		"queryStringParameters": null,
		"requestContext": {
			"accountId": "123456789012", "apiId": "a1b2c3d4e5", "deploymentId": "dep1",
			"domainName": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com", "domainPrefix": "a1b2c3d4e5", "httpMethod": "GET",
			"identity": {"accessKey": null, "accountId": null, "caller": null, "cognitoAuthenticationProvider": null, "cognitoAuthenticationType": null,
				"cognitoIdentityId": null, "cognitoIdentityPoolId": null, "principalOrgId": null, "sourceIp": "127.0.0.1", "user": null,
				"userAgent": "go/testing", "userArn": null},
			"path": "/live/topics/stocks/AAPL", "protocol": "HTTP/1.1", "resourceId": "proxy", "resourcePath": "/topics/{proxy+}", "stage": "live"
		},
		"resource": "/topics/{proxy+}",
		"stageVariables": null
	}`), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the event is\n%v\nwant\n%v", got, want)
	}
}

// R: escapes, pluses and doubled slashes of the path stay; a slash at the end stays in path and
// not in the parameter.
func TestPathStaysAsItWasSent(t *testing.T) {
	events := make(chan []byte, 1)
	f := serve(t, testAPI(nil), functions{"f": records(events)}, Options{})
	for sent, want := range map[string]struct{ path, proxy string }{
		"/topics/test%2Balias@gmail.com": {"/topics/test%2Balias@gmail.com", "test%2Balias@gmail.com"},
		"/topics/test+alias@gmail.com":   {"/topics/test+alias@gmail.com", "test+alias@gmail.com"},
		"/topics/a%2Fb%20c":              {"/topics/a%2Fb%20c", "a%2Fb%20c"},
		"/topics/a//b":                   {"/topics/a//b", "a//b"},
		"/topics/a/./b/../c":             {"/topics/a/./b/../c", "a/./b/../c"},
		"/topics/a/":                     {"/topics/a/", "a"},
		"//topics/a":                     {"/topics/a", "a"},
		"/topics/stocks/*":               {"/topics/stocks/*", "stocks/*"},
	} {
		event := f.told(events, "GET", sent, nil, "")
		proxy := event["pathParameters"].(map[string]any)["proxy"]
		if event["path"] != want.path || proxy != want.proxy {
			t.Errorf("%s: path %s, proxy %s, want %+v", sent, event["path"], proxy, want)
		}
		if got := event["requestContext"].(map[string]any)["path"]; got != "/live"+sent {
			t.Errorf("%s: requestContext.path %s", sent, got)
		}
	}
}

// R: query strings are decoded, a plus is a space, and the single map holds the last value. D: a
// semicolon splits.
func TestQueryIsDecoded(t *testing.T) {
	events := make(chan []byte, 1)
	f := serve(t, testAPI(nil), functions{"f": records(events)}, Options{})
	event := f.told(events, "GET", "/topics/a?topic=x%2Fy&topic=b+c&empty=&bare;after=e:1&%zz=1", nil, "")
	single := map[string]any{"topic": "b c", "empty": "", "bare": "", "after": "e:1", "%zz": "1"}
	if got := event["queryStringParameters"]; !reflect.DeepEqual(got, single) {
		t.Errorf("queryStringParameters %v, want %v", got, single)
	}
	several := event["multiValueQueryStringParameters"].(map[string]any)["topic"]
	if !reflect.DeepEqual(several, []any{"x/y", "b c"}) {
		t.Errorf("several values %v", several)
	}
	// D: | must be escaped.
	f.wants(f.get("/topics/a?topic=a|b"), 400, `{"message":"Bad Request"}`)
}

func TestHeadersOfAnEvent(t *testing.T) {
	events := make(chan []byte, 1)
	f := serve(t, testAPI(nil), functions{"f": records(events)}, Options{})
	event := f.told(events, "POST", "/topics/a", http.Header{
		"X-Two": {"1", "2"}, "X-Forwarded-For": {"1.2.3.4"}, "Te": {"trailers"}, "Connection": {"keep-alive"}, "X-Amzn-Trace-Id": {"Root=1-2-3"},
	}, "the body: é")
	headers, multi := event["headers"].(map[string]any), event["multiValueHeaders"].(map[string]any)
	if headers["X-Two"] != "2" || !reflect.DeepEqual(multi["X-Two"], []any{"1", "2"}) {
		t.Errorf("a header with two values is %v and %v", headers["X-Two"], multi["X-Two"])
	}
	if headers["X-Forwarded-For"] != "1.2.3.4, 127.0.0.1" || headers["X-Amzn-Trace-Id"] != "Root=1-2-3" {
		t.Errorf("headers %v", headers)
	}
	for _, name := range []string{"Content-Length", "Te", "Connection"} {
		if headers[name] != nil {
			t.Errorf("header %s is %v, and is to be dropped", name, headers[name])
		}
	}
	if event["body"] != "the body: é" {
		t.Errorf("body %v", event["body"])
	}
}

// R: names are told as they were sent, but for Authorization and User-Agent.
func TestHeaderNamesStayAsTheyWereSent(t *testing.T) {
	events := make(chan []byte, 1)
	f := serve(t, testAPI(nil), functions{"f": records(events)}, Options{})
	u, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	body := strings.Repeat("GET /live/topics/a HTTP/1.1\nX-FALSE: 1\n", 4_000)
	for _, name := range []string{"tEsT-HEADeR", "test-header", "TEST-HEADER"} { // on one connection
		_, err := fmt.Fprintf(conn, "POST /live/topics/a HTTP/1.1\r\nHost: x\r\n%s: aValUE\r\nauthorization: me\r\nuser-agent: u\r\nlast-event-id: e:1\r\n%s: 2\r\nContent-Length: %d\r\n\r\n%s",
			name, strings.ToLower(name), len(body), body)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("answered %v, %v", response, err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		headers := decode(t, within(t, "an event", events))["headers"].(map[string]any)
		for name, want := range map[string]any{name: "2", "Authorization": "me", "User-Agent": "u", "last-event-id": "e:1", "Last-Event-Id": nil, "X-FALSE": nil} {
			if headers[name] != want {
				t.Errorf("header %s is %v, want %v", name, headers[name], want)
			}
		}
	}
}

// D: headers have 10,240 bytes together, and a body has 10 MB. U: the status for headers.
func TestLimitsOfARequest(t *testing.T) {
	events := make(chan []byte, 1)
	f := serve(t, testAPI(nil), functions{"f": records(events)}, Options{})
	long := http.Header{"X-Long": {strings.Repeat("x", maxHeaders)}}
	f.wants(f.do("GET", "/topics/a", long, ""), 431, `{"message":"Request Header Fields Too Large"}`)
	f.wants(f.do("POST", "/topics/a", nil, strings.Repeat("x", maxBody+1)), 413, `{"message":"HTTP content length exceeded 10485760 bytes."}`)
	if event := f.told(events, "POST", "/topics/a", nil, strings.Repeat("x", maxBody)); len(event["body"].(string)) != maxBody {
		t.Error("a body of 10 MB did not arrive")
	}
	f = serve(t, testAPI(nil), functions{"f": records(events)}, Options{LargeHeaders: true})
	f.told(events, "GET", "/topics/a", long, "")
}

// S: LocalStack has the stage below /_aws/execute-api/{id} too.
func TestLocalStacksPath(t *testing.T) {
	events := make(chan []byte, 1)
	f := serve(t, testAPI(nil), functions{"f": records(events)}, Options{})
	f.url = strings.TrimSuffix(f.url, "/live") + "/_aws/execute-api/a1b2c3d4e5/live"
	event := f.told(events, "GET", "/topics/a%2Fb", nil, "")
	if event["path"] != "/topics/a%2Fb" || event["requestContext"].(map[string]any)["path"] != "/live/topics/a%2Fb" {
		t.Errorf("path %v, %v", event["path"], event["requestContext"])
	}
}

func FuzzQuery(f *testing.F) {
	f.Add("a=b&c;d=%20&%zz&=")
	f.Fuzz(func(t *testing.T, raw string) {
		for name, values := range parseQuery(raw) {
			if len(values) == 0 {
				t.Errorf("%q has no value", name)
			}
		}
		lastValues(parseQuery(raw))
	})
}
