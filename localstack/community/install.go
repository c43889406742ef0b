// Package community is the only place that knows how to install and run LocalStack's community edition
// without Docker and without a token: version 4.14.0 of PyPI, the last that wants none.
//
// LocalStack runs with hypercorn, which listens on loopback only, as does its DynamoDB, which is Amazon's DynamoDB
// Local, with a Java that has a compiler. Functions run as processes, by the plug-in in the folder
// process_executor.
package community

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/conformance/jars"
	"github.com/watchroute/watchroute/localstack/deploy"
)

// Version is LocalStack's.
const Version = "4.14.0"

// pinned are the lists of Python packages, and our own package.
//
//go:embed uv.txt localstack.txt pyproject.toml process_executor/*.py
var pinned embed.FS

// Installed is where LocalStack is, and what it runs with.
type Installed struct {
	Python string   // 3.13, of the machine
	Java   string   // 17 or later, of the machine
	Venv   string   // the virtual environment
	Jars   []string // DynamoDB Local's
	Tables string   // what Java starts DynamoDB Local with, see [jars.Program]
}

// Install sees to it that LocalStack is in dir, with the pinned packages, and DynamoDB Local in jarDir. What
// is there already stays. It tells out what takes time. The error says in one line what is missing.
func Install(ctx context.Context, dir, jarDir string, out io.Writer) (Installed, error) {
	if err := deploy.Absolute(&dir, &jarDir); err != nil {
		return Installed{}, err
	}
	i := Installed{Venv: filepath.Join(dir, "venv")}
	var errPython, errJava error
	i.Python, errPython = findPython(ctx)
	i.Java, errJava = findJava(ctx)
	if err := errors.Join(errPython, errJava); err != nil {
		return i, err
	}
	fmt.Fprintf(out, "Fetching DynamoDB Local %s …\n", jars.Version)
	var err error
	if i.Jars, err = jars.Fetch(ctx, jarDir); err != nil {
		return i, err
	}
	if i.Tables, err = jars.Program(ctx, i.Java, jarDir); err != nil {
		return i, err
	}
	return i, i.installPackages(ctx, dir, out)
}

// installPackages makes the virtual environment anew unless it is of the same Python and packages.
func (i Installed) installPackages(ctx context.Context, dir string, out io.Writer) error {
	want, err := fingerprint(i.Python)
	if err != nil {
		return err
	}
	stamp := filepath.Join(i.Venv, "installed")
	if have, err := os.ReadFile(stamp); err == nil && string(have) == want {
		return nil
	}
	fmt.Fprintf(out, "Installing LocalStack %s …\n", Version)
	source := filepath.Join(dir, "source")
	if err := errors.Join(os.RemoveAll(source), os.RemoveAll(i.Venv)); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(source, pinned); err != nil {
		return fmt.Errorf("copy our package: %w", err)
	}
	in := func(name string) string { return filepath.Join(i.Venv, "bin", name) }
	for _, command := range [][]string{
		{i.Python, "-m", "venv", i.Venv},
		{in("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement", filepath.Join(source, "uv.txt")},
		{in("uv"), "pip", "install", "--quiet", "--python", in("python"), "--require-hashes", "--requirement", filepath.Join(source, "localstack.txt")},
		{in("uv"), "pip", "install", "--quiet", "--python", in("python"), "--no-deps", "--no-build-isolation", source},
	} {
		if _, err := deploy.Run(ctx, i.Python, dir, os.Environ(), command); err != nil {
			return fmt.Errorf("install LocalStack: %w", err)
		}
	}
	return os.WriteFile(stamp, []byte(want), 0o644)
}

// fingerprint is of everything that the virtual environment is made of.
func fingerprint(python string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, python)
	err := fs.WalkDir(pinned, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := pinned.ReadFile(path)
		fmt.Fprintln(sum, path, len(content))
		sum.Write(content)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// pythonVersion is the only one that LocalStack 4.14.0 runs on without faults.
const pythonVersion = "3.13"

// findPython looks for Python 3.13: in the path, under pyenv, and under uv. A program of pyenv that stands
// for a version that is not chosen does not count.
func findPython(ctx context.Context) (string, error) {
	home, _ := os.UserHomeDir()
	pyenv, _ := exec.LookPath("pyenv") // in the folder bin of pyenv's root
	candidates := []string{"python" + pythonVersion, "python3"}
	for _, pattern := range []string{
		filepath.Join(os.Getenv("PYENV_ROOT"), "versions", pythonVersion+"*", "bin", "python"),
		filepath.Join(filepath.Dir(filepath.Dir(pyenv)), "versions", pythonVersion+"*", "bin", "python"),
		filepath.Join(home, ".pyenv", "versions", pythonVersion+"*", "bin", "python"),
		filepath.Join(home, ".local", "share", "uv", "python", "cpython-"+pythonVersion+"*", "bin", "python"+pythonVersion),
	} {
		found, _ := filepath.Glob(pattern) // fails for a bad pattern only
		candidates = append(candidates, found...)
	}
	for _, candidate := range candidates {
		const ask = "import sys, venv, ensurepip; print(sys.executable); print('%d.%d' % sys.version_info[:2])"
		out, err := exec.CommandContext(ctx, candidate, "-c", ask).Output()
		if lines := strings.Fields(string(out)); err == nil && len(lines) == 2 && lines[1] == pythonVersion {
			return lines[0], nil
		}
	}
	return "", fmt.Errorf("LocalStack %s needs Python %s with venv, which is not here: `pyenv install %[2]s`, `uv python install %[2]s` or `apt install python%[2]s-venv` installs it", Version, pythonVersion)
}

const javaVersion = 17

// findJava looks for Java, and at its version.
func findJava(ctx context.Context) (string, error) {
	missing := fmt.Errorf("LocalStack's DynamoDB needs Java %d or later, which is not here: `apt install openjdk-%[1]d-jre-headless` installs it", javaVersion)
	java, err := jars.Java()
	if err != nil {
		return "", missing
	}
	if java, err = filepath.Abs(java); err != nil {
		return "", err
	}
	said, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return "", missing
	}
	found := regexp.MustCompile(`version "(\d+)`).FindSubmatch(bytes.TrimSpace(said))
	if found == nil {
		return "", missing
	}
	if number, err := strconv.Atoi(string(found[1])); err != nil || number < javaVersion {
		return "", fmt.Errorf("%w; %s is of version %s", missing, java, found[1])
	}
	return java, nil
}
