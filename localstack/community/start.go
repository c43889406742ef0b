package community

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/leash"
)

// startTime is how long LocalStack may take to answer. It takes 4 s on a quiet machine.
const startTime = 3 * time.Minute

// LocalStack is a running LocalStack. Make one with Start.
type LocalStack struct {
	// Endpoint such as http://127.0.0.1:4566.
	Endpoint string
	// Log is the file with what LocalStack and the functions print.
	Log string

	end   context.CancelFunc
	ended chan struct{}
}

// Options say how LocalStack runs.
type Options struct {
	// Dir takes what it writes; what was there from a former run is deleted.
	Dir string
	// Addr is a loopback address such as 127.0.0.1:4566; with port 0 a free one is taken.
	Addr string
	// FunctionEnvironment is given to every function. A function's own variables win.
	FunctionEnvironment map[string]string
}

// Start runs LocalStack with no state, and waits until it answers or ctx ends. It ends with Stop, or
// when this process ends in any way.
func (i Installed) Start(ctx context.Context, o Options) (*LocalStack, error) {
	address, err := free(cmp.Or(o.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	tables, err := free("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if err := i.layOut(o.Dir); err != nil {
		return nil, err
	}
	l := &LocalStack{Endpoint: "http://" + address, Log: filepath.Join(o.Dir, "localstack.log"), ended: make(chan struct{})}
	log, err := os.Create(l.Log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	cmd, err := leash.Command(life, i.Python, filepath.Join(i.Venv, "bin", "python"), "-m", "localstack.runtime.main")
	if err != nil {
		end()
		return nil, err
	}
	cmd.Env, cmd.Stdout, cmd.Stderr, l.end = i.environment(o, address, tables), log, log, end
	if err := l.run(ctx, cmd); err != nil {
		return nil, err
	}
	return l, nil
}

// run starts the process and waits until it answers.
func (l *LocalStack) run(ctx context.Context, cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		l.end()
		return fmt.Errorf("start LocalStack: %w", err)
	}
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(l.ended)
	}()
	if err := l.await(ctx); err != nil {
		l.Stop()
		return err
	}
	return nil
}

// free gives an address that nobody listens on right now.
func free(addr string) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l.Addr().String(), l.Close()
}

// Folders below Options.Dir.
const (
	root  = "root"  // stands for / as LocalStack sees it
	cache = "cache" // of what LocalStack would download
	tmp   = "tmp"
)

// layOut puts DynamoDB Local and Java where LocalStack looks for what it has downloaded. The jar there is empty: its
// existence is enough.
func (i Installed) layOut(dir string) error {
	libraries := filepath.Join(dir, root, "var", "lib", "localstack", "lib")
	tables, java := filepath.Join(libraries, "dynamodb-local", "2"), filepath.Join(libraries, "java", "21", "bin")
	for _, folder := range []string{root, cache, tmp} {
		if err := os.RemoveAll(filepath.Join(dir, folder)); err != nil {
			return fmt.Errorf("empty %s: %w", dir, err)
		}
	}
	for _, folder := range []string{tables, java, filepath.Join(dir, cache), filepath.Join(dir, tmp)} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	standIn := "#!/bin/sh\nexec " + filepath.Join(i.Venv, "bin", "python") + ` -m process_executor.java "$@"` + "\n"
	return errors.Join(
		os.WriteFile(filepath.Join(tables, "DynamoDBLocal.jar"), nil, 0o644),
		os.WriteFile(filepath.Join(java, "java"), []byte(standIn), 0o755))
}

// environment is LocalStack's: what its own functions and services need, and nothing of the user's AWS settings.
func (i Installed) environment(o Options, address, tables string) []string {
	_, tablesPort, _ := net.SplitHostPort(tables)
	made := append(slices.DeleteFunc(os.Environ(), ofOthers),
		"PATH="+filepath.Join(i.Venv, "bin")+string(filepath.ListSeparator)+os.Getenv("PATH"),
		"PYTHONDONTWRITEBYTECODE=", "PYTHONUNBUFFERED=1",
		"OVERRIDE_IN_DOCKER=0", // though there may be a /.dockerenv
		"FILESYSTEM_ROOT="+filepath.Join(o.Dir, root), "XDG_CACHE_HOME="+filepath.Join(o.Dir, cache), "TMPDIR="+filepath.Join(o.Dir, tmp),
		"GATEWAY_LISTEN="+address, "LOCALSTACK_HOST="+address,
		"GATEWAY_SERVER=hypercorn", // the other one listens on all interfaces
		"DNS_ADDRESS=0", "DISABLE_EVENTS=1", "SKIP_SSL_CERT_DOWNLOAD=1",
		"CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES=1", // WebSocket APIs, which are ours
		"SQS_ENDPOINT_STRATEGY=path",              // the default's host cannot be resolved
		"PROVIDER_OVERRIDE_DYNAMODB=v2", "DYNAMODB_IN_MEMORY=1", "DYNAMODB_LOCAL_PORT="+tablesPort,
		"DYNAMODB_LOCAL_JAVA="+i.Java, "DYNAMODB_LOCAL_JARS="+filepath.Dir(i.Jars[0]), "DYNAMODB_LOCAL_MAIN="+i.Tables,
		"LAMBDA_RUNTIME_EXECUTOR=process", "LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT=60",
	)
	for name, value := range o.FunctionEnvironment {
		made = append(made, "FUNCTION_ENVIRONMENT_"+name+"="+value)
	}
	return made
}

// ofOthers are variables by which the user's AWS settings, or another LocalStack's, would reach this one.
func ofOthers(variable string) bool {
	for _, prefix := range []string{"AWS_", "CDK_", "LOCALSTACK_", "LAMBDA_", "DYNAMODB_", "PROVIDER_OVERRIDE_", "FUNCTION_ENVIRONMENT_", "PYTHONPATH=", "PYTHONHOME=", "DEBUG="} {
		if strings.HasPrefix(variable, prefix) {
			return true
		}
	}
	return false
}

// await returns once LocalStack says that it is healthy, which can be later than it says that it is ready.
func (l *LocalStack) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for {
		if healthy(ctx, l.Endpoint) {
			return nil
		}
		select {
		case <-l.ended:
			return fmt.Errorf("LocalStack ended instead of starting: see %s", l.Log)
		case <-ctx.Done():
			return fmt.Errorf("LocalStack does not answer at %s: %w", l.Endpoint, ctx.Err())
		case <-retry.C:
		}
	}
}

func healthy(ctx context.Context, endpoint string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/_localstack/health", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// Ended is closed when LocalStack has ended.
func (l *LocalStack) Ended() <-chan struct{} { return l.ended }

// Stop ends LocalStack with all that it started, and returns when that is done.
func (l *LocalStack) Stop() {
	l.end()
	<-l.ended
}

// Lacks reports whether LocalStack cannot make resources of a type, so that a template must do without: it
// refuses the integration of a REST API's method that streams, and does not know the API's authorizer. It
// takes those of WebSocket APIs, and makes nothing of them.
func Lacks(resourceType string) bool { return strings.HasPrefix(resourceType, "AWS::ApiGateway::") }
