package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// whole runs the tests that install LocalStack and deploy into it, which takes minutes.
var whole = flag.Bool("localstack", false, "run the tests that need LocalStack")

// patience bounds each wait. The whole way takes two minutes on a quiet machine with two cores.
const patience = 15 * time.Minute

// session is a `make localstack` that runs.
type session struct {
	t    *testing.T
	dir  string // of everything that it makes; each of its processes names it in its command or environment
	make *exec.Cmd

	mu    sync.Mutex
	said  []string
	ended chan struct{}
	err   error
}

// start runs make as a terminal does: in a process group of its own.
func start(t *testing.T, dir string, flags ...string) *session {
	t.Helper()
	if !*whole {
		t.Skip("it installs LocalStack and deploys into it: go test ./localstack/community/local -args -localstack")
	}
	args := append([]string{"-dir", filepath.Join(dir, "localstack"), "-jars", filepath.Join(dir, "dynamodb-local"), "-addr", "127.0.0.1:0", "-front", "127.0.0.1:0"}, flags...)
	s := &session{t: t, dir: dir, ended: make(chan struct{}), make: exec.Command("make", "localstack", "ARGS="+strings.Join(args, " "))}
	s.make.Dir = "../../.."
	s.make.Env = append(os.Environ(), "LOCALSTACK_TEST_DIR="+dir, "MAKEFLAGS=")
	s.make.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	reader, writer := io.Pipe()
	s.make.Stdout, s.make.Stderr = writer, writer
	if err := s.make.Start(); err != nil {
		t.Fatal(err)
	}
	go s.listen(reader)
	go func() {
		s.err = s.make.Wait()
		_ = writer.Close()
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-s.make.Process.Pid, syscall.SIGTERM) // it has ended, unless the test failed
		s.wait()
	})
	return s
}

func (s *session) listen(from io.Reader) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		s.t.Log(lines.Text())
		s.mu.Lock()
		s.said = append(s.said, lines.Text())
		s.mu.Unlock()
	}
}

// line waits for a line that contains a text.
func (s *session) line(text string) string {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		s.mu.Lock()
		i := slices.IndexFunc(s.said, func(line string) bool { return strings.Contains(line, text) })
		line := ""
		if i >= 0 {
			line = strings.Join(s.said[i:], "\n") // with what continues it
		}
		s.mu.Unlock()
		if i >= 0 {
			return line
		}
		select {
		case <-s.ended:
			s.t.Fatalf("it ended (%v) before it said %q", s.err, text)
		default:
		}
	}
	s.t.Fatalf("it does not say %q", text)
	return ""
}

func (s *session) wait() {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(2 * time.Minute):
		s.t.Error("make does not end")
	}
}

// processes are those that name the folder in their command or environment, by their ids.
func (s *session) processes() map[int]string {
	found := map[int]string{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		command, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		environment, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ"))
		if bytes.Contains(command, []byte(s.dir)) || bytes.Contains(environment, []byte(s.dir)) {
			found[pid] = strings.ReplaceAll(string(command), "\x00", " ")
		}
	}
	return found
}

// nothingIsLeft waits until no process of the session runs, and finds its ports closed.
func (s *session) nothingIsLeft(ports ...string) {
	s.t.Helper()
	var left map[int]string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if left = s.processes(); len(left) == 0 {
			break
		}
	}
	for pid, command := range left {
		s.t.Errorf("process %d runs on: %.200s", pid, command)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, port := range ports {
		if conn, err := net.Dial("tcp", port); err == nil {
			_ = conn.Close()
			s.t.Errorf("somebody listens on %s", port)
		}
	}
}

// program finds a process of the session by its command.
func (s *session) program(command string) int {
	s.t.Helper()
	for pid, line := range s.processes() {
		if strings.HasPrefix(line, command) {
			return pid
		}
	}
	s.t.Fatalf("no process runs %s: %v", command, s.processes())
	return 0
}

// ports are those of the URLs that it printed.
func (s *session) ports() []string {
	var ports []string
	for _, found := range regexp.MustCompile(`//(127\.0\.0\.1:\d+)`).FindAllStringSubmatch(s.line("Ctrl-C ends it"), -1) {
		ports = append(ports, found[1])
	}
	return slices.Compact(slices.Sorted(slices.Values(ports)))
}

// listening are the addresses that processes of the session listen on, as ss shows them, with those that it printed.
func (s *session) listening() []string {
	s.t.Helper()
	all := s.ports()
	out, err := exec.Command("ss", "-ltnHp").Output()
	if err != nil {
		s.t.Log("what else listens is not looked at: ", err)
		return all
	}
	mine := s.processes()
	for line := range strings.Lines(string(out)) {
		for pid := range mine {
			if strings.Contains(line, fmt.Sprintf("pid=%d,", pid)) {
				_, port, _ := net.SplitHostPort(strings.Fields(line)[3])
				all = append(all, net.JoinHostPort("127.0.0.1", port))
			}
		}
	}
	return all
}

// TestFirstMinute pastes what is printed, from an empty folder on: subscribe, put, three numbered changes. Ctrl-C
// ends everything. The same folder is then used for sessions that end badly.
func TestFirstMinute(t *testing.T) {
	dir := t.TempDir()
	began := time.Now()
	s := start(t, dir)
	page := s.line("Ctrl-C ends it")
	paste(t, s, page)
	t.Logf("from an empty folder to three changes: %s", time.Since(began).Round(time.Second))
	ports := s.ports()
	onLoopback(t, s.listening())
	if err := syscall.Kill(-s.make.Process.Pid, syscall.SIGINT); err != nil { // as a terminal does
		t.Fatal(err)
	}
	s.wait()
	s.nothingIsLeft(ports...)

	t.Run("killed while it deploys", func(t *testing.T) {
		s := start(t, dir)
		s.line("Deploying")
		kill(t, s.program(".build/localstack-local"))
		s.wait()
		s.nothingIsLeft()
	})
	t.Run("make is killed while LocalStack starts", func(t *testing.T) {
		s := start(t, dir)
		s.line("Starting LocalStack")
		kill(t, s.make.Process.Pid)
		s.nothingIsLeft()
	})
	t.Run("LocalStack is killed", func(t *testing.T) {
		s := start(t, dir)
		s.line("Deploying")
		kill(t, s.program(filepath.Join(dir, "localstack", "venv", "bin", "python")+" -m localstack"))
		s.wait()
		if exit, failed := errors.AsType[*exec.ExitError](s.err); !failed || exit.ExitCode() == 0 {
			t.Errorf("it ended with %v", s.err)
		}
		s.nothingIsLeft()
	})
	t.Run("the port is taken", func(t *testing.T) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		s := start(t, dir, "-addr", taken.Addr().String())
		s.line("listen on " + taken.Addr().String())
		s.wait()
		s.nothingIsLeft()
	})
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// paste runs the printed lines with wscat, the AWS CLI and HTTP.
func paste(t *testing.T, s *session, page string) {
	t.Helper()
	heard := &transcript{}
	wscat := exec.CommandContext(t.Context(), "npx", "--yes", "wscat@6.1.0", "-c", regexp.MustCompile(`npx wscat -c (\S+)`).FindStringSubmatch(page)[1],
		"-x", regexp.MustCompile(`> (\{.*\})`).FindStringSubmatch(page)[1], "-w", "600")
	wscat.Stdout, wscat.Stderr = heard, heard
	stdin, err := wscat.StdinPipe() // wscat ends when its input does
	if err != nil {
		t.Fatal(err)
	}
	if err := wscat.Start(); err != nil {
		t.Fatal(err)
	}
	heard.await(t, `"type":"subscribed"`)
	put := regexp.MustCompile(`(?s)aws --endpoint-url [^\n]* put-item .*?\}\}'`).FindString(page)
	for i, price := range []string{"150.75", "151", "152"} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(put, "150.75", price))
		cmd.Env = append(os.Environ(), "PATH="+filepath.Join(s.dir, "localstack", "venv", "bin")+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
		heard.await(t, fmt.Sprintf(`"seq":%d,`, i+1))
	}
	heard.await(t, `"price":152`)
	answer, err := http.Get(regexp.MustCompile(`curl (http\S+)`).FindStringSubmatch(page)[1])
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`"price":152`)) {
		t.Errorf("over HTTP: %s %s", answer.Status, body)
	}
	_ = stdin.Close()
	_ = wscat.Wait() // how it ended does not matter
}

// onLoopback finds nobody who listens on the ports at another address of this machine.
func onLoopback(t *testing.T, ports []string) {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		ip, _, err := net.ParseCIDR(address.String())
		if err != nil || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
			continue
		}
		for _, port := range ports {
			_, number, _ := net.SplitHostPort(port)
			if conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip.String(), number), time.Second); err == nil {
				_ = conn.Close()
				t.Errorf("it listens on %s:%s, too", ip, number)
			}
		}
	}
}

// transcript is what a program has said.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *transcript) await(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		s.mu.Lock()
		heard := strings.Contains(s.text.String(), text)
		s.mu.Unlock()
		if heard {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Fatalf("not heard: %s, but\n%s", text, s.text.String())
}
