package dynamo

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// connectionsKept is how many idle connections to DynamoDB are kept open. The
// default of 10 would have a fan-out over many topics dial anew each time.
const connectionsKept = 64

// transport sends each request in one write. The SDK hands its body to net/http as a
// reader of unknown kind, for which net/http sends the headers first and the body
// after. An answer that comes before the second write is accounted for makes the SDK
// close the reader under it; net/http then takes the write for failed and throws the
// connection away. A body that net/http knows to be memory has neither cost.
type transport struct {
	client *awshttp.BuildableClient
}

func newTransport() transport {
	return transport{awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = connectionsKept, connectionsKept
	})}
}

// Do sends the request.
func (t transport) Do(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, fmt.Errorf("read request body: %w", err)
		}
		_ = request.Body.Close() // it has been read whole
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	return t.client.Do(request)
}
