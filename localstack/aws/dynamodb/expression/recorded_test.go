package expression

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// recorded is one request and what Amazon's DynamoDB Local 3.3.1 answered; the
// files in testdata hold one a line. All requests were made on testdata/item.json.
type recorded struct {
	Text   string            `json:"text"`
	Names  map[string]string `json:"names"`
	Values item.Item         `json:"values"`

	Error   string    `json:"error"`   // the ValidationException's message, if there was one
	Holds   bool      `json:"holds"`   // conditions
	Item    item.Item `json:"item"`    // projections
	Changed item.Item `json:"changed"` // updates: attributes with a new value
	Gone    []string  `json:"gone"`    // updates: attributes that are no more
}

// scope opens the request's placeholders.
func (r recorded) scope() *Scope { return NewScope(r.Names, r.Values) }

// differs lists, by request, what the service itself answers instead as far as its
// documents, or requests that others have recorded there, tell.
var differs = map[string]string{
	// SIZE is on the list of reserved words.
	"size = :v": "Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: size",
	// The service has no more types than its users, and lists them in this order.
	"attribute_type(n, str)": "Invalid ConditionExpression: Incorrect operand type for operator or function; operator or function: attribute_type, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}",
	"attribute_type(n,:X)":   "Invalid ConditionExpression: Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
	// What is computed is held to the limits of what is stored, in the same words.
	"SET n = tiny + :v": tooPrecise,
	"SET n=n+:tinyfrac": tooPrecise,
	"SET n=n+:huge":     tooPrecise,
	// The service names the attribute.
	"s = :z":            "Query condition missed key schema element: p",
	"x = :z":            "Query condition missed key schema element: p",
	"#n = :p":           "Query condition missed key schema element: p",
	"x = :p AND s > :p": "Query condition missed key schema element: p",
	"p = :p AND x = :z": "Query condition missed key schema element: s",
}

const tooPrecise = "Attempting to store more than 38 significant digits in a Number"

// load reads a file of recorded requests.
func load(t testing.TB, name string) []recorded {
	t.Helper()
	data := read(t, name)
	var all []recorded
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var r recorded
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		all = append(all, r)
	}
	return all
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func recordedItem(t testing.TB) item.Item {
	t.Helper()
	it, err := item.Decode(read(t, "item.json"))
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// sameError compares an error with the recorded message, and reports whether
// there is nothing more to compare.
func (r recorded) sameError(t *testing.T, err error) (done bool) {
	t.Helper()
	want := r.Error
	if text, ok := differs[r.Text]; ok {
		want = text
	}
	if got := message(t, err); got != want {
		t.Errorf("%s\n error %q\n  want %q", r.Text, got, want)
		return true
	}
	return err != nil
}

// message is the text of a ValidationException; "" for no error.
func message(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *awsjson.Error
	if !errors.As(err, &e) || e.Type != "ValidationException" {
		t.Errorf("not a ValidationException: %v", err)
		return err.Error()
	}
	return e.Message
}

func TestConditionsAsRecorded(t *testing.T) {
	it := recordedItem(t)
	for _, r := range load(t, "condition.jsonl") {
		s := r.scope()
		c, err := s.Condition("ConditionExpression", r.Text)
		if err == nil {
			err = s.Unused()
		}
		if !r.sameError(t, err) && c.Match(it) != r.Holds {
			t.Errorf("%s: holds %v, want %v", r.Text, !r.Holds, r.Holds)
		}
	}
}

func TestUpdatesAsRecorded(t *testing.T) {
	for _, r := range load(t, "update.jsonl") {
		old := recordedItem(t)
		updated, err := update(r, old)
		if !r.sameError(t, err) {
			r.sameChange(t, updated)
		}
		if !same(old, recordedItem(t)) {
			t.Errorf("%s: changed the old item", r.Text)
		}
	}
}

func update(r recorded, old item.Item) (item.Item, error) {
	s := r.scope()
	u, err := s.Update(r.Text)
	if err == nil {
		err = s.Unused()
	}
	if err != nil {
		return nil, err
	}
	return u.Apply(old)
}

// sameChange compares an updated item with the recorded changes.
func (r recorded) sameChange(t *testing.T, updated item.Item) {
	t.Helper()
	want := recordedItem(t)
	for name, v := range r.Changed {
		want[name] = v
	}
	for _, name := range r.Gone {
		delete(want, name)
	}
	if !same(updated, want) {
		t.Errorf("%s\n  got %s\n want %s", r.Text, updated.AppendJSON(nil), want.AppendJSON(nil))
	}
}

func same(a, b item.Item) bool { return item.Equal(document(a), document(b)) }

func TestProjectionsAsRecorded(t *testing.T) {
	it := recordedItem(t)
	for _, r := range load(t, "projection.jsonl") {
		s := r.scope()
		p, err := s.Projection(r.Text)
		if err == nil {
			err = s.Unused()
		}
		if r.sameError(t, err) {
			continue
		}
		if got := p.Apply(it); !same(got, r.Item) {
			t.Errorf("%s\n  got %s\n want %s", r.Text, got.AppendJSON(nil), r.Item.AppendJSON(nil))
		}
	}
}

// Key conditions were recorded on a table with the key p, s, both Strings.
func TestKeyConditionsAsRecorded(t *testing.T) {
	for _, r := range load(t, "keycondition.jsonl") {
		s := r.scope()
		k, err := s.KeyCondition(r.Text)
		if err == nil {
			_, err = k.Bounds(Attribute{"p", item.String}, Attribute{"s", item.String})
		}
		r.sameError(t, err)
	}
}
