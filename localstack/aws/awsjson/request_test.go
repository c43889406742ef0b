package awsjson_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

type input struct {
	Text   string
	Number int
	Deep   struct{ Text string }
}

// echo is a service whose one operation answers with its input.
func echo(t *testing.T) string {
	t.Helper()
	s := &awsjson.Service{Target: "Echo_1", Operations: map[string]awsjson.Operation{
		"Echo": awsjson.Typed(func(_ context.Context, in input) (any, error) { return in, nil }),
	}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// post sends a body and gives the status and the answer.
func post(t *testing.T, url, encoding string, body []byte) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "Echo_1.Echo")
	if encoding != "" {
		request.Header.Set("Content-Encoding", encoding)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer := map[string]any{}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

// packed is a text packed with gzip.
func packed(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPackedRequestsAreUnpacked(t *testing.T) {
	url := echo(t)
	small := `{"Text":"` + strings.Repeat("x", 10_000) + `"}`
	spaces := strings.Repeat(" ", awsjson.MaxRequestBytes)
	for _, c := range []struct {
		name, encoding string
		body           []byte
		status         int
	}{
		{"plain", "", []byte(small), http.StatusOK},
		{"gzip", "gzip", packed(t, small), http.StatusOK},
		{"two pieces", "gzip", append(packed(t, small[:100]), packed(t, small[100:])...), http.StatusOK},
		{"not gzip", "gzip", []byte(small), http.StatusInternalServerError},
		{"empty", "gzip", nil, http.StatusInternalServerError},
		{"cut off", "gzip", packed(t, small)[:30], http.StatusInternalServerError},
		{"another packing", "br", []byte(small), http.StatusInternalServerError},
		{"too large", "", []byte(small + spaces), http.StatusRequestEntityTooLarge},
		{"too large once it is unpacked", "gzip", packed(t, small+spaces), http.StatusRequestEntityTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, answer := post(t, url, c.encoding, c.body)
			if status != c.status {
				t.Errorf("status %d, want %d: %v", status, c.status, answer)
			}
			if text, _ := answer["Text"].(string); (status == http.StatusOK) != (len(text) == 10_000) {
				t.Errorf("the operation got %d bytes", len(text))
			}
		})
	}
}

func TestDecodeTellsNamesApartByTheirCase(t *testing.T) {
	var in input
	if err := awsjson.Decode([]byte(`{"text":"x","NUMBER":"x","Deep":{"TEXT":7,"Text":"a"}}`), &in); err != nil || in.Text != "" || in.Deep.Text != "a" {
		t.Errorf("got %+v, %v", in, err)
	}
}

func TestDecodeRefusesWhatIsNoObject(t *testing.T) {
	for body, want := range map[string]string{
		"null":                 "the request body must be a JSON object",
		" null ":               "the request body must be a JSON object",
		"[]":                   "the request body must be a JSON object",
		"7":                    "the request body must be a JSON object",
		"":                     "the request body is not valid JSON: unexpected end of JSON input",
		"{":                    "the request body is not valid JSON: unexpected end of JSON input",
		`{"Number":"x"}`:       "STRING_VALUE cannot be converted to the type of Number",
		`{"Deep":{"Text":[]}}`: "ARRAY_VALUE cannot be converted to the type of Deep.Text",
	} {
		err := awsjson.Decode([]byte(body), &input{})
		var e *awsjson.Error
		if !errors.As(err, &e) || e.Type != "SerializationException" || e.Message != want {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
	}
}
