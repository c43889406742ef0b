package guides_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a guide may wait for a line.
const patience = time.Minute

// shell is a terminal in which a reader types: one process of bash that reads commands as they are typed.
type shell struct {
	typed, input *os.File // its commands; what these read
	lines        chan string
	process      *exec.Cmd
}

// session is what a reader does in one section of a page: a shell, and another for each wscat.
type session struct {
	*testing.T
	env     []string
	folder  string
	address string // of the stack, in place of localhost:4566
	epoch   string // in place of the one that pages show, when a line has shown it
	main    *shell
	wscat   *shell // the one that was opened last
}

// controls move the cursor of a terminal, and give it colours.
var controls = regexp.MustCompile(`\r|\x1b\[[0-9;?]*[A-Za-z]`)

// shownEpoch is the epoch that all pages show.
const shownEpoch = "jx3mzq2a"

// shownTime is a time of a page, in a pattern.
var shownTime = regexp.MustCompile(`20\d\d-\d\d-\d\dT[0-9:]+(\\\.\d+)?Z`)

func (s *session) open() *shell {
	s.Helper()
	typed, commands, err := os.Pipe()
	must(s, err)
	stdin, input, err := os.Pipe()
	must(s, err)
	read, out, err := os.Pipe()
	must(s, err)
	c := exec.Command("bash", "--noprofile", "--norc", "/dev/fd/3")
	c.Dir, c.Env, c.Stdin, c.Stdout, c.Stderr, c.ExtraFiles = s.folder, s.env, stdin, out, out, []*os.File{typed}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(s, c.Start())
	for _, f := range []*os.File{typed, stdin, out} {
		_ = f.Close()
	}
	sh := &shell{commands, input, make(chan string, 1000), c}
	go func() {
		defer close(sh.lines)
		for in := bufio.NewScanner(read); in.Scan(); {
			sh.lines <- controls.ReplaceAllString(in.Text(), "")
		}
	}()
	s.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // with all that its commands have left behind
		_ = c.Wait()
		_, _, _ = commands.Close(), input.Close(), read.Close()
	})
	return sh
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// untilCtrlC marks what runs for as long as a reader lets it. It is begun in another terminal, and must print a line.
const untilCtrlC = "until Ctrl-C"

// ended is printed after each command, with its exit status.
const ended = "\x01ended "

// do types a command, and waits until it has ended and has printed these lines. A command that runs in the
// background may print them later, among the lines of others, which is why lines have one order for all.
func (s *session) do(command string, want []string) {
	s.Helper()
	s.Logf("$ %s", command)
	if strings.HasSuffix(command, untilCtrlC) {
		sh := s.open()
		_, err := fmt.Fprintln(sh.typed, s.here(command))
		must(s, err)
		s.next(sh, command, []string{"anything"})
		return
	}
	_, err := fmt.Fprintf(s.main.typed, "%s\nprintf '\\1ended %%d\\n' $?\n", s.here(command))
	must(s, err)
	for running := true; running || len(want) > 0; {
		line := s.next(s.main, command, want)
		if status, ok := strings.CutPrefix(line, ended); ok {
			if status != "0" {
				s.Fatalf("%s: status %s", command, status)
			}
			running = false
			continue
		}
		if len(want) == 0 || !s.fits(line, want[0]) {
			s.Fatalf("%s prints\n\t%s\nthe page shows\n\t%s", command, line, strings.Join(want, "\n\t"))
		}
		want = want[1:]
	}
}

// next waits for a line.
func (s *session) next(sh *shell, command string, want []string) string {
	s.Helper()
	select {
	case line, open := <-sh.lines:
		if !open {
			s.Fatalf("%s: the shell has ended before %q", command, want)
		}
		s.Log(line)
		return line
	case <-time.After(patience):
		s.Fatalf("%s does not end, or does not print %q", command, want)
	}
	return ""
}

// finish waits for all that runs in the background. It must end well, and print nothing that no page shows.
func (s *session) finish() {
	s.Helper()
	s.do("for job in $(jobs -p); do wait $job || exit; done", nil)
}

// chat types into the wscat that a page shows, and waits for the frames that it shows.
func (s *session) chat(line string) {
	s.Helper()
	what, text := line[:2], line[2:]
	if what == "> " {
		s.Logf("> %s", text)
		_, err := io.WriteString(s.wscat.input, s.here(text)+"\n")
		must(s, err)
		return
	}
	got := ""
	for !strings.HasPrefix(got, "< ") { // the terminal shows what is typed, too
		got = strings.TrimPrefix(s.next(s.wscat, "wscat", []string{line}), "> ") // the prompt
	}
	if !s.fits(got, line) {
		s.Fatalf("wscat gets\n\t%s\nthe page shows\n\t%s", got, line)
	}
}

// here puts what is different on this machine in its place: the address, and the epoch once it is known.
func (s *session) here(text string) string {
	text = strings.ReplaceAll(text, "localhost:4566", s.address)
	if s.epoch != "" {
		text = strings.ReplaceAll(text, shownEpoch, s.epoch)
	}
	return text
}

// fits compares a line with one of a page: … stands for anything, a time for another, the epoch for the real one.
func (s *session) fits(line, shown string) bool {
	pattern := regexp.QuoteMeta(s.here(shown))
	pattern = strings.ReplaceAll(pattern, "…", ".*")
	pattern = shownTime.ReplaceAllString(pattern, `20\d\d-\d\d-\d\dT[0-9:.]+Z`)
	pattern = strings.Replace(pattern, shownEpoch, "([a-z0-9]{8})", 1)
	found := regexp.MustCompile("^" + pattern + "$").FindStringSubmatch(line)
	if len(found) > 1 {
		s.epoch = found[1]
	}
	return found != nil
}

// play does what a block says.
func (s *session) play(b snippet, alternative string) {
	s.Helper()
	switch b.language {
	case "sh":
		command := strings.TrimSuffix(b.text, "\n")
		if b.either {
			command = alternative
		}
		s.do(command, nil)
	case "console":
		s.console(b.text)
	case "python":
		s.program("snippet.py", b.text, "python3 snippet.py")
	case "ts":
		s.program("snippet.mts", b.text, compile+" snippet.mts && node --no-warnings snippet.mjs")
	case "js":
		s.program("snippet.mjs", b.text, "node --no-warnings snippet.mjs")
	case "go":
		s.program("snippet.go", whole(b.text), "go run snippet.go")
	}
}

const compile = "npx tsc --module nodenext --target es2024 --types node"

// program runs a block that is no file. It must print nothing.
func (s *session) program(name, text, command string) {
	s.Helper()
	if strings.Contains(text, untilCtrlC) {
		command += " # " + untilCtrlC
	}
	must(s, os.WriteFile(filepath.Join(s.folder, name), []byte(s.here(text)), 0o600))
	s.do(command, nil)
}

// console types what stands after "$ ", and what goes on with "\" at the end. The lines after it are what it prints.
func (s *session) console(text string) {
	s.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); {
		command, is := strings.CutPrefix(lines[i], "$ ")
		if !is {
			if !strings.HasPrefix(lines[i], "< ") && !strings.HasPrefix(lines[i], "> ") || s.wscat == nil {
				s.Fatalf("nothing has printed %q", lines[i])
			}
			s.chat(lines[i])
			i++
			continue
		}
		for i++; strings.HasSuffix(command, `\`) && i < len(lines); i++ {
			command += "\n" + lines[i]
		}
		var want []string
		for ; i < len(lines) && !strings.HasPrefix(lines[i], "$ ") && !strings.HasPrefix(lines[i], "> ") && !strings.HasPrefix(lines[i], "< "); i++ {
			want = append(want, lines[i])
		}
		if strings.HasPrefix(command, "npx wscat -c ") && i < len(lines) && strings.HasPrefix(lines[i], "> ") {
			s.wscat = s.open()
			_, err := fmt.Fprintf(s.wscat.typed, "script --quiet --command '%s' /dev/null\n", s.here(command)) // a terminal
			must(s, err)
			for !strings.HasPrefix(s.next(s.wscat, command, []string{"Connected"}), "Connected") {
			}
			continue
		}
		s.do(command, want)
	}
}

// packages are what a fragment of Go may name without importing it.
var packages = map[string]string{
	"context": "context", "fmt": "fmt", "log": "log",
	"client":   "github.com/watchroute/watchroute/shared/client",
	"aws":      "github.com/aws/aws-sdk-go-v2/aws",
	"config":   "github.com/aws/aws-sdk-go-v2/config",
	"dynamodb": "github.com/aws/aws-sdk-go-v2/service/dynamodb",
	"types":    "github.com/aws/aws-sdk-go-v2/service/dynamodb/types",
}

// whole makes a program of a fragment of Go: with the imports, main, and a ctx.
func whole(fragment string) string {
	if strings.HasPrefix(fragment, "package ") {
		return fragment
	}
	imports := "\t\"context\"\n"
	for name, path := range packages {
		if name != "context" && regexp.MustCompile(`\b`+name+`\.[A-Z]`).MatchString(fragment) {
			imports += fmt.Sprintf("\t%q\n", path)
		}
	}
	return "package main\n\nimport (\n" + imports + ")\n\nfunc main() {\nctx := context.Background()\n_ = ctx\n" + fragment + "}\n"
}

// TestWhatFits: what is shown has to be what is printed, but for what is another each time.
func TestWhatFits(t *testing.T) {
	s := &session{T: t, address: "127.0.0.1:1"}
	for _, c := range []struct {
		shown, printed string
		fits           bool
	}{
		{"2: 50%", "2: 50%", true},
		{"2: 50%", "2: 50% ", false},
		{"2: 50%", "12: 50%", false},
		{`{"id":"…","n":1}`, `{"id":"a","n":1}`, true},
		{`{"id":"…","n":1}`, `{"id":"a","n":2}`, false},
		{`{"a.b":"2026-11-24T10:00:00.000Z"}`, `{"a.b":"2026-11-27T01:02:03.999Z"}`, true},
		{`{"a.b":"2026-11-24T10:00:00.000Z"}`, `{"a+b":"2026-11-27T01:02:03.999Z"}`, false},
		{"ws://localhost:4566/live", "ws://127.0.0.1:1/live", true},
		{"ws://localhost:4566/live", "ws://localhost:4566/live", false},
		{"jx3mzq2a:1", "abcdefgh:1", true}, // from here on this is the epoch
		{"jx3mzq2a:2", "abcdefgh:2", true},
		{"jx3mzq2a:3", "otherone:3", false},
	} {
		if got := s.fits(c.printed, c.shown); got != c.fits {
			t.Errorf("%s where %s is shown: %v", c.printed, c.shown, got)
		}
	}
}
