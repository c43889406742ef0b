// Package guides_test runs the snippets of the READMEs: what a page shows is what a reader gets.
//
// Each section of a page is done as a reader would do it, in a terminal of its own, with a new local stack:
//
//   - A block whose first line is a comment with a file's name is that file, for all sections.
//   - A console block has commands after "$ ", and then what they print. A command with & runs on, and may print
//     later. What stands after "> " is typed into the wscat before it, and what stands after "< " comes from there.
//     One with the comment "until Ctrl-C" goes on in another terminal, and prints something. An indented block that
//     begins with "$ " or "< " is a console block, too.
//   - A sh block has commands that print nothing. In one that is marked as "either", each line is an alternative, and
//     the section is done once with each.
//   - A block of python, ts, js or go that is no file is run, and prints nothing. If one of go has no package, it gets
//     main, a ctx, and the imports of the packages that it names.
//
// In what a page shows, … is anything, the epoch and times are others, and localhost:4566 is the stack.
// The JavaScript of shared/browser/README.md calls functions of the reader's page. It is compiled with the client's
// types. What cannot be run stands in notRun, with the reason.
package guides_test

import (
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/needs"
)

var asked = flag.Bool("guides", false, "run the snippets of the READMEs")

// after is what else is done with what a section has made.
var after = map[string]func(*testing.T, *session){
	"shared/README.md: Tokens of your issuer": watchWithIssuedTokens,
}

// TestGuides runs all snippets, section by section.
func TestGuides(t *testing.T) {
	if !*asked {
		t.Skip("`make guides` runs the snippets of the READMEs")
	}
	t.Setenv("CI", "1") // who asks for this wants to hear what is missing
	for _, program := range []string{"bash", "curl", "jq", "openssl", "script", "node", "go", "make"} {
		needs.Program(t, program, "the snippets need it")
	}
	installed := needs.Installed(t, root+"/.build/guides", "guides")
	files, sections, order := map[string]string{}, map[string][]snippet{}, []string{}
	for _, page := range pages(t) {
		for _, s := range snippets(t, page) {
			_, excepted := s.notRun()
			if excepted || s.page == browser && s.language == "js" || !slices.Contains(code, s.language) && s.file() == "" {
				continue
			}
			if name := s.file(); name != "" {
				if files[name] != "" {
					t.Errorf("two blocks are the file %s", name)
				}
				files[name] = s.text
				continue
			}
			name := s.page + ": " + s.section
			if sections[name] == nil {
				order = append(order, name)
			}
			sections[name] = append(sections[name], s)
		}
	}
	for _, name := range order {
		for _, alternative := range alternatives(sections[name]) {
			title := name
			if alternative != "" {
				title += ": " + alternative
			}
			t.Run(title, func(t *testing.T) {
				t.Parallel()
				s := begin(t, installed, files)
				for _, b := range sections[name] {
					s.play(b, alternative)
				}
				s.finish()
				if then := after[name]; then != nil {
					then(t, s)
				}
			})
		}
	}
}

// alternatives are the lines of the block that is marked as "either", or one that is empty.
func alternatives(section []snippet) []string {
	for _, s := range section {
		if s.either {
			return strings.Split(strings.TrimSuffix(s.text, "\n"), "\n")
		}
	}
	return []string{""}
}

// begin starts a stack, and opens a terminal in a new folder with the files.
func begin(t *testing.T, installed string, files map[string]string) *session {
	t.Helper()
	folder, err := os.MkdirTemp(installed, "guide-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	quiet, err := os.Create(filepath.Join(folder, "stack.log"))
	must(t, err)
	running, err := stack.Start(t.Context(), stack.Options{
		Addr: "127.0.0.1:0", Root: root, Anonymous: true, Log: quiet, Logger: slog.New(slog.NewTextHandler(quiet, nil)),
		Gateway: apigateway.Options{Account: apigateway.Throttle{Rate: -1}},
	})
	must(t, err)
	t.Cleanup(running.Close)
	s := &session{T: t, folder: folder, address: running.Addr()}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		must(t, os.WriteFile(filepath.Join(folder, name), []byte(s.here(files[name])), 0o600))
	}
	must(t, os.Mkdir(filepath.Join(folder, "bin"), 0o700))
	npx := fmt.Sprintf("#!/bin/sh\nprogram=$1\nshift\nexec %s/node_modules/.bin/$program \"$@\"\n", installed) // the pinned one
	must(t, os.WriteFile(filepath.Join(folder, "bin", "npx"), []byte(npx), 0o700))
	repository, err := filepath.Abs(root)
	must(t, err)
	make := fmt.Sprintf("#!/bin/sh\nexec %s --no-print-directory -C %s \"$@\"\n", needs.Program(t, "make", "pages use it"), repository)
	must(t, os.WriteFile(filepath.Join(folder, "bin", "make"), []byte(make), 0o700))
	for _, room := range []string{"events", "functions", "infra", "localstack", "shared"} {
		must(t, os.Symlink(filepath.Join(repository, room), filepath.Join(folder, room)))
	}
	must(t, os.WriteFile(filepath.Join(folder, ".curlrc"), []byte("silent\nshow-error\n"), 0o600))
	s.env = append(os.Environ(), "PATH="+folder+"/bin:"+installed+"/venv/bin:"+os.Getenv("PATH"), "PYTHONUNBUFFERED=1", "CURL_HOME="+folder,
		"ARGS=--url "+running.URL())
	s.main = s.open()
	return s
}
