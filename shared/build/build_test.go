package build_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/shared/build"
)

// module writes a module with one function and gives its root.
func module(t *testing.T, source string) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, "go.mod", "module example.test/m\n\ngo 1.24\n")
	write(t, root, "functions/hello/main.go", source)
	return root
}

// write writes a file below root.
func write(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// twins writes a module with two functions that share a package, which no build has seen.
func twins(t *testing.T) (root string) {
	t.Helper()
	root = module(t, "package main\n\nimport \"example.test/m/words\"\n\nfunc main() { println(words.Hello) }\n")
	write(t, root, "functions/again/main.go", "package main\n\nimport \"example.test/m/words\"\n\nfunc main() { println(words.Hello, words.Hello) }\n")
	write(t, root, "words/words.go", fmt.Sprintf("package words\n\nconst Hello = \"hello %d\"\n", rand.Uint64()))
	return root
}

func sum(t *testing.T, path string) [sha256.Size]byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}

func TestSameSourceSameBytes(t *testing.T) {
	const source = "package main\n\nfunc main() { println(\"hello\") }\n"
	var sums [2][sha256.Size]byte
	for i := range sums {
		root, out := module(t, source), t.TempDir() // another folder each time: paths must not leak in
		if err := build.Functions(t.Context(), root, out, build.Lambda("arm64"), nil); err != nil {
			t.Fatal(err)
		}
		sums[i] = sum(t, filepath.Join(out, "hello", build.Executable))
	}
	if sums[0] != sums[1] {
		t.Error("two builds of the same source differ")
	}
}

func TestTogetherTheSameBytesAsAlone(t *testing.T) {
	root, together, alone := twins(t), t.TempDir(), t.TempDir()
	if err := build.Functions(t.Context(), root, together, build.Lambda("arm64"), nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hello", "again"} {
		if err := build.Function(t.Context(), root, "functions/"+name, filepath.Join(alone, name), build.Lambda("arm64")); err != nil {
			t.Fatal(err)
		}
		if sum(t, filepath.Join(together, name, build.Executable)) != sum(t, filepath.Join(alone, name, build.Executable)) {
			t.Errorf("%s has other bytes when it is built alone", name)
		}
		if deployed, err := os.ReadDir(filepath.Join(together, name)); err != nil || len(deployed) != 1 {
			t.Errorf("beside the executable of %s there is something else: %v, %v", name, deployed, err)
		}
	}
}

// TestOnlyWhatIsOutOfDateIsReplaced also wants a process to keep what it was started from.
func TestOnlyWhatIsOutOfDateIsReplaced(t *testing.T) {
	root, out := twins(t), t.TempDir()
	executables := func() (hello, again os.FileInfo) {
		t.Helper()
		if err := build.Functions(t.Context(), root, out, build.Host(), nil); err != nil {
			t.Fatal(err)
		}
		infos := map[string]os.FileInfo{}
		for _, name := range []string{"hello", "again"} {
			info, err := os.Stat(filepath.Join(out, name, build.Executable))
			if err != nil {
				t.Fatal(err)
			}
			infos[name] = info
		}
		return infos["hello"], infos["again"]
	}
	hello, again := executables()
	before := sum(t, filepath.Join(out, "hello", build.Executable))
	running, err := os.Open(filepath.Join(out, "hello", build.Executable))
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	if hello2, again2 := executables(); !os.SameFile(hello, hello2) || !os.SameFile(again, again2) {
		t.Error("executables that are up to date are replaced")
	}
	write(t, root, "functions/hello/main.go", "package main\n\nfunc main() { println(7) }\n")
	hello3, again3 := executables()
	if os.SameFile(hello, hello3) || !os.SameFile(again, again3) {
		t.Errorf("after one function has changed, it is the same: %v, and the other: %v", os.SameFile(hello, hello3), os.SameFile(again, again3))
	}
	if data, err := io.ReadAll(running); err != nil || sha256.Sum256(data) != before {
		t.Errorf("what a process runs from is overwritten: %v", err)
	}
}

func TestFaultLeavesAllExecutablesAsTheyAre(t *testing.T) {
	root, out := twins(t), t.TempDir()
	if err := build.Functions(t.Context(), root, out, build.Host(), nil); err != nil {
		t.Fatal(err)
	}
	before := sum(t, filepath.Join(out, "hello", build.Executable))
	write(t, root, "functions/hello/main.go", "package main\n\nfunc main() { println(7) }\n")
	write(t, root, "functions/again/main.go", "package main\n\nfunc main() { oneName() }\n")
	if err := build.Functions(t.Context(), root, out, build.Host(), nil); err == nil {
		t.Fatal("a function that does not compile is built")
	}
	if sum(t, filepath.Join(out, "hello", build.Executable)) != before {
		t.Error("one function is replaced, though the other does not compile")
	}
}

func TestProgressIsToldOnceAndOnlyIfThereIsSome(t *testing.T) {
	root, out := twins(t), t.TempDir()
	for _, want := range []string{"compiled 0 of 1 packages\ncompiled 1 of 1 packages\n", ""} {
		var told strings.Builder
		if err := build.Functions(t.Context(), root, out, build.Host(), &told); err != nil {
			t.Fatal(err)
		}
		if told.String() != want {
			t.Errorf("told %q, want %q", told.String(), want)
		}
	}
}

func TestProgressIsNoFault(t *testing.T) {
	root := twins(t)
	write(t, root, "functions/again/main.go", "package main\n\nimport \"example.test/m/words\"\n\nfunc main() { words.Nothing() }\n")
	err := build.Functions(t.Context(), root, t.TempDir(), build.Host(), io.Discard)
	const want = "build functions: exit status 1: functions/again/main.go:5:21: undefined: words.Nothing"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v\nwant    %s", err, want)
	}
}

func TestErrorNamesTheFunctionAndTheFault(t *testing.T) {
	root := module(t, "package main\n\nfunc main() { oneName(); anotherName() }\n")
	err := build.Functions(t.Context(), root, t.TempDir(), build.Host(), nil)
	const want = "build functions: exit status 1: functions/hello/main.go:3:15: undefined: oneName; " +
		"functions/hello/main.go:3:26: undefined: anotherName"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v\nwant    %s", err, want)
	}
}

func TestNoFunctions(t *testing.T) {
	if err := build.Functions(t.Context(), t.TempDir(), t.TempDir(), build.Host(), nil); err == nil {
		t.Error("no error for a module without functions")
	}
}
