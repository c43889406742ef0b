package contract_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/contract"
	"github.com/watchroute/watchroute/localstack/contract/contracttest"
)

// TestAMemberThatNoTypeNames is not sent. A client ignores one, as a later version may send it, and the
// service ignores one of a client.
func TestAMemberThatNoTypeNames(t *testing.T) {
	c := contracttest.New(t)
	const pong, page = `{"type":"pong","later":1}`, `{"topic":"a","cursor":":0","items":[],"later":1}`
	json := http.Header{"Content-Type": {"application/json"}}
	if c.Frame([]byte(pong)) == nil || c.Answer(http.MethodGet, "/topics/a", http.StatusOK, json, []byte(page)) == nil {
		t.Error("the service may send a member that no type names")
	}
	if err := c.Answer(http.MethodGet, "/topics/a", http.StatusOK, json, []byte(strings.Replace(page, `,"later":1`, "", 1))); err != nil {
		t.Error(err)
	}
	if err := c.Is("Pong", []byte(pong)); err != nil {
		t.Errorf("a client may not get a member of a later version: %v", err)
	}
	if err := c.Request([]byte(`{"action":"ping","later":1}`), []byte(`{"type":"pong"}`)); err != nil {
		t.Error(err)
	}
}

// TestWhatTheSchemaForbidsIsRefused: an answer that is no error shows that the service and the schema differ.
func TestWhatTheSchemaForbidsIsRefused(t *testing.T) {
	c := contracttest.New(t)
	for answer, wrong := range map[string]bool{`{"type":"pong"}`: true, `{"type":"error","code":"bad_request","message":"m"}`: false, "": false} {
		if err := c.Request([]byte(`{"action":"ping","id":1}`), []byte(answer)); (err != nil) != wrong {
			t.Errorf("a ping with a number as its id, answered %s: %v", answer, err)
		}
	}
	bad, one := []byte(`{"items":[{"id":1}]}`), `{"topic":"a","results":[{"id":"","error":{"code":"bad_item"}}]}`
	if c.Body(http.MethodPost, "/topics/a", bad, http.StatusOK, []byte(`{"topic":"a","results":[{"id":"i","mark":"m"}]}`)) == nil {
		t.Error("a body that the document forbids is taken")
	}
	if err := c.Body(http.MethodPost, "/topics/a", bad, http.StatusOK, []byte(one)); err != nil {
		t.Errorf("one of several items is refused: %v", err)
	}
}

func TestWhatIsKeptIsAmongTheNames(t *testing.T) {
	c, err := contract.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Frame([]byte(`{"type":"pong"}`)); err != nil {
		t.Fatal(err)
	}
	if err := c.Request([]byte(`{"action":"ping"}`), nil); err != nil {
		t.Fatal(err)
	}
	names := c.Names()
	for name, n := range c.Kept() {
		if n != 1 || !slices.Contains(names, name) {
			t.Errorf("%d of %q were kept, and the contracts name %q", n, name, names)
		}
	}
	if len(c.Kept()) != 2 || len(names) < 40 {
		t.Errorf("kept %v of %d names", c.Kept(), len(names))
	}
}
