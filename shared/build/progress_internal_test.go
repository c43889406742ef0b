package build

import (
	"slices"
	"strings"
	"testing"
)

func TestProgressOnATerminalIsOneLine(t *testing.T) {
	var told strings.Builder
	c := counter{out: &told, rewrite: true, pending: map[string]bool{"a": true, "b/c": true, "functions/d": false}}
	others := c.filter(strings.NewReader("a\n# b/c\nc.go:1:1: no\nb/c\nfunctions/d\n"))
	if want := "\rcompiled 0 of 2 packages\rcompiled 1 of 2 packages\rcompiled 2 of 2 packages\n"; told.String() != want {
		t.Errorf("told %q, want %q", told.String(), want)
	}
	if want := []string{"# b/c", "c.go:1:1: no"}; !slices.Equal(others, want) {
		t.Errorf("other lines are %q, want %q", others, want)
	}
}

func TestProgressElsewhereIsALineForEachHundred(t *testing.T) {
	var told strings.Builder
	c := counter{out: &told, pending: map[string]bool{}}
	var lines []string
	for n := range 250 {
		path := strings.Repeat("p", n+1)
		c.pending[path] = true
		lines = append(lines, path)
	}
	c.filter(strings.NewReader(strings.Join(lines, "\n")))
	want := "compiled 0 of 250 packages\ncompiled 100 of 250 packages\ncompiled 200 of 250 packages\ncompiled 250 of 250 packages\n"
	if told.String() != want {
		t.Errorf("told %q, want %q", told.String(), want)
	}
}
