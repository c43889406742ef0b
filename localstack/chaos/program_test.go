package main

import (
	"os"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/shared/needs"
)

// TestNoCopyOfTheClientsIsLeftBehind: the edited clients of a mutant are there while their program
// runs, and not after it. Nor are they if it does not start.
func TestNoCopyOfTheClientsIsLeftBehind(t *testing.T) {
	needs.Program(t, "node", "Node runs the clients")
	setting, err := overlay("../..", t.TempDir(), []edit{{"shared/browser/watch.js", `this.held = !done`, `this.held = false`}})
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(setting, "=")
	t.Setenv(name, value)
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	holds := func(want int, when string) {
		t.Helper()
		if all, err := os.ReadDir(folder); err != nil || len(all) != want {
			t.Errorf("%s, the temporary folder has %v, %v", when, all, err)
		}
	}
	p, err := startProgram(t.Context(), "../..", "node")
	if err != nil {
		t.Fatal(err)
	}
	holds(1, "while the program runs")
	p.stop()
	holds(0, "after the program")
	if _, err := startProgram(t.Context(), "../..", "lynx"); err == nil {
		t.Error("clients run in lynx")
	}
	holds(0, "after a program that does not start")
}
