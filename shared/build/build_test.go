package build_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/watchroute/watchroute/shared/build"
)

// module writes a module with one function and gives its root.
func module(t *testing.T, source string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                  "module example.test/m\n\ngo 1.24\n",
		"functions/hello/main.go": source,
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
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
		if err := build.Functions(t.Context(), root, out, build.Lambda("arm64")); err != nil {
			t.Fatal(err)
		}
		sums[i] = sum(t, filepath.Join(out, "hello", build.Executable))
	}
	if sums[0] != sums[1] {
		t.Error("two builds of the same source differ")
	}
}

func TestErrorNamesTheFunctionAndTheFault(t *testing.T) {
	root := module(t, "package main\n\nfunc main() { oneName(); anotherName() }\n")
	err := build.Functions(t.Context(), root, t.TempDir(), build.Host())
	const want = "build functions/hello: exit status 1: functions/hello/main.go:3:15: undefined: oneName; " +
		"functions/hello/main.go:3:26: undefined: anotherName"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v\nwant    %s", err, want)
	}
}

func TestNoFunctions(t *testing.T) {
	if err := build.Functions(t.Context(), t.TempDir(), t.TempDir(), build.Host()); err == nil {
		t.Error("no error for a module without functions")
	}
}
