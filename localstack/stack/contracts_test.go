package stack_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/contract"
)

// fetch asks for a URL as anybody would.
func fetch(t *testing.T, url, token string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s is answered %d %s, %v", url, response.StatusCode, body, err)
	}
	return response, body
}

// isKept fetches a document, and asks whether it is still the same.
func isKept(t *testing.T, url string) []byte {
	t.Helper()
	first, body := fetch(t, url, "")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("If-None-Match", first.Header.Get("ETag"))
	again, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Body.Close()
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("%s is answered %d the second time", url, again.StatusCode)
	}
	return body
}

// followsItsContracts goes where the contracts lead that the service answers with, and holds what it finds
// there to them. The token is for reading and watching a topic that has a change.
func (s *running) followsItsContracts(t *testing.T, token string, topic events.Topic) {
	t.Helper()
	openAPI := isKept(t, s.HTTPURL()+"/openapi.json") // and from here on only where it leads
	var web struct {
		Servers []struct{ URL string }
		Paths   map[string]struct {
			Get struct {
				ExternalDocs struct{ URL string }
			}
		}
	}
	if err := json.Unmarshal(openAPI, &web); err != nil || len(web.Servers) != 1 {
		t.Fatalf("openapi.json has the servers %v, %v", web.Servers, err)
	}
	asyncAPI := isKept(t, web.Paths["/"].Get.ExternalDocs.URL)
	var socket struct {
		Servers struct {
			Service struct {
				Protocol, Host, Pathname string
				Security                 []struct {
					Ref string `json:"$ref"`
				}
			}
		}
	}
	if err := json.Unmarshal(asyncAPI, &socket); err != nil {
		t.Fatal(err)
	}
	at := socket.Servers.Service
	if len(at.Security) != 3 || !strings.HasSuffix(at.Security[0].Ref, "/bearer") {
		t.Errorf("a token is sent by %v", at.Security)
	}
	said, err := contract.Of(openAPI, asyncAPI)
	if err != nil {
		t.Fatal(err)
	}
	conn, _, err := websocket.Dial(t.Context(), at.Protocol+"://"+at.Host+at.Pathname, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	request := `{"action":"subscribe","topic":"` + string(topic) + `","snapshot":true}`
	if err := said.Is("Subscribe", []byte(request)); err != nil {
		t.Error(err)
	}
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(request)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // subscribed, and snapshot
		_, frame, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := said.Frame(frame); err != nil {
			t.Error(err)
		}
	}
	path := "/topics/" + string(topic)
	response, items := fetch(t, web.Servers[0].URL+path, token)
	if err := said.Answer(http.MethodGet, path, response.StatusCode, response.Header, items); err != nil {
		t.Error(err)
	}
	if kept := said.Kept(); kept["frame Subscribed"] != 1 || kept["frame Snapshot"] != 1 {
		t.Errorf("what came was %v", kept)
	}
}
