package apigateway

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"
	"github.com/coder/websocket"

	"github.com/watchroute/watchroute/shared/dynamo"
)

const nobody = "L0SM9cOFvHcCIhw="

// TestManagement holds the table of @connections answers.
func TestManagement(t *testing.T) {
	f := serve(t, testAPI(nil), nil, Options{})
	ws := f.dial(nil)
	go func() { ws.closed() }()
	id := f.id()
	for _, c := range []struct {
		name, method, path, body string
		unsigned                 bool
		status                   int
		kind, answer             string
	}{
		{"post", "POST", "/@connections/" + id, "hi", false, 200, "", ""},
		{"post with the = escaped", "POST", "/@connections/" + url.QueryEscape(id), "hi", false, 200, "", ""},
		{"post with the @ escaped", "POST", "/%40connections/" + id, "hi", false, 200, "", ""},
		{"post of 128 KB", "POST", "/@connections/" + id, strings.Repeat("x", MessageLimit), false, 200, "", ""},
		{"post of 128 KB and a byte", "POST", "/@connections/" + id, strings.Repeat("x", MessageLimit+1), false, 413, "PayloadTooLargeException", `{"message":"Message too long"}`},
		{"post of too much to nobody", "POST", "/@connections/" + nobody, strings.Repeat("x", MessageLimit+1), false, 413, "PayloadTooLargeException", `{"message":"Message too long"}`},
		{"post to nobody", "POST", "/@connections/" + nobody, "hi", false, 410, "GoneException", ""},
		{"get of nobody", "GET", "/@connections/" + nobody, "", false, 410, "GoneException", ""},
		{"delete of nobody", "DELETE", "/@connections/" + nobody, "", false, 410, "GoneException", ""},
		{"malformed id", "POST", "/@connections/nope", "hi", false, 400, "BadRequestException", `{"message":"Invalid connectionId: nope"}`},
		{"malformed id with quotes", "POST", `/@connections/%22%00%0A`, "hi", false, 400, "BadRequestException", `{"message":"Invalid connectionId: \"\u0000\n"}`},
		{"no id", "POST", "/@connections/", "hi", false, 400, "BadRequestException", `{"message":"Invalid connectionId: "}`},
		{"no signature", "POST", "/@connections/" + id, "hi", true, 403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`},
		{"no such method", "PUT", "/@connections/" + id, "hi", false, 403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`},
		{"no such stage", "POST", "x/@connections/" + id, "hi", false, 403, "ForbiddenException", `{"message":"Forbidden"}`},
		{"delete", "DELETE", "/@connections/" + id, "", false, 204, "", ""},
		{"post after delete", "POST", "/@connections/" + id, "hi", false, 410, "GoneException", ""},
		{"delete after delete", "DELETE", "/@connections/" + id, "", false, 410, "GoneException", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), c.method, f.url+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if !c.unsigned {
				sign(request)
			}
			response := f.do(request)
			answer, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != c.status || response.Header.Get("x-amzn-ErrorType") != c.kind || string(answer) != c.answer {
				t.Errorf("%d %s %s", response.StatusCode, response.Header.Get("x-amzn-ErrorType"), answer)
			}
			if response.Header.Get("x-amzn-RequestId") == "" {
				t.Error("no request id")
			}
		})
	}
	if posts := f.g.Usage().Posts; posts[200] != 4 || posts[410] != 2 || posts[413] != 2 || posts[400] != 3 || posts[403] != 1 {
		t.Errorf("posts %v", posts)
	}
}

// TestManagementChunked: the size is kept without a Content-Length, too.
func TestManagementChunked(t *testing.T) {
	f := serve(t, testAPI(nil), nil, Options{})
	f.dial(nil)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/@connections/"+f.id(), io.MultiReader(strings.NewReader(strings.Repeat("x", MessageLimit+1))))
	if err != nil {
		t.Fatal(err)
	}
	sign(request)
	if response := f.do(request); response.StatusCode != 413 {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestManagementSigning(t *testing.T) {
	presigned := "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260209%2Feu-west-1%2Fexecute-api%2Faws4_request"
	for _, c := range []struct {
		name, authorization, query string
		unsigned                   bool
		want                       int
	}{
		{"none", "", "", false, 403},
		{"basic", "Basic YTpi", "", false, 403},
		{"another service", "AWS4-HMAC-SHA256 Credential=AKID/20260209/eu-west-1/dynamodb/aws4_request, Signature=0", "", false, 403},
		{"execute-api", "AWS4-HMAC-SHA256 Credential=AKID/20260209/eu-west-1/execute-api/aws4_request, Signature=0", "", false, 410},
		{"presigned", "", presigned, false, 410},
		{"presigned for another service", "", strings.Replace(presigned, "execute-api", "sqs", 1), false, 403},
		{"none, with the switch", "", "", true, 410},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := serve(t, testAPI(nil), nil, Options{Unsigned: c.unsigned})
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"/@connections/"+nobody+c.query, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.authorization != "" {
				request.Header.Set("Authorization", c.authorization)
			}
			if response := f.do(request); response.StatusCode != c.want {
				t.Errorf("status %d, want %d", response.StatusCode, c.want)
			}
		})
	}
}

func TestMalformedIDGone(t *testing.T) {
	f := serve(t, testAPI(nil), nil, Options{MalformedIDGone: true})
	if response := f.manage(http.MethodPost, "nope", ""); response.StatusCode != 410 {
		t.Errorf("status %d", response.StatusCode)
	}
}

// TestDeleteAtOnce: a deleted connection is gone before its client has agreed.
func TestDeleteAtOnce(t *testing.T) {
	f := serve(t, testAPI(nil), nil, Options{})
	f.dial(nil) // never reads
	id := f.id()
	if response := f.manage(http.MethodDelete, id, ""); response.StatusCode != 204 {
		t.Errorf("DELETE: %d", response.StatusCode)
	}
	for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
		if response := f.manage(method, id, ""); response.StatusCode != 410 {
			t.Errorf("%s afterwards: %d, want 410", method, response.StatusCode)
		}
	}
}

// TestSDK holds the management API to the client that functions use.
func TestSDK(t *testing.T) {
	f := serve(t, testAPI(nil), nil, Options{Connects: Throttle{Rate: -1}})
	api := sdkClient(f)
	began := time.Now().Truncate(time.Millisecond)
	ws := f.dial(&websocket.DialOptions{HTTPHeader: http.Header{"User-Agent": {"ua/1.0"}}})
	id, ctx := aws.String(f.id()), t.Context()
	if _, err := api.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: id, Data: []byte(`{"é":1}`)}); err != nil {
		t.Fatal(err)
	}
	kind, message, err := ws.Read(ctx)
	if err != nil || kind != websocket.MessageText || string(message) != `{"é":1}` {
		t.Errorf("heard %v %q, %v", kind, message, err)
	}
	info, err := api.GetConnection(ctx, &apigatewaymanagementapi.GetConnectionInput{ConnectionId: id})
	if err != nil {
		t.Fatal(err)
	}
	if info.ConnectedAt.Before(began) || info.LastActiveAt.Before(*info.ConnectedAt) || info.LastActiveAt.After(time.Now()) ||
		*info.Identity.SourceIp != "127.0.0.1" || *info.Identity.UserAgent != "ua/1.0" {
		t.Errorf("connected %v, active %v, %+v", info.ConnectedAt, info.LastActiveAt, info.Identity)
	}
	if _, err := api.DeleteConnection(ctx, &apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: id}); err != nil {
		t.Fatal(err)
	}
	if code, reason := ws.closed(); code != websocket.StatusNormalClosure || reason != "Connection Closed Normally" {
		t.Errorf("closed with %d %q", code, reason)
	}
	_, err = api.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: id, Data: []byte("x")})
	if gone := (*types.GoneException)(nil); !errors.As(err, &gone) {
		t.Errorf("post to the gone: %v", err)
	}
}

func TestSDKErrors(t *testing.T) {
	f := serve(t, testAPI(nil), nil, Options{Account: Throttle{Burst: 2, Rate: 1e-9}})
	f.dial(nil) // takes one token
	api, ctx, id := sdkClient(f), t.Context(), aws.String(f.id())
	_, err := api.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: id, Data: make([]byte, MessageLimit+1)})
	if large := (*types.PayloadTooLargeException)(nil); !errors.As(err, &large) || *large.Message == "" {
		t.Errorf("too large: %v", err)
	}
	_, err = api.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: id, Data: []byte("x")})
	if limit := (*types.LimitExceededException)(nil); !errors.As(err, &limit) {
		t.Errorf("throttled: %v", err)
	}
}

func sdkClient(f *fixture) *apigatewaymanagementapi.Client {
	return apigatewaymanagementapi.New(apigatewaymanagementapi.Options{
		BaseEndpoint:     aws.String(f.url),
		Region:           "eu-west-1",
		Credentials:      credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
		RetryMaxAttempts: 1,
		HTTPClient:       dynamo.HTTPClient(),
	})
}

// FuzzManagementPath: no path panics or is taken for a connection, and every
// answer has a status that is documented.
func FuzzManagementPath(f *testing.F) {
	for _, path := range []string{"/live/@connections/" + nobody, "/live/@connections/a/b", "/live/@connections", "/live/../live/@connections/x", "//live", "/livelive/@connections/x", "/live/%"} {
		f.Add(path, "POST")
	}
	f.Add("/live/", "GET")
	g := New(testAPI(nil), nil, Options{Unsigned: true, Account: Throttle{Rate: -1}, Connects: Throttle{Rate: -1}})
	f.Cleanup(g.Close)
	f.Fuzz(func(t *testing.T, path, method string) {
		request := &http.Request{Method: method, URL: &url.URL{Path: path}, Header: http.Header{}, Body: http.NoBody, ProtoMajor: 1, ProtoMinor: 1}
		recorder := httptest.NewRecorder()
		g.ServeHTTP(recorder, request)
		switch recorder.Code {
		case 400, 403, 410, 414, 426:
		default:
			t.Errorf("%s %q: %d", method, path, recorder.Code)
		}
	})
}
