package guides_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/shared/needs"
)

// browser is the page whose JavaScript is compiled.
const browser = "shared/browser/README.md"

// readers are the names that the page leaves to the reader's own code.
const readers = `import type * as watchroute from "./watchroute.js"
declare global {
  const WatchClient: typeof watchroute.WatchClient, client: watchroute.WatchClient
  const url: string, token: () => Promise<string>, signal: AbortSignal
  function show(...what: unknown[]): void
  function forget(topic: string): void
  function remove(topic: string, id: string): void
  function apply(change: unknown): Promise<void>
  function useSyncExternalStore<T>(subscribe: (heard: () => void) => () => void, snapshot: () => T): T
}
`

// TestTheBrowsersSnippetsFitItsTypes compiles each block as a module of its own, beside the client.
func TestTheBrowsersSnippetsFitItsTypes(t *testing.T) {
	if !*asked {
		t.Skip("`make guides` compiles the snippets of the browser client")
	}
	t.Setenv("CI", "1")
	installed, folder := needs.Installed(t, root+"/.build/guides", "guides"), t.TempDir()
	declarations, err := filepath.Glob(root + "/shared/browser/*.d.ts")
	must(t, err)
	for _, path := range declarations {
		text, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(folder, filepath.Base(path)), text, 0o600))
	}
	must(t, os.WriteFile(filepath.Join(folder, "reader.d.ts"), []byte(readers), 0o600))
	must(t, os.WriteFile(filepath.Join(folder, "package.json"), []byte(`{"type":"module"}`), 0o600))
	args := []string{"--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2024", "--lib", "es2024,dom", "reader.d.ts"}
	for i, s := range snippets(t, browser) {
		if s.language == "js" {
			name := fmt.Sprintf("snippet%d.ts", i)
			must(t, os.WriteFile(filepath.Join(folder, name), []byte(s.text+"export {}\n"), 0o600))
			args = append(args, name)
		}
	}
	c := exec.Command(filepath.Join(installed, "node_modules/.bin/tsc"), args...)
	c.Dir = folder
	if out, err := c.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "" {
		t.Errorf("%v\n%s", err, out)
	}
}
