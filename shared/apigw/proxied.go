package apigw

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/watchroute/watchroute/shared/kept"
)

// open chooses how calls to an address are made: over kept connections, or by net/http if a proxy
// is configured.
func open(address *url.URL, proxy func(*http.Request) (*url.URL, error)) (transport, error) {
	through, err := proxy(&http.Request{URL: address})
	if err != nil {
		return nil, fmt.Errorf("read the proxy's address: %w", err)
	}
	if through == nil {
		return direct{kept.New(address, connectionsKept)}, nil
	}
	origin := url.URL{Scheme: address.Scheme, Host: address.Host}
	return &proxied{origin: origin.String(), http: &http.Client{Timeout: attemptTime, Transport: &http.Transport{
		Proxy:               http.ProxyURL(through),
		MaxIdleConns:        connectionsKept,
		MaxIdleConnsPerHost: connectionsKept,
		IdleConnTimeout:     kept.IdleTime,
		TLSHandshakeTimeout: attemptTime,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2: it multiplexes onto one connection
	}}}, nil
}

// proxied makes calls through a proxy.
type proxied struct {
	origin string // scheme and host
	http   *http.Client
}

func (p *proxied) do(ctx context.Context, c call) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, c.method, p.origin+c.path+c.id, bytes.NewReader(c.body))
	if err != nil {
		return answer{}, fmt.Errorf("make call: %w", err)
	}
	if typed(c.method) {
		request.Header.Set("Content-Type", mediaType)
	}
	c.signature.addTo(request.Header)
	request.Host = c.host
	response, err := p.http.Do(request)
	if err != nil {
		return answer{}, kept.Failure(ctx, err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, answerLimit)) // read to the end, so that net/http keeps the connection
	return answerTo(response), nil
}

// answerTo takes the parts that the caller needs from a response.
func answerTo(response *http.Response) answer {
	return answer{response.StatusCode, response.Header.Get("X-Amzn-Errortype")}
}
