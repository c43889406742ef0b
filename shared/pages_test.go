package shared

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// pages are what people read, with the most lines that each may have.
var pages = map[string]int{
	"README.md": 200, "CONTRIBUTING.md": 100,
	"events/README.md": 400, "functions/README.md": 400, "infra/README.md": 400, "localstack/README.md": 400, "shared/README.md": 400,
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPagesAreShort(t *testing.T) {
	for name, most := range pages {
		if lines := strings.Count(read(t, name), "\n"); lines > most {
			t.Errorf("%s has %d lines, at most %d are wanted", name, lines, most)
		}
	}
	if found, err := filepath.Glob("../*/README.md"); err != nil || len(found) != len(pages)-2 {
		t.Errorf("the rooms have the pages %v, %v", found, err)
	}
}

// TestProseHasShortLines: in pages, but for tables and code, and in comments, but for addresses.
func TestProseHasShortLines(t *testing.T) {
	const most = 120
	short := func(name string, prose []string) {
		for _, line := range prose {
			if utf8.RuneCountInString(line) > most && !strings.Contains(line, "// Output:") {
				t.Errorf("%s has a line of over %d characters: %s", name, most, line)
			}
		}
	}
	for name := range pages {
		short(name, paragraph.FindAllString(fenced.ReplaceAllString(read(t, name), ""), -1))
	}
	files := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." {
			return cmp.Or(err, fs.SkipDir)
		}
		if strings.HasSuffix(path, ".go") {
			files++
			short(path, comment.FindAllString(read(t, strings.TrimPrefix(path, "../")), -1))
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("%d files were read, %v", files, err)
	}
}

var (
	// paragraph is a line that is no row of a table and no code; comment is one that holds neither
	// an address nor an example's output.
	paragraph = regexp.MustCompile(`(?m)^(?:[^| \n]|  ?[^| \n]).*$`)
	comment   = regexp.MustCompile(`(?m)^\t*// (?:[^:\n]|:[^/\n])*$`)

	fenced   = regexp.MustCompile("(?ms)^```.*?^```$")
	code     = regexp.MustCompile("`[^`]*`")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	question = regexp.MustCompile(`\[[^\]]+\?\]\([^)]+#[^)]+\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	target   = regexp.MustCompile(`\bmake ([a-z][a-z-]*)`)
	goTest   = regexp.MustCompile(`go test[^\n` + "`" + `]*? -run '?([A-Za-z^$()|]+)'? ((?:\./[a-z/]+ ?)+)`)
	testFunc = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
	goRun    = regexp.MustCompile(`go run (\./[a-z/]+)`)
)

// anchors gives the fragments that lead to a page's headings, as GitHub makes them.
func anchors(page string) (found []string) {
	for _, h := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		found = append(found, strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
	}
	return found
}

func TestLinksOfPagesLeadSomewhere(t *testing.T) {
	for name := range pages {
		for _, l := range link.FindAllStringSubmatch(code.ReplaceAllString(fenced.ReplaceAllString(read(t, name), ""), ""), -1) {
			if strings.Contains(l[1], "://") {
				continue
			}
			file, fragment, _ := strings.Cut(l[1], "#")
			path := name
			if file != "" {
				path = filepath.Join(filepath.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join("..", path)); err != nil {
				t.Errorf("%s leads to %s: %v", name, l[1], err)
				continue
			}
			if fragment != "" && !slices.Contains(anchors(read(t, path)), fragment) {
				t.Errorf("%s leads to %s, which has no such heading", name, l[1])
			}
		}
	}
}

// TestFrontPageAnswersQuestions: at least twenty, each with a link to the section that answers it.
func TestFrontPageAnswersQuestions(t *testing.T) {
	if asked := question.FindAllString(read(t, "README.md"), -1); len(asked) < 20 {
		t.Errorf("README.md answers %d questions by a link to a section, 20 are wanted", len(asked))
	}
}

// TestCommandsOfPagesExist: the targets of make, the programs, and the tests.
func TestCommandsOfPagesExist(t *testing.T) {
	makefile := read(t, "Makefile")
	for name := range pages {
		page := read(t, name)
		for _, c := range target.FindAllStringSubmatch(strings.Join(append(code.FindAllString(page, -1), indented(page)...), "\n"), -1) {
			if !strings.Contains(makefile, "\n"+c[1]+":") {
				t.Errorf("%s: there is no make %s", name, c[1])
			}
		}
		for _, c := range goRun.FindAllStringSubmatch(page, -1) {
			if text, err := os.ReadFile(filepath.Join("..", c[1], "main.go")); err != nil || !strings.Contains(string(text), "package main") {
				t.Errorf("%s: %s is no program", name, c[1])
			}
		}
		for _, c := range goTest.FindAllStringSubmatch(page, -1) {
			for _, folder := range strings.Fields(c[2]) {
				if !slices.ContainsFunc(testsIn(t, folder), regexp.MustCompile(c[1]).MatchString) {
					t.Errorf("%s: -run %s finds no test in %s", name, c[1], folder)
				}
			}
		}
	}
}

// testsIn gives the names of a package's tests.
func testsIn(t *testing.T, folder string) (names []string) {
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range testFunc.FindAllStringSubmatch(string(text), -1) {
			names = append(names, f[1])
		}
	}
	return names
}

// indented gives the lines that are shown as code.
func indented(page string) (lines []string) {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "    ") {
			lines = append(lines, line)
		}
	}
	return lines
}
