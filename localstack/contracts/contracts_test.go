package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/contract"
	"github.com/watchroute/watchroute/shared/grant"
)

// root is the module's folder, and here this package.
const (
	root = "../.."
	here = module + "/localstack/contracts"
)

// made are the contracts as the code makes them.
func made(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := contracts(root, here)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestContractsAreOfTheCode fails if a type, a comment or a limit has changed and no contract.
func TestContractsAreOfTheCode(t *testing.T) {
	for name, want := range made(t) {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code says: run make contracts (%v)", name, err)
		}
	}
}

// TestContractsAreMadeTheSameAgain: Go's maps have another order each time.
func TestContractsAreMadeTheSameAgain(t *testing.T) {
	first := made(t)
	for range 10 {
		for name, text := range made(t) {
			if !bytes.Equal(text, first[name]) {
				t.Fatalf("%s is different when it is made again", name)
			}
		}
	}
}

// TestEachMemberIsDescribed reads the schema as others do.
func TestEachMemberIsDescribed(t *testing.T) {
	type described struct {
		Description string               `json:"description"`
		Properties  map[string]described `json:"properties"`
	}
	var s struct {
		Defs map[string]described `json:"$defs"`
	}
	if err := json.Unmarshal(made(t)["events/"+schemaFile], &s); err != nil {
		t.Fatal(err)
	}
	members := 0
	for name, of := range s.Defs {
		if of.Description == "" {
			t.Errorf("%s has no description: give its Go type a comment", name)
		}
		for member, property := range of.Properties {
			members++
			if property.Description == "" {
				t.Errorf("%s.%s has no description: give its Go field a comment", name, member)
			}
			if first, _, _ := strings.Cut(property.Description, " "); slices.Contains([]string{"By", "Of", "Or", "That", "To", "Up", "Whose"}, first) {
				t.Errorf("%s.%s is described by a part of a sentence: %s", name, member, property.Description)
			}
		}
		if strings.Contains(of.Description, "[") && !strings.Contains(of.Description, "](") {
			t.Errorf("%s has a link of Go: %s", name, of.Description)
		}
	}
	if members < 150 {
		t.Errorf("only %d members were looked at", members)
	}
}

// checker has the schema.
func checker(t *testing.T) *contract.Checker {
	t.Helper()
	c, err := contract.New()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSamplesKeepToTheSchema: each sample is the frame that it shows, and no other.
func TestSamplesKeepToTheSchema(t *testing.T) {
	all, err := messages(root)
	if err != nil {
		t.Fatal(err)
	}
	c := checker(t)
	for _, m := range all {
		for _, sample := range m.samples {
			text, err := os.ReadFile(filepath.Join(root, "events", "samples", sample))
			if err == nil {
				err = c.Is(m.name, text)
			}
			if err != nil {
				t.Errorf("%s is no %s: %v", sample, m.name, err)
			}
		}
		if len(m.samples) == 0 {
			t.Errorf("no sample shows %s", m.name)
		}
	}
}

// TestExamplesKeepToTheSchema: no tool looks at them.
func TestExamplesKeepToTheSchema(t *testing.T) {
	var s struct {
		Defs map[string]struct{ Examples []any } `json:"$defs"`
	}
	if err := json.Unmarshal(made(t)["events/"+schemaFile], &s); err != nil {
		t.Fatal(err)
	}
	c, looked := checker(t), 0
	for name, of := range s.Defs {
		for _, example := range of.Examples {
			looked++
			if err := c.Type(name).Validate(example); err != nil {
				t.Errorf("the example %v is no %s: %v", example, name, err)
			}
		}
	}
	for name, examples := range bodyExamples {
		for _, m := range examples {
			looked++
			if err := c.Is(name, m.value.(object)[1].value.(json.RawMessage)); err != nil {
				t.Errorf("the example %s is no %s: %v", m.name, name, err)
			}
		}
	}
	for name, m := range answerSamples {
		looked++
		if err := c.Is(name, m.value.(object)[1].value.(json.RawMessage)); err != nil {
			t.Errorf("the example %s is no %s: %v", m.name, name, err)
		}
	}
	if looked < 20 {
		t.Errorf("only %d examples were looked at", looked)
	}
}

// TestNamesInTheSchemaAreThoseOfTheService tries the regular expressions of the schema beside the parsers.
func TestNamesInTheSchemaAreThoseOfTheService(t *testing.T) {
	topics := []string{"", "/", "a", "a/", "/a", "a//b", ".", "..", "...", "a/.", "a/..", "a/.x", "a/..x", "a/...", "@", "@/a", "@x", "@x/a/b/c/d/e/f/g/h", "@x/a/b/c/d/e/f/g/h/i",
		"a/b/c/d/e/f/g/h", "a/b/c/d/e/f/g/h/i", "*", "**", "a/*", "a/**", "a/***", "a/*/b", "@x/*", "@x/a/**", "a/b/c/d/e/f/g/*", "a/b/c/d/e/f/g/h/*", "@x/a/b/c/d/e/f/g/*", "a b", "ä", "a:b", "_-.:@/0", "a\n"}
	topics = append(topics, strings.Repeat("t", events.MaxTopicBytes), strings.Repeat("t", events.MaxTopicBytes+1), strings.Repeat("t", events.MaxTopicBytes-2)+"/*", strings.Repeat("t", events.MaxTopicBytes-1)+"/*")
	same(t, "Topic", topics, func(s string) error { _, err := events.ParseTopic(s); return err })
	same(t, "TopicOrPattern", topics, func(s string) error { _, err := events.ParsePattern(s); return err })
	cursors := []string{"", ":", ":0", "a:0", "a:1", "a:01", "a:-1", "A:1", "a b:1", "a:1x", "a:9007199254740991", "a:999999999999999999", "a:1000000000000000000", "a:9223372036854775807", strings.Repeat("e", events.MaxEpochBytes) + ":1", strings.Repeat("e", events.MaxEpochBytes+1) + ":1"}
	same(t, "Cursor", cursors, func(s string) error { _, err := events.ParseCursor(s); return err })
	for i := range cursors {
		cursors[i] += "~x"
	}
	same(t, "Bookmark", append(cursors, "a:1", "~", "a:1~"), func(s string) error { _, err := events.ParseBookmark(s); return err })
	same(t, "ItemID", []string{"", "a", "ä", "a\x00", "a\x1fb", "\x7f", "\u0085", "\u00a0", " ", "a/b", strings.Repeat("i", events.MaxItemIDBytes), strings.Repeat("i", events.MaxItemIDBytes+1)}, events.CheckItemID)
	same(t, "MemberName", []string{"", "a", "Ada Lovelace", "a\x00", "\u0085", strings.Repeat("n", events.MaxMemberNameBytes), strings.Repeat("n", events.MaxMemberNameBytes+1)}, events.CheckMemberName)
}

// same checks that a type of the schema and a parser agree.
func same(t *testing.T, name string, texts []string, parse func(string) error) {
	t.Helper()
	s := checker(t).Type(name)
	for _, text := range texts {
		byParser, bySchema := parse(text), s.Validate(text)
		if (byParser == nil) != (bySchema == nil) {
			t.Errorf("%s %.60q: the parser says %v, the schema %v", name, text, byParser, bySchema)
		}
	}
	if testing.Verbose() {
		fmt.Printf("%s: %d texts\n", name, len(texts))
	}
}

// TestLimitsOfAClaimAreThoseOfTheSchema: as much as the schema says is taken, and more is refused.
func TestLimitsOfAClaimAreThoseOfTheSchema(t *testing.T) {
	limits := map[string]int{}
	for _, name := range []string{"Claim", "Mask"} {
		for _, limit := range checker(t).Limits(name) {
			limits[name+limit.Kind+strings.Join(limit.Path, ".")] = limit.Most
		}
	}
	claim := func(inMask, inAll int) []byte {
		masked := fmt.Sprintf(`{"v":1,"allow":[{"topics":["**"],"actions":["read"],"mask":{"replace":{"a":"%s"}}}]}`, strings.Repeat("x", inMask-len(`""`)))
		return []byte(masked + strings.Repeat(" ", max(0, inAll-len(masked))))
	}
	for want, bad := range map[string][2]int{"": {0, 0}, "value": {1, 0}, "claim has": {0, 1}} {
		_, err := grant.Parse(claim(limits["Maskbytesreplace.*"]+bad[0], limits["Claimbytes"]+bad[1]), "alice")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("with %v more than the limits %v: %v, want %q", bad, limits, err, want)
		}
	}
}

// TestAnswersAreToldApart: what is wrong with an answer of one type is not taken for an answer of another
// type, which names fewer members.
func TestAnswersAreToldApart(t *testing.T) {
	c := checker(t)
	header := http.Header{"Content-Type": {"application/json"}}
	for _, row := range []struct{ method, good, bad string }{
		{"GET", `{"topic":"a","cursor":"e:1","items":[{"id":"i"}]}`, `{"topic":"a","cursor":"e:1","items":[{"id":7}]}`},
		{"GET", `{"topic":"a","cursor":"e:1","items":[]}`, `{"topic":"a","cursor":"e:1","items":[{"data":{}}]}`},
		{"GET", `{"topic":"a","cursor":"e:1","changes":[]}`, `{"topic":"a","cursor":"e:1","changes":[{"topic":"a"}]}`},
		{"GET", `{"topic":"a/*","topics":[]}`, `{"topic":"a/*","topics":[{"topic":"a/b"}]}`},
		{"GET", `{"topic":"a/*","cursors":{}}`, `{"topic":"a/*"}`},
		{"POST", `{"id":"i","mark":"m"}`, `{"id":"i"}`},
		{"POST", `{"topic":"a","results":[{"id":"i","mark":"m"}]}`, `{"topic":"a","results":[{}]}`},
		{"POST", `{"topic":"a","results":[]}`, `{"id":"i","mark":"m","topic":"a","results":[]}`},
	} {
		if err := c.Answer(row.method, "/topics/a", 200, header, []byte(row.good)); err != nil {
			t.Errorf("%s answers %s: %v", row.method, row.good, err)
		}
		if err := c.Answer(row.method, "/topics/a", 200, header, []byte(row.bad)); err == nil {
			t.Errorf("%s may answer %s", row.method, row.bad)
		}
	}
}

// TestEveryRouteMayBeRefusedByAPIGateway: for example, it refuses headers that are too large before any
// function runs. A client learns that from the contract.
func TestEveryRouteMayBeRefusedByAPIGateway(t *testing.T) {
	c := checker(t)
	header := http.Header{"Content-Type": {events.ProblemType}}
	for _, route := range []string{"GET /topics/a", "POST /topics/a", "DELETE /topics/a", "GET /destinations", "POST /destinations", "DELETE /destinations/d", "POST /destinations/d/pause",
		"POST /destinations/d/replay", "POST /destinations/d/test", "GET /destinations/d/secret", "GET /openapi.json", "GET /asyncapi.json"} {
		method, path, _ := strings.Cut(route, " ")
		for status, code := range map[int]events.Code{400: events.CodeBadRequest, 403: events.CodeForbidden, 405: events.CodeMethodNotAllowed, 413: events.CodeTooLarge,
			429: events.CodeTooManyRequests, 500: events.CodeInternal, 503: events.CodeUnavailable} {
			body := fmt.Appendf(nil, `{"type":"about:blank","title":"%s","status":%d,"code":%q}`, http.StatusText(status), status, code)
			if err := c.Answer(method, path, status, header, body); err != nil {
				t.Error(err)
			}
			if err := c.Answer(method, path, status, header, nil); err == nil {
				t.Errorf("%s may answer %d without a body", route, status)
			}
		}
		if err := c.Answer(http.MethodHead, path, 400, header, nil); err != nil && method == http.MethodGet {
			t.Errorf("HEAD %s: %v", path, err)
		}
	}
}
