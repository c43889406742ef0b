package guides_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// snippet is a block of code in a page.
type snippet struct {
	page, section string // the section is the heading of the second level
	language      string // "" if the block is indented, not fenced
	either        bool   // its lines are alternatives
	text          string
}

var (
	fence    = regexp.MustCompile("^```([a-z]*)(.*)$")
	fileName = regexp.MustCompile(`^(?:#|//) ([a-z0-9_/-]+\.(?:go|py|mts|mjs|js|sh|json))\n`)
)

// code are the languages whose blocks are run. Blocks of others hold no code, and must be of data.
var (
	code = []string{"go", "python", "ts", "js", "sh", "console"}
	data = []string{"json", "text"}
)

// pages are all READMEs, and what else people read.
func pages(t *testing.T) (names []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "*/*.md", "*/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			if name, _ := filepath.Rel(root, path); name != "CHANGELOG.md" {
				names = append(names, name)
			}
		}
	}
	return names
}

// snippets gives the blocks of a page in their order.
func snippets(t *testing.T, page string) (all []snippet) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	var open *snippet // the block that the line is in
	section, blank := "", true
	end := func() {
		if open != nil {
			open.text = strings.TrimRight(open.text, "\n") + "\n"
			if open.language == "" && (strings.HasPrefix(open.text, "$ ") || strings.HasPrefix(open.text, "< ")) {
				open.language = "console"
			}
			all, open = append(all, *open), nil
		}
	}
	for line := range strings.Lines(string(text)) {
		content := strings.TrimSuffix(line, "\n")
		found := fence.FindStringSubmatch(content)
		fenced := open != nil && open.language != ""
		switch {
		case found != nil && fenced:
			end()
		case fenced:
			open.text += line
		case found != nil:
			end()
			open = &snippet{page: page, section: section, language: found[1], either: strings.TrimSpace(found[2]) == "either"}
			if found[1] == "" || found[2] != "" && !open.either {
				t.Errorf("%s: a block begins with %q", page, content)
			}
		case strings.HasPrefix(line, "    ") && (open != nil || blank):
			if open == nil {
				open = &snippet{page: page, section: section}
			}
			open.text += line[4:]
		case content == "" && open != nil:
			open.text += line
		default:
			end()
			if title, ok := strings.CutPrefix(content, "## "); ok {
				section = title
			}
		}
		blank = content == ""
	}
	if open != nil && open.language != "" {
		t.Errorf("%s: the last block does not end", page)
	}
	end()
	return all
}

// file gives the name of the file that a block is, "" if it is none.
func (s snippet) file() string {
	if found := fileName.FindStringSubmatch(s.text); found != nil && s.language != "console" {
		return found[1]
	}
	return ""
}

// first is the line that a block is known by.
func (s snippet) first() string {
	line, _, _ := strings.Cut(strings.TrimSpace(s.text), "\n")
	return line
}

// notRun gives what is said about a block that is not run here: the first of notRun that fits.
func (s snippet) notRun() (i int, is bool) {
	i = slices.IndexFunc(notRun, func(n exception) bool {
		return n.page == s.page && strings.HasPrefix(s.first(), n.first)
	})
	return i, i >= 0
}

// TestEverySnippetIsRun: each block in a language of code is a file, is run by the guides, or is an exception with a
// reason. Each exception is of a block, and the test that it names is there. So no block is left out without notice.
func TestEverySnippetIsRun(t *testing.T) {
	used, run, files, checked := make([]int, len(notRun)), 0, 0, 0
	for _, page := range pages(t) {
		for _, s := range snippets(t, page) {
			i, excepted := s.notRun()
			isCode := slices.Contains(code, s.language)
			switch {
			case s.page == browser && s.language == "js": // TestTheBrowsersSnippetsFitItsTypes compiles it
				checked++
			case excepted:
				used[i]++
			case s.language == "":
				t.Errorf("%s: an indented block is not known to be run: %s", page, s.first())
			case s.file() != "":
				files++
			case isCode:
				run++
			case !slices.Contains(data, s.language):
				t.Errorf("%s: nobody knows the language %s", page, s.language)
			}
		}
	}
	reasons := map[string]int{}
	for i, e := range notRun {
		if used[i] == 0 {
			t.Errorf("%s has no block that begins with %q", e.page, e.first)
		}
		if e.test != "" && !hasTest(t, e.test) {
			t.Errorf("there is no test %s", e.test)
		}
		reasons[e.because] += used[i]
	}
	t.Logf("%d blocks are run, with %d files, and %d are compiled; not run here: %v", run, files, checked, reasons)
	if run < 20 || files < 8 || checked < 9 {
		t.Errorf("only %d blocks are run, with %d files, and %d are compiled", run, files, checked)
	}
}

// hasTest reports whether a file has a test: "localstack/stack/frontpage_test.go TestX".
func hasTest(t *testing.T, named string) bool {
	t.Helper()
	file, name, _ := strings.Cut(named, " ")
	text, err := os.ReadFile(filepath.Join(root, file))
	return err == nil && strings.Contains(string(text), "\nfunc "+name+"(")
}
