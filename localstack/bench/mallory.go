package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/watchroute/watchroute/localstack/issuer"
	"github.com/watchroute/watchroute/shared/token"
)

// Mallory is a client with an ordinary token for topics of her own, who does what she can
// to the others. She is a process of her own: on AWS she would bring her own processor.
// Bench starts itself anew as her.
const (
	malloryCommand = "mallory"       // the first argument; the second says what she does: floodCommand or an attack
	malloryAddr    = "MALLORY_ADDR"  // where the stack is
	malloryToken   = "MALLORY_TOKEN" // her token
	malloryTopics  = "mallory/"      // what her topics begin with
	malloryGrant   = `{"v":1,"allow":[{"topics":["mallory/**"],"actions":["subscribe","read","publish"]}]}`
)

// unwatched before the name of an attack has her subscribe to nothing. What the others see
// then is what her items alone do to them.
const unwatched = "unwatched "

// mallory is the program of her process. She prints what came of it as lines of JSON.
func mallory(ctx context.Context, what string) error {
	addr, token := os.Getenv(malloryAddr), os.Getenv(malloryToken)
	if host, _, err := net.SplitHostPort(addr); err != nil || !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("%s is %q: only a stack on this machine is attacked", malloryAddr, addr)
	}
	if what == floodCommand {
		return (&flooder{url: "ws://" + addr + "/live", token: token}).run(ctx)
	}
	name, alone := strings.CutPrefix(what, unwatched)
	for _, a := range attacks() {
		if a.name == name {
			return a.carryOut(ctx, newAttacker(addr, token, alone))
		}
	}
	return fmt.Errorf("mallory knows no %q", what)
}

// malloryProcess is mallory as bench sees her.
type malloryProcess struct {
	cmd *exec.Cmd
	out io.Reader // what she prints has to be read to its end
	in  io.WriteCloser
}

// startMallory has her do one thing to a stack.
func (s *stackProcess) startMallory(ctx context.Context, what string) (*malloryProcess, error) {
	token, err := s.token(ctx, "mallory", malloryGrant)
	if err != nil {
		return nil, fmt.Errorf("make a token: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	m := &malloryProcess{cmd: exec.CommandContext(ctx, program, malloryCommand, what)}
	m.cmd.Env = append(os.Environ(), malloryAddr+"="+s.addr, malloryToken+"="+token)
	m.cmd.Stderr = os.Stderr
	m.cmd.Cancel = func() error { return m.cmd.Process.Signal(syscall.SIGINT) }
	if m.out, err = m.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if m.in, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return m, m.cmd.Start()
}

// token makes one for an hour.
func (s *stackProcess) token(ctx context.Context, subject, claim string) (string, error) {
	tokens, err := issuer.Open(ctx, "http://"+s.addr)
	if err != nil {
		return "", err
	}
	now := time.Now()
	return tokens.Sign(token.Token{Subject: subject, Issued: now, Expires: now.Add(time.Hour), Claim: []byte(claim)})
}

// end ends her, if she has not ended by herself.
func (m *malloryProcess) end() {
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait() // both fail if she has ended
}

// processor is the processor time that she took, once she has ended.
func (m *malloryProcess) processor() time.Duration {
	return m.cmd.ProcessState.UserTime() + m.cmd.ProcessState.SystemTime()
}

// An attack is made in two steps, so that the others' latency is measured in the second
// alone: mallory prints ready when all is prepared, and attacks when she reads a line.
const ready = "ready"

// prepared waits until she has prepared her attack.
func (m *malloryProcess) prepared(lines *json.Decoder) error {
	var line string
	if err := lines.Decode(&line); err != nil || line != ready {
		return fmt.Errorf("mallory did not get ready: %w", m.cmd.Wait())
	}
	return nil
}

// attack lets her begin, and gives what came of it when she has ended.
func (m *malloryProcess) attack(lines *json.Decoder) (*outcome, error) {
	if _, err := fmt.Fprintln(m.in); err != nil {
		return nil, err
	}
	o := newOutcome("")
	err := lines.Decode(o)
	if failed := m.cmd.Wait(); failed != nil {
		return nil, failed
	}
	return o, err
}

// carryOut is the life of mallory's process with an attack.
func (a attack) carryOut(ctx context.Context, m *attacker) error {
	defer m.leave()
	if err := a.prepare(ctx, m); err != nil {
		return err
	}
	m.listen(ctx)
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(ready); err != nil {
		return err
	}
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err // whoever was to say so is gone
	}
	began := time.Now()
	attacking, cancel := context.WithTimeout(ctx, attackTime)
	defer cancel()
	if err := a.attack(attacking, m); err != nil {
		return err
	}
	m.awaitAnswers(ctx)
	m.outcome.Took = time.Since(began)
	return out.Encode(m.outcome)
}
