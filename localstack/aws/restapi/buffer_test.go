package restapi

import (
	"reflect"
	"testing"
)

// D and R: what of a function's answer reaches the client, and under which names.
func TestBufferedAnswer(t *testing.T) {
	f := serve(t, testAPI(nil), functions{"f": answers(`{"statusCode":"418","headers":{"x-one":"1","X-Yes":true,"X-Both":"lost",
		"WWW-Authenticate":"Bearer","Date":"never","Content-Length":"1","Server":"go","Connection":"close","Transfer-Encoding":"gzip"},
		"multiValueHeaders":{"x-both":["2","3"],"Set-Cookie":["a=1","b=2"]},"body":"short and stout"}`)}, Options{})
	response := f.get("/topics/a")
	f.wants(response, 418, "short and stout")
	for name, want := range map[string][]string{
		"X-One": {"1"}, "X-Yes": {"true"}, "X-Both": {"2", "3"}, "Set-Cookie": {"a=1", "b=2"}, "Content-Type": {"application/json"},
		"X-Amzn-Remapped-Www-Authenticate": {"Bearer"}, "Www-Authenticate": nil, "X-Amzn-Remapped-Date": {"never"},
		"X-Amzn-Remapped-Content-Length": {"1"}, "X-Amzn-Remapped-Server": {"go"}, "Server": nil,
	} {
		if got := response.Header.Values(name); !reflect.DeepEqual([]string(got), want) && len(got)+len(want) > 0 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"X-Amzn-Requestid", "X-Amz-Apigw-Id", "X-Amzn-Trace-Id"} {
		if response.Header.Get(name) == "" {
			t.Errorf("there is no header %s", name)
		}
	}
	if u := f.g.Usage(); u.Requests != 1 || u.BytesOut != int64(len("short and stout")) || u.Answers[418] != 1 {
		t.Errorf("used %+v", u)
	}
}

// R: no member of a buffered answer must be there.
func TestEmptyAnswer(t *testing.T) {
	f := serve(t, testAPI(nil), functions{"f": answers(`{}`)}, Options{})
	f.wants(f.get("/topics/a"), 200, "")
}

func FuzzResult(f *testing.F) {
	f.Add([]byte(`{"statusCode":"200","headers":{"a":true},"multiValueHeaders":{"a":[]},"body":null}`))
	f.Add([]byte(`{"statusCode":2e2}`))
	f.Fuzz(func(t *testing.T, output []byte) {
		result, err := parseResult(output)
		if err == nil && (result.Status < 200 || result.Status > 599) {
			t.Errorf("status %d", result.Status)
		}
	})
}
