package events_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/needs"
	"pgregory.net/rapid"
)

// subjects reads subjects.json, which other languages may test their own code with.
func subjects(t testing.TB) (rows []struct{ Subject, Segment string }) {
	t.Helper()
	data, err := os.ReadFile("subjects.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &rows); err != nil || len(rows) < 30 {
		t.Fatalf("%d subjects, %v", len(rows), err)
	}
	return rows
}

func TestUsualSubjectsHaveASegment(t *testing.T) {
	of := map[string]string{}
	for _, row := range subjects(t) {
		got, err := events.SubjectSegment(row.Subject)
		if err != nil || got != row.Segment {
			t.Errorf("%q has the segment %q, %v, want %q", row.Subject, got, err, row.Segment)
		}
		if topic, err := events.ParseTopic("users/" + got); err != nil || strings.Count(string(topic), "/") != 1 {
			t.Errorf("%q makes the topic %q, %v", row.Subject, topic, err)
		}
		if other, taken := of[got]; taken {
			t.Errorf("%q and %q have the segment %q", row.Subject, other, got)
		}
		of[got] = row.Subject
	}
}

// TestSubjectsHaveSegmentsOfTheirOwn reads the subject back from its segment, so no other
// can have the same. A segment is never a wildcard, a place in a path, or reserved.
func TestSubjectsHaveSegmentsOfTheirOwn(t *testing.T) {
	usual := rapid.StringOfN(rapid.RuneFrom([]rune(`ab7F09:.@_-|/+=~*%{} ü`+"\x00\n")), 1, 12, -1)
	rapid.Check(t, func(t *rapid.T) {
		subject := rapid.OneOf(usual, rapid.StringN(1, -1, 85)).Draw(t, "subject")
		segment, err := events.SubjectSegment(subject)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := events.ParseTopic(segment); err != nil || strings.ContainsAny(segment, "/*") || segment[0] == '@' {
			t.Fatalf("%q has the segment %q: %v", subject, segment, err)
		}
		if back := unescape(t, segment); back != subject {
			t.Fatalf("%q has the segment %q, which is %q", subject, segment, back)
		}
	})
}

func unescape(t *rapid.T, segment string) string {
	first, rest, _ := strings.Cut(segment, ":")
	if first == segment {
		return segment
	}
	for escape := range strings.SplitSeq(rest, ":") {
		b, err := hex.DecodeString(escape[:2])
		if err != nil || strings.ToUpper(escape[:2]) != escape[:2] {
			t.Fatalf("%q has the escape %q", segment, escape)
		}
		first += string(b) + escape[2:]
	}
	return first
}

func TestSubjectsWithoutASegment(t *testing.T) {
	for subject, want := range map[string]string{
		"":                       "subject is empty",
		"a\xff":                  "subject is not UTF-8",
		strings.Repeat("a", 257): "subject needs 257 bytes in a topic, which has at most 256",
		strings.Repeat("я", 43):  "subject needs 258 bytes in a topic, which has at most 256",
	} {
		if got, err := events.SubjectSegment(subject); err == nil || err.Error() != want || got != "" {
			t.Errorf("%.20q has the segment %.40q, %v, want %s", subject, got, err, want)
		}
		if got, err := events.WithSubject("users/{sub}", subject); err == nil || got != "" {
			t.Errorf("%.20q makes the name %.40q", subject, got)
		}
	}
	for _, subject := range []string{strings.Repeat("a", 256), strings.Repeat("/", 85)} {
		if _, err := events.SubjectSegment(subject); err != nil {
			t.Errorf("%.20q: %v", subject, err)
		}
	}
}

func TestWithSubjectFillsWholeSegmentsOnly(t *testing.T) {
	for name, want := range map[string]string{
		"users/{sub}/inbox": "users/a:2Fb/inbox",
		"{sub}":             "a:2Fb",
		"{sub}/**/{sub}":    "a:2Fb/**/a:2Fb",
		"users/x{sub}":      "users/x{sub}",
		"stocks":            "stocks",
	} {
		if got, err := events.WithSubject(name, "a/b"); err != nil || got != want {
			t.Errorf("%s is %s, %v, want %s", name, got, err, want)
		}
	}
}

// TestREADMESubjectsAreOurs reads the README's two columns.
func TestREADMESubjectsAreOurs(t *testing.T) {
	readme, err := os.ReadFile("../shared/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rows, _ := strings.Cut(string(readme), "    subject                      segment\n")
	rows, _, _ = strings.Cut(rows, "\n\n")
	if strings.Count(rows, "\n") < 4 {
		t.Fatalf("README has the subjects\n%s", rows)
	}
	for row := range strings.Lines(rows) {
		columns := strings.Fields(row)
		if got, err := events.SubjectSegment(columns[0]); err != nil || got != columns[1] {
			t.Errorf("README says %q, but the segment is %s, %v", columns, got, err)
		}
	}
}

// TestREADMESegmentIsOurs runs the README's JavaScript on each of the subjects.
func TestREADMESegmentIsOurs(t *testing.T) {
	node := needs.Program(t, "node", "the page's code is JavaScript")
	readme, err := os.ReadFile("../shared/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, found := strings.Cut(string(readme), "    const segment = ")
	code, _, ends := strings.Cut(code, "\n\n")
	if !found || !ends {
		t.Fatal("README has no function segment")
	}
	out, err := exec.Command(node, "-e", "const segment = "+code+`
		console.log(JSON.stringify(JSON.parse(require("fs").readFileSync("subjects.json")).map(r => segment(r.subject))))`).CombinedOutput()
	var got []string
	if err != nil || json.Unmarshal(out, &got) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, row := range subjects(t) {
		if got[i] != row.Segment {
			t.Errorf("README's code makes %q of %q, want %q", got[i], row.Subject, row.Segment)
		}
	}
}
