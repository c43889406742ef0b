package apigateway

import "testing"

func FuzzProxyResult(f *testing.F) {
	f.Add([]byte(`{"statusCode":"200","headers":{"Sec-WebSocket-Protocol":1},"multiValueHeaders":{"a":[]},"body":null}`))
	f.Add([]byte(`{"statusCode":2e2}`))
	f.Fuzz(func(t *testing.T, output []byte) {
		for _, lenient := range []bool{false, true} {
			result, err := parseResult(output, lenient)
			if err == nil && (result.StatusCode < 200 || result.StatusCode > 599) {
				t.Errorf("status %d", result.StatusCode)
			}
			_ = result.subprotocol()
		}
	})
}
