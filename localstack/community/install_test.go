package community_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/community"
)

// program puts a program on a path of its own.
func program(t *testing.T, dir, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestWhatIsMissing: each thing that is missing is told in one line, with what installs it, and nothing is installed.
func TestWhatIsMissing(t *testing.T) {
	const python = "LocalStack 4.14.0 needs Python 3.13 with venv, which is not here: `pyenv install 3.13`"
	const java = "LocalStack's DynamoDB needs Java 17 or later, which is not here: `apt install openjdk-17-jre-headless` installs it"
	for name, c := range map[string]struct {
		programs map[string]string
		want     []string
	}{
		"neither": {nil, []string{python, java}},
		"another Python, an old Java": {map[string]string{"python3": `echo /usr/bin/python3; echo 3.12`, "java": `echo 'openjdk version "11.0.2"' >&2`},
			[]string{python, java + "; "}},
		"a version of pyenv that is not chosen": {map[string]string{"python3.13": `echo "pyenv: python3.13: command not found" >&2; exit 127`, "java": `echo 'openjdk version "17.0.15"' >&2`},
			[]string{python}},
		"a Java that does not run": {map[string]string{"python3.13": `echo "$0"; echo 3.13`, "java": "exit 1"}, []string{java}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, path := t.TempDir(), t.TempDir()
			for name, script := range c.programs {
				program(t, path, name, script)
			}
			t.Setenv("PATH", path)
			t.Setenv("HOME", t.TempDir())
			t.Setenv("PYENV_ROOT", "")
			t.Setenv("JAVA_HOME", "")
			_, err := community.Install(t.Context(), filepath.Join(dir, "l"), filepath.Join(dir, "j"), io.Discard)
			if err == nil {
				t.Fatal("nothing is missing")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("told is\n%v", err)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("told is %q, want %q", lines[i], want)
				}
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("made were %v", left)
			}
		})
	}
}

// TestPackagesArePinned by their hashes.
func TestPackagesArePinned(t *testing.T) {
	for _, list := range []string{"uv.txt", "localstack.txt", "lint.txt"} {
		text, err := os.ReadFile(list)
		if err != nil {
			t.Fatal(err)
		}
		packages := 0
		for entry := range strings.SplitSeq(strings.ReplaceAll(string(text), "\\\n", " "), "\n") {
			if entry == "" || strings.HasPrefix(entry, "#") {
				continue
			}
			packages++
			if !strings.Contains(entry, "==") || !strings.Contains(entry, "--hash=sha256:") {
				t.Errorf("%s: %.60s is not pinned", list, entry)
			}
		}
		if packages == 0 {
			t.Errorf("%s has no packages", list)
		}
	}
}
