package dynamo

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// connectionsKept is how many idle connections to DynamoDB are kept open. The
// default of 10 would have a fan-out over many topics dial anew each time.
const connectionsKept = 64

// HTTPClient makes the client that Open uses, for others who reach a DynamoDB that
// answers within microseconds. It keeps its connections, for which it sends each
// request in one write. The SDK hands its body to net/http as a
// reader of unknown kind, for which net/http sends the headers first and the body
// after. An answer that comes before the second write is accounted for makes the SDK
// close the reader under it; net/http then takes the write for failed and throws the
// connection away. A body that net/http knows to be memory has neither cost.
func HTTPClient() aws.HTTPClient {
	return oneWrite{awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = connectionsKept, connectionsKept
	})}
}

// oneWrite gives net/http bodies that it knows to be memory.
type oneWrite struct {
	client *awshttp.BuildableClient
}

// Do sends the request.
func (o oneWrite) Do(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, fmt.Errorf("read request body: %w", err)
		}
		_ = request.Body.Close() // it has been read whole
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	return o.client.Do(request)
}
