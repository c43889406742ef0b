// Package browser_test runs what proves the JavaScript client, which is beside it.
package browser_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/shared/needs"
)

const npm = "../../.build/npm"

// run gives what a program prints. It fails the test if the program does. It looks at the client's
// files, so that go test does not take a result of before they were changed.
func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	for _, pattern := range []string{"*.*", "test/*", "../client/testdata/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if _, err := os.Stat(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return out
}

// TestClient runs the tests of the client in Node: the scenarios that the Go client follows, too, and
// what only a page does.
func TestClient(t *testing.T) {
	files, err := filepath.Glob("test/*.test.js")
	if err != nil || len(files) < 2 {
		t.Fatalf("the tests are %q, %v", files, err)
	}
	run(t, needs.Program(t, "node", "Node runs the client"), append([]string{"--test"}, files...)...)
}

// mutants break the client in one place each. Each old text stands once in its file.
var mutants = []struct{ what, file, old, new string }{
	{"it gives repeats again", "order.js", `started && c.seq <= cursor.seq) return false`, `false) return false`},
	{"it passes over holes", "order.js", `c?.seq === cursor.seq + 1 ? c : undefined`, `c ? c : undefined`},
	{"it does not ask for what is missing", "watch.js", `this.probe.next(this.behind())`, `this.probe.next(false)`},
	{"it comes back without its cursor", "watch.js", `after: this.place(), view`, `view`},
	{"it does not hold changes back while a snapshot comes", "watch.js", `this.held = !done`, `this.held = false`},
	{"it takes any page for the next", "engine.js", `w && (f.from || "") === w.bookmark`, `w`},
	{"it keeps what a slow consumer has no room for", "order.js", `early.length > maxCount || `, ``},
	{"it does not wait for the answer to its unsubscribe", "engine.js", `const busy = new Set(departures.map(d => d.topic))`, `const busy = new Set()`},
	{"it trusts a connection of which it is in doubt", "engine.js", `if (back.some(d => d.doubtful)) lose(1006)`, ``},
	{"it gives up the old connection before it has another", "engine.js", `retiring = link
    retireAt`, `link?.close()
    retireAt`},
	{"it does not renew its token", "engine.js", `warned ||= renewal.due(Date.now())`, ``},
	{"it trusts a connection that it slept over", "engine.js", `moveAt = now
    } else {`, `pingAt = now
    } else {`},
	{"it connects again after it was closed", "engine.js", `    ended = true
    clearTimeout(timer)`, `    ended = false`},
	{"it keeps its connection while the page is away", "engine.js", `    suspended = true
    retire()`, `    return
    retire()`},
	{"over HTTP a publication that failed replaces a later one", "http.js", `if (r.order < item.order) throw`, `if (false) throw`},
	{"it does not try whether WebSockets work again", "http.js", `arm(attempt, every)`, ``},
	{"it takes the browser's exceptions for the service's word", "http.js", `typeof error?.code === "string" ? error.code : ""`, `error?.code`},
	{"it leaves an answer unread", "http.js", `      stop.abort() // if`, `      // if`},
	{"it does not wait as long as the service has named", "http.js", `if (why.pause > 0 &&`, `if (false &&`},
	{"a closed client keeps its locks", "tabs.js", `o.signal?.addEventListener("abort", shut)`, ``},
	{"it shares a connection of an unknown subject", "tabs.js", ` || o.token && !subject`, ``},
	{"a cursor is kept before the page is done with the event", "storage.js", `      taken()
      before = event
`, `      before = event
      taken()
`},
	{"a store that is listened to again watches anew", "store.js", `clearTimeout(later)`, ``},
}

// TestMutantsAreCaught by the tests of the client. Those that break it less are for make chaos.
func TestMutantsAreCaught(t *testing.T) {
	node := needs.Program(t, "node", "Node runs the client")
	for _, m := range mutants {
		t.Run(m.what, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for _, folder := range []string{"browser", "client/testdata"} {
				if err := os.CopyFS(filepath.Join(root, folder), os.DirFS(filepath.Join("..", folder))); err != nil {
					t.Fatal(err)
				}
			}
			file := filepath.Join(root, "browser", m.file)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), m.old); n != 1 {
				t.Fatalf("%s has the text %d times", m.file, n)
			}
			if err := os.WriteFile(file, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			command := exec.CommandContext(t.Context(), node, "--test", "--test-force-exit", "test/client.test.js", "test/scenarios.test.js", "test/http.test.js", "test/storage.test.js", "test/tabs.test.js")
			command.Dir = filepath.Join(root, "browser")
			if out, err := command.CombinedOutput(); err == nil {
				t.Errorf("it is not caught:\n%s", out)
			}
		})
	}
}

// TestTypes has TypeScript check the client against its declarations.
func TestTypes(t *testing.T) {
	run(t, needs.Installed(t, npm, "npm")+"/node_modules/.bin/tsc", "-p", ".")
}

// TestPackage sees that npm packs all that the package exports, with its types, and no tests.
func TestPackage(t *testing.T) {
	var packs []struct{ Files []struct{ Path string } }
	out, err := exec.CommandContext(t.Context(), needs.Program(t, "npm", "npm packs the client"), "pack", "--dry-run", "--json", "--offline").Output()
	if err == nil {
		err = json.Unmarshal(out, &packs)
	}
	if err != nil || len(packs) != 1 {
		t.Fatalf("npm pack: %v\n%s", err, out)
	}
	packed := map[string]bool{}
	for _, f := range packs[0].Files {
		packed[f.Path] = true
		if strings.HasPrefix(f.Path, "test/") || filepath.Ext(f.Path) == ".go" {
			t.Errorf("%s is packed", f.Path)
		}
	}
	text, err := os.ReadFile("package.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`"\./([a-z]+\.[a-z.]+)"`).FindAllStringSubmatch(string(text), -1) {
		if !packed[name[1]] {
			t.Errorf("%s is exported and not packed", name[1])
		}
	}
	for _, s := range sizes {
		if !packed[s.file] || !bytes.Contains(text, []byte(`"./`+s.file+`"`)) {
			t.Errorf("%s is not packed or not exported", s.file)
		}
	}
}

// What each file adds to a page, minified and packed with gzip, at most. The core is one with what it
// imports; the others only use what is of the core.
var sizes = []struct {
	file string
	most int
}{
	{"watchroute.js", 8191},
	{"patterns.js", 1250},
	{"http.js", 6000},
	{"tabs.js", 2800},
	{"storage.js", 900},
	{"store.js", 1200},
}

// TestSize holds the files to their sizes, and prints them.
func TestSize(t *testing.T) {
	esbuild := needs.Installed(t, npm, "npm") + "/node_modules/.bin/esbuild"
	for _, s := range sizes {
		external := "--external:./*"
		if s.file == "watchroute.js" {
			external = "--external:./patterns.js" // it is loaded by the first watch of a pattern
		}
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(run(t, esbuild, "--bundle", "--minify", "--format=esm", "--target=es2022", external, s.file)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s has %d bytes, minified and packed", s.file, packed.Len())
		if packed.Len() > s.most {
			t.Errorf("%s has %d bytes, at most %d are allowed", s.file, packed.Len(), s.most)
		}
	}
}
