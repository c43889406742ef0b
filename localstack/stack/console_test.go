package stack_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// change sends what a page of the stack sends to change something, and gives its answer.
func (s *running) change(t *testing.T, path, body string) (status int, answer map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Origin", s.URL())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

// TestConsoleIsServedBesideTheAPIs: the page is at /, where the AWS APIs take POSTs.
func TestConsoleIsServedBesideTheAPIs(t *testing.T) {
	s := start(t, nil)
	for path, want := range map[string]string{"/": "<title>Watchroute", "/browser/watchroute.js": "WatchClient"} {
		response, err := http.Get(s.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(want)) {
			t.Errorf("%s is answered %s, %v, without %s", path, response.Status, err, want)
		}
	}
	s.put(t, "stocks/AAPL", "quote", "1") // by a POST of the SDK to /
	status, answer := s.change(t, "/_localstack/token", `{"sub":"ada","claim":{"v":1,"allow":[{"topics":["stocks/*"],"actions":["subscribe"]}]}}`)
	if status != http.StatusOK {
		t.Fatalf("the token is answered %d, %v", status, answer)
	}
	c := s.connectWith(t, answer["token"].(string))
	c.send(`{"action":"subscribe","id":"q","topic":"stocks/AAPL"}`)
	if got := string(c.read()); !strings.Contains(got, `"subscribed"`) {
		t.Errorf("what the token allows is answered %s", got)
	}
	c.send(`{"action":"subscribe","id":"q","topic":"rooms/1"}`)
	if got := string(c.read()); !strings.Contains(got, `"forbidden"`) {
		t.Errorf("what the token does not allow is answered %s", got)
	}
}
