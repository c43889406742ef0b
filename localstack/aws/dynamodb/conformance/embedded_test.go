package conformance

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
)

// startEmbedded runs the embedded engine and its streams for one test, and
// gives their endpoint.
func startEmbedded(t *testing.T) string {
	t.Helper()
	streams := stream.NewRegistry(stream.Options{})
	engine := dynamodb.New(dynamodb.Options{Streams: streams, TTLSweep: 10 * time.Millisecond})
	items, records := engine.Service(), streams.Service()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if records.Serves(r) {
			records.ServeHTTP(w, r)
			return
		}
		items.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		engine.Close()
	})
	return server.URL
}
