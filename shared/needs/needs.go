// Package needs is the only place that knows what becomes of a test that needs a program which this
// machine does not have.
package needs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Program gives the path of a program. Without the program the test is skipped. Where the variable
// CI is set it fails instead, so that no test is left out there without notice.
func Program(t testing.TB, name, because string) (path string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, because, ": ", err)
	}
	return path
}

// Chromiums are the names that Chromium has.
var Chromiums = []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"}

// Chromium gives the path of a Chromium. Without one the test is skipped, or fails, as in [Program].
func Chromium(t testing.TB) (path string) {
	t.Helper()
	for _, name := range Chromiums {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, "no Chromium on this machine: none of ", Chromiums, " is on the PATH")
	return ""
}

// Missing skips a test, and fails it where CI is set.
func Missing(t testing.TB, what ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what...)
	}
	t.Skip(what...)
}

// Installed gives the absolute path of a folder that a target of the Makefile fills with packages, such
// as npm. Without them the test is skipped, or fails, as in [Program].
func Installed(t testing.TB, folder, target string) (path string) {
	t.Helper()
	path, err := filepath.Abs(folder)
	if err == nil {
		_, err = os.Stat(filepath.Join(path, "installed"))
	}
	if err != nil {
		Missing(t, "`make ", target, "` installs what this test needs: ", err)
	}
	return path
}
