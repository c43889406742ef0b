package apigw_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/watchroute/watchroute/shared/apigw"
	"github.com/watchroute/watchroute/shared/watch"
)

// settings loads the SDK's configuration as a function does.
func settings(t testing.TB) aws.Config {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-west-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKID", "secret", "session")))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// open makes a poster for a test server.
func open(t testing.TB, callback string) *apigw.Poster {
	t.Helper()
	poster, err := apigw.Open(t.Context(), settings(t), callback)
	if err != nil {
		t.Fatal(err)
	}
	return poster
}

// recorded is what of a request the two clients must agree on.
type recorded struct {
	method, uri, body, contentType, scope, signedHeaders string
}

func record(r *http.Request) recorded {
	body, _ := io.ReadAll(r.Body)
	scope, rest, _ := strings.Cut(r.Header.Get("Authorization"), ", SignedHeaders=")
	signed, _, _ := strings.Cut(rest, ",")
	return recorded{r.Method, r.RequestURI, string(body), r.Header.Get("Content-Type"), scope[strings.LastIndex(scope, "Credential="):], signed}
}

// TestPostIsWhatTheSDKWouldSend compares a post with that of the SDK's own client.
func TestPostIsWhatTheSDKWouldSend(t *testing.T) {
	var requests []recorded
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests = append(requests, record(r))
	}))
	defer server.Close()
	const id, body = "L0SM9cOFvHcCIhw=", `{"type":"pong"}`
	if err := open(t, server.URL+"/live").Post(t.Context(), id, watch.NewFrame([]byte(body))); err != nil {
		t.Fatal(err)
	}
	sdk := apigatewaymanagementapi.NewFromConfig(settings(t), func(o *apigatewaymanagementapi.Options) {
		o.BaseEndpoint = aws.String(server.URL + "/live")
	})
	if _, err := sdk.PostToConnection(t.Context(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: aws.String(id), Data: []byte(body)}); err != nil {
		t.Fatal(err)
	}
	ours, theirs := requests[0], requests[1]
	// The SDK signs a header that names the attempt, which we do not send.
	theirs.signedHeaders = strings.Replace(theirs.signedHeaders, "amz-sdk-invocation-id;amz-sdk-request;", "", 1)
	if ours != theirs {
		t.Errorf("posts differ:\nours  %+v\nSDK's %+v", ours, theirs)
	}
	if ours.uri != "/live/@connections/L0SM9cOFvHcCIhw%3D" {
		t.Errorf("posted to %s", ours.uri)
	}
}

func TestPostOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		answers []int // statuses in turn; the last stays
		patient bool
		posts   int32
		gone    bool
		ok      bool
	}{
		"taken":                              {answers: []int{200}, posts: 1, ok: true},
		"gone":                               {answers: []int{410}, posts: 1, gone: true},
		"throttled":                          {answers: []int{429, 200}, posts: 1},
		"server error":                       {answers: []int{500, 200}, posts: 1},
		"patient: throttled, then taken":     {patient: true, answers: []int{429, 429, 200}, posts: 3, ok: true},
		"patient: server error, then gone":   {patient: true, answers: []int{500, 410}, posts: 2, gone: true},
		"patient: throttled all along":       {patient: true, answers: []int{429}, posts: 4},
		"patient: forbidden":                 {patient: true, answers: []int{403}, posts: 1},
		"patient: too large":                 {patient: true, answers: []int{413}, posts: 1},
		"patient: unavailable, then refused": {patient: true, answers: []int{503, 400}, posts: 2},
	} {
		t.Run(name, func(t *testing.T) {
			var posts atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				n := int(posts.Add(1))
				w.WriteHeader(c.answers[min(n, len(c.answers))-1])
			}))
			defer server.Close()
			opened := apigw.Open
			if c.patient {
				opened = apigw.OpenPatient
			}
			poster, err := opened(t.Context(), settings(t), server.URL)
			if err != nil {
				t.Fatal(err)
			}
			err = poster.Post(t.Context(), "id", watch.NewFrame([]byte("x")))
			if (err == nil) != c.ok || errors.Is(err, watch.ErrGone) != c.gone || posts.Load() != c.posts {
				t.Errorf("err %v after %d posts", err, posts.Load())
			}
		})
	}
}

func TestPostStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	if err := open(t, server.URL).Post(ctx, "id", watch.NewFrame([]byte("x"))); err == nil {
		t.Error("a post whose context ended succeeded")
	}
}

// TestPostReplacesABrokenConnection: a kept-alive one may have been closed meanwhile.
func TestPostReplacesABrokenConnection(t *testing.T) {
	var posts atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if posts.Add(1) == 1 {
			panic(http.ErrAbortHandler) // closes the connection without an answer
		}
	}))
	defer server.Close()
	if err := open(t, server.URL).Post(t.Context(), "id", watch.NewFrame([]byte("x"))); err != nil || posts.Load() < 2 {
		t.Errorf("err %v after %d posts", err, posts.Load())
	}
}

// TestPostsKeepTheirConnections posts from many at once, twice, and counts what was
// dialled: nothing the second time.
func TestPostsKeepTheirConnections(t *testing.T) {
	var dialled atomic.Int32
	release := make(chan struct{})
	var waiting atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if waiting.Add(1) == 100 {
			close(release)
		}
		<-release // all hundred are under way at once
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			dialled.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	poster := open(t, server.URL)
	round := func() {
		var posts sync.WaitGroup
		for range 100 {
			posts.Go(func() {
				if err := poster.Post(context.Background(), "id", watch.NewFrame([]byte("x"))); err != nil {
					t.Error(err)
				}
			})
		}
		posts.Wait()
	}
	round()
	warm := dialled.Load()
	round()
	if got := dialled.Load(); got != warm || warm < 100 {
		t.Errorf("%d connections after the first round, %d after the second", warm, got)
	}
}

func TestPostsGoToTheConfiguredEndpoint(t *testing.T) {
	var uri string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { uri = r.RequestURI }))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", server.URL+"/elsewhere/")
	if err := open(t, "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/live").Post(t.Context(), "id", watch.NewFrame(nil)); err != nil {
		t.Fatal(err)
	}
	if uri != "/elsewhere/@connections/id" {
		t.Errorf("posted to %s, want the endpoint of the SDK's setting", uri)
	}
	t.Setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "")
	for _, callback := range []string{"", "wss://host/live", "host/live", "://"} {
		if _, err := apigw.Open(t.Context(), settings(t), callback); err == nil {
			t.Errorf("callback %q was accepted", callback)
		}
	}
}

func BenchmarkPost(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	poster := open(b, server.URL)
	frame := watch.NewFrame([]byte(strings.Repeat("x", 256)))
	b.ReportAllocs()
	for b.Loop() {
		if err := poster.Post(context.Background(), "L0SM9cOFvHcCIhw=", frame); err != nil {
			b.Fatal(err)
		}
	}
}
