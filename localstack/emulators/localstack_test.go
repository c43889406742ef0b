package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// module is the root of the module, from here.
const module = "../.."

// stub puts a program on the path that logs how it is called and then runs the
// shell line.
func stub(t *testing.T, dir, name, line string) {
	t.Helper()
	script := "#!/bin/sh\necho " + name + " \"$@\" >> " + filepath.Join(dir, "log") + "\n" + line + "\n"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestLocalStackWithoutToken: `make localstack-docker` says what is missing before it
// starts anything.
func TestLocalStackWithoutToken(t *testing.T) {
	dir := t.TempDir()
	stub(t, dir, "docker", "exit 1")
	stub(t, dir, "python3", "exit 1")
	cmd := exec.CommandContext(t.Context(), "make", "localstack-docker", "VENV="+filepath.Join(dir, "venv"))
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "LOCALSTACK_AUTH_TOKEN=", "MAKEFLAGS=")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "LOCALSTACK_AUTH_TOKEN is not set") || !strings.Contains(string(out), "make local") {
		t.Errorf("%v: %s", err, out)
	}
	if log, err := os.ReadFile(filepath.Join(dir, "log")); err == nil {
		t.Errorf("it ran something before: %s", log)
	}
}

// TestDeployToLocalStack runs the script with programs that only write down how
// they are called: the order, the one architecture, and what is printed.
func TestDeployToLocalStack(t *testing.T) {
	for engine, architecture := range map[string]string{"amd64": "x86_64", "arm64": "arm64"} {
		t.Run(engine, func(t *testing.T) {
			dir := t.TempDir()
			stub(t, dir, "docker", `case "$1" in version) echo `+engine+`;; esac`)
			stub(t, dir, "cdklocal", "")
			stub(t, dir, "aws", `case "$*" in *get-apis*) echo ws://localhost:4510;; *describe-stacks*) echo Watchroute-Events-1;; *get-secret-value*) echo a secret of at least thirty-two bytes;; esac`)
			cmd := exec.CommandContext(t.Context(), filepath.Join(module, "localstack", "deploy.sh"))
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "CDKLOCAL=cdklocal", "AWS=aws")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, line := range []string{"npx wscat -c ws://localhost:4510 -H \"Authorization: Bearer eyJ", "--table-name Watchroute-Events-1 "} {
				if !strings.Contains(string(out), line) {
					t.Errorf("it does not print %q: %s", line, out)
				}
			}
			log, err := os.ReadFile(filepath.Join(dir, "log"))
			if err != nil {
				t.Fatal(err)
			}
			want := "docker compose -f localstack/compose.yaml up --detach --wait\n" +
				"docker version --format {{.Server.Arch}}\n" +
				"cdklocal bootstrap -c architecture=" + architecture + "\n" +
				"cdklocal deploy -c architecture=" + architecture + " --require-approval never\n"
			if !strings.HasPrefix(string(log), want) {
				t.Errorf("it ran\n%swant first\n%s", log, want)
			}
		})
	}
}

// TestComposeFile lets Docker Compose read the file where there is one;
// `make lint` holds it to the schema everywhere.
func TestComposeFile(t *testing.T) {
	if err := exec.Command("docker", "compose", "version").Run(); err != nil {
		t.Skip("no Docker Compose here: ", err)
	}
	for token, accepted := range map[string]bool{"token": true, "": false} {
		cmd := exec.CommandContext(t.Context(), "docker", "compose", "-f", "localstack/compose.yaml", "config", "--quiet")
		cmd.Dir = module
		cmd.Env = append(os.Environ(), "LOCALSTACK_AUTH_TOKEN="+token)
		out, err := cmd.CombinedOutput()
		if (err == nil) != accepted || !accepted && !strings.Contains(string(out), "LOCALSTACK_AUTH_TOKEN") {
			t.Errorf("with the token %q: %v: %s", token, err, out)
		}
	}
}
