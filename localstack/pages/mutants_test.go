package pages_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// Tests of client.test.mjs.
const (
	handsOver = "when the tab that leads crashes, the others go on with one connection"
	shares    = "two tabs have one connection, and nothing is lost or repeated when the one that leads is closed"
	freezes   = "a tab that is frozen gives up the lead, and nothing is lost or repeated"
	hangs     = "a tab that leads and does not answer any more is replaced"
	joinsLate = "a tab whose own lock comes late is not taken for one that is gone"
	goesAway  = "a page that is put away has no connection, and goes on when it comes back (tabs)"
)

// mutants break tabs.js in one place each. Each old text stands there once. The test has to fail.
var mutants = []struct{ what, old, new, test string }{
	{"a follower does not resume at the new leader", `if (m.do === "lead") {
        cut()`, `if (m.do === "lead") {`, handsOver},
	{"a follower that leads does not resume", `new Promise((_, release) => {
    cut()`, `new Promise((_, release) => {`, handsOver},
	{"a leader does not answer a tab that comes later", `socket: to.link ? to.id : dialling`, `socket: dialling`, shares},
	{"a leader has a connection for each tab", `find(s => !s.stale`, `find(s => false`, shares},
	{"a tab joins before it has its own lock", `    await held`, `    held`, joinsLate},
	{"a leader that is frozen leads on", `["pagehide", "freeze"]`, `["pagehide"]`, freezes},
	{"a leader that hangs leads on", `stand(true)`, `stand(false)`, hangs},
	{"nobody notices that the leader hangs", `        return cut()`, `        return`, hangs},
	{"a page that is away keeps its locks", `    away.abort()
`, ``, goesAway},
}

// impatience is for how many milliseconds a test waits for what a mutant may never do.
const impatience = "8000"

// catchMutants has a test fail with each mutant. Without one the tests pass, and wait no longer. That of a
// leader that hangs has a limit of its own.
func catchMutants(t *testing.T, node string, env []string) {
	env = append(env, "PATIENCE="+impatience)
	run := func(t *testing.T, name string, more []string, tests ...string) (string, error) {
		for i := range tests {
			tests[i] = regexp.QuoteMeta(tests[i])
		}
		var out strings.Builder
		own := append([]string{"RUN=-" + name}, more...)
		err := runNode(t, node, &out, append(own, env...), "--test-name-pattern=^("+strings.Join(tests, "|")+")$", "client.test.mjs")
		return out.String(), err
	}
	t.Run("no mutant", func(t *testing.T) {
		t.Parallel()
		if out, err := run(t, "whole", nil, handsOver, shares, freezes, joinsLate, goesAway); err != nil || !strings.Contains(out, "pass 5\n") {
			t.Errorf("the tests do not pass: %v\n%s", err, out)
		}
	})
	for i, m := range mutants {
		t.Run(m.what, func(t *testing.T) {
			t.Parallel()
			edit, err := json.Marshal(map[string]string{"path": "/browser/tabs.js", "old": m.old, "new": m.new})
			if err != nil {
				t.Fatal(err)
			}
			out, err := run(t, fmt.Sprint(i), []string{"EDIT=" + string(edit)}, m.test)
			if err == nil || !strings.Contains(out, "AssertionError") || strings.Contains(out, "has the text") {
				t.Errorf("it is not caught: %v\n%s", err, out)
			}
			t.Log(regexp.MustCompile(`AssertionError.*`).FindString(out))
		})
	}
}
