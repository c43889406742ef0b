package lambda

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"time"
)

// Lambda's defaults and limits.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	DefaultTimeout  = 3 * time.Second
	DefaultMemoryMB = 128
	MaxTimeout      = 900 * time.Second
	// MaxRequest is the size of an invocation's payload in bytes, at most.
	MaxRequest = 6 << 20
	// MaxResponse is the size of a function's answer in bytes, at most: 6 MB and
	// the 100 bytes that Lambda grants its own envelope.
	MaxResponse = 6<<20 + 100
	// initLimit is how long a process may take until it first asks for work.
	initLimit = 10 * time.Second
)

// Function is what runs: an executable that speaks the Runtime API.
type Function struct {
	Name        string
	ARN         string            // default: made of Options.Region, Options.Account and Name
	Binary      string            // path of the bootstrap executable
	Handler     string            // told to the process as _HANDLER
	Environment map[string]string // Lambda's own variables win over these
	Timeout     time.Duration     // of one invocation; default DefaultTimeout, at most MaxTimeout
	MemoryMB    int               // told to the process, not enforced; default DefaultMemoryMB
	LogFormat   string            // Text or JSON, told to the process; default Text
	LogLevel    string            // of the function's own lines, told to the process with JSON; default INFO
	// Reserved is how many invocations run at once at most; one more is throttled at once. nil
	// means no such bound, and 0 that none runs.
	Reserved *int
	// PerProcess is how many invocations one process may run at once when MaxProcesses run;
	// default 1. The process is told as AWS_LAMBDA_MAX_CONCURRENCY, which aws-lambda-go heeds,
	// and must be safe for it. Each counts as an execution of its own, but they end together
	// when the process does. On AWS only managed instances share.
	PerProcess int
}

// complete gives the function with its defaults, or what is wrong with it.
func (f Function) complete(o Options) (Function, error) {
	if f.Name == "" {
		return f, fmt.Errorf("%w: a function needs a name", ErrInvalid)
	}
	f.ARN = cmp.Or(f.ARN, "arn:aws:lambda:"+o.Region+":"+o.Account+":function:"+f.Name)
	f.Timeout = cmp.Or(f.Timeout, DefaultTimeout)
	f.PerProcess = cmp.Or(f.PerProcess, 1)
	f.MemoryMB = cmp.Or(f.MemoryMB, DefaultMemoryMB)
	f.LogFormat = cmp.Or(f.LogFormat, "Text")
	if f.Timeout < 0 || f.Timeout > MaxTimeout {
		return f, fmt.Errorf("%w: the timeout of %s is %v, at most %v is allowed", ErrInvalid, f.Name, f.Timeout, MaxTimeout)
	}
	if f.Reserved != nil && *f.Reserved < 0 {
		return f, fmt.Errorf("%w: %s has %d reserved executions", ErrInvalid, f.Name, *f.Reserved)
	}
	return f, executable(f.Binary)
}

// executable checks that there is a program at path.
func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%w: %s is not an executable file", ErrInvalid, path)
	}
	return nil
}

// functionName takes the name out of the forms that Lambda accepts: a name,
// "account:function:name" and an ARN, each with or without a qualifier.
func functionName(reference string) string {
	if _, after, found := strings.Cut(reference, "function:"); found {
		reference = after
	}
	name, _, _ := strings.Cut(reference, ":")
	return name
}
