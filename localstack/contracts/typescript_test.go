package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/shared/needs"
)

// TestSamplesAreOfTheTypes has TypeScript hold each sample to the type of its frame. It knows no member
// that the type does not name, and sees what is no frame.
func TestSamplesAreOfTheTypes(t *testing.T) {
	npm := needs.Installed(t, root+"/.build/npm", "npm")
	all, err := messages(root)
	if err != nil {
		t.Fatal(err)
	}
	program := strings.Builder{}
	program.WriteString("import type * as wire from \"./wire.d.ts\"\n")
	samples := 0
	for _, m := range all {
		either := "ServerFrame"
		if m.asks() {
			either = "ClientFrame"
		}
		for _, sample := range m.samples {
			text, err := os.ReadFile(filepath.Join(root, "events", "samples", sample))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&program, "export const sample%d: wire.%s = %s\n", samples, m.name, text)
			fmt.Fprintf(&program, "export const either%d: wire.%s = sample%[1]d\n", samples, either)
			samples++
		}
	}
	if samples < 30 {
		t.Errorf("only %d samples were looked at", samples)
	}
	program.WriteString("export const later: wire.Error = { type: \"error\", code: \"a_code_of_tomorrow\", message: \"\" }\n")
	for _, bad := range []string{
		`ClientFrame = { action: "subscribe" }`,
		`ClientFrame = { action: "subscribe", topic: "a", snapshots: true }`,
		`Change = { topic: "a", epoch: "e", seq: 1, op: "changed" }`,
		`Error = { type: "error", code: 1, message: "" }`,
		`Item = { id: "a", data: 1 }`,
	} {
		fmt.Fprintf(&program, "// @ts-expect-error\nexport const bad%d: wire.%s\n", program.Len(), bad)
	}
	folder := t.TempDir()
	for name, text := range map[string][]byte{"samples.ts": []byte(program.String()), "wire.d.ts": made(t)[typesFile]} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tsc := exec.CommandContext(t.Context(), npm+"/node_modules/.bin/tsc", "--ignoreConfig", "--noEmit", "--strict",
		"--module", "nodenext", "--target", "es2022", "--allowImportingTsExtensions", "samples.ts")
	tsc.Dir = folder
	if text, err := tsc.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}
