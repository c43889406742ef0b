// Command local runs the service in LocalStack's community edition, without Docker and without a token, and
// gives it the APIs that LocalStack lacks.
//
//	go run ./localstack/community/local -cdk "npx --yes … cdklocal" [-addr 127.0.0.1:4566] [-front localhost:4567]
//
// It installs LocalStack and DynamoDB Local, starts them, bootstraps and deploys with the CDK CLI, serves
// the WebSocket API and the REST API in front, and says what to paste. Ctrl-C ends everything. It needs
// Linux, Python 3.13, Java 17 and Node.js.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/beside"
	"github.com/watchroute/watchroute/localstack/community"
	"github.com/watchroute/watchroute/localstack/deploy"
	"github.com/watchroute/watchroute/localstack/leash"
	"github.com/watchroute/watchroute/localstack/wall"
	"github.com/watchroute/watchroute/localstack/welcome"
	"github.com/watchroute/watchroute/shared/flags"
	"github.com/watchroute/watchroute/shared/function"
	"golang.org/x/sync/errgroup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := errors.Join(leash.EndWithParent(), run(ctx, os.Args[1:], os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, "localstack:", err)
		stop()
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	cdk, dir, jars, addr, front string
	install                     bool
}

func parse(args []string) (settings, error) {
	var s settings
	set := flag.NewFlagSet("localstack", flag.ContinueOnError)
	set.StringVar(&s.cdk, "cdk", "npx --yes --package aws-cdk-local --package aws-cdk cdklocal", "`command` that starts the CDK CLI for LocalStack")
	set.StringVar(&s.dir, "dir", filepath.Join(".build", "localstack"), "folder for LocalStack and for what it writes")
	set.StringVar(&s.jars, "jars", filepath.Join(".build", "dynamodb-local"), "folder for DynamoDB Local")
	set.StringVar(&s.addr, "addr", "127.0.0.1:4566", "loopback `address` of LocalStack")
	set.StringVar(&s.front, "front", "localhost:4567", "`address` of the APIs; localhost is 127.0.0.1 and ::1")
	set.BoolVar(&s.install, "install", false, "install everything and start nothing")
	if err := flags.Parse(set, args); err != nil {
		return s, err
	}
	return s, errors.Join(deploy.CheckCommand(s.cdk), deploy.Absolute(&s.dir, &s.jars))
}

// run runs everything until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	s, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	architecture, err := deploy.HostArchitecture()
	if err != nil {
		return err
	}
	if s.install {
		_, err := community.Install(ctx, s.dir, s.jars, out)
		return err
	}
	listeners, err := wall.Listen(s.front)
	if err != nil {
		return err
	}
	defer wall.CloseAll(listeners)
	installed, err := community.Install(ctx, s.dir, s.jars, out)
	if err != nil {
		return ended(ctx, err)
	}
	w := &world{settings: s, out: out, installed: installed, architecture: architecture, url: "http://" + listeners[0].Addr().String()}
	defer w.stop()
	if err := w.deploy(ctx); err != nil {
		return ended(ctx, err)
	}
	return w.serve(ctx, listeners)
}

// ended is nil if what failed did so because it was ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// world is what has been started.
type world struct {
	settings
	out          io.Writer
	installed    community.Installed
	architecture string
	url          string // of the front
	localstack   *community.LocalStack
	whole        deploy.Assembly
}

func (w *world) stop() {
	if w.localstack != nil {
		fmt.Fprintln(w.out, "Ending LocalStack …")
		w.localstack.Stop()
	}
}

// stage is that of our WebSocket API, which the functions are told before the template is there.
const stage = "live"

// deploy starts LocalStack, and synthesizes and deploys the app. What needs no other goes on at once.
func (w *world) deploy(life context.Context) error {
	ctx, giveUp := context.WithCancelCause(life)
	defer giveUp(nil)
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.synthesize(groupCtx) })
	group.Go(func() error { return w.start(groupCtx, giveUp) })
	err := group.Wait()
	if err == nil {
		err = w.deployCut(ctx)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// deployCut deploys the app without what LocalStack lacks.
func (w *world) deployCut(ctx context.Context) error {
	cut, err := w.whole.Without(community.Lacks, filepath.Join(w.dir, "cut"))
	if err != nil {
		return err
	}
	fmt.Fprintln(w.out, "Deploying …")
	_, err = w.cli().Deploy(ctx, cut)
	return w.withLog(err)
}

// cli is the CDK CLI for LocalStack.
func (w *world) cli() deploy.CLI {
	endpoint := "http://" + w.addr
	if w.localstack != nil {
		endpoint = w.localstack.Endpoint
	}
	return deploy.CLI{Python: w.installed.Python, Command: w.cdk, Architecture: w.architecture, Environment: deploy.Environment(endpoint)}
}

func (w *world) synthesize(ctx context.Context) error {
	fmt.Fprintln(w.out, "Building the functions …")
	made, cut := filepath.Join(w.dir, "cdk.out"), filepath.Join(w.dir, "cut")
	if err := errors.Join(os.RemoveAll(made), os.RemoveAll(cut)); err != nil {
		return err
	}
	cli := deploy.CLI{Python: w.installed.Python, Command: w.cdk, Architecture: w.architecture, Environment: deploy.Environment("http://" + w.addr)}
	var err error
	w.whole, err = cli.Synthesize(ctx, ".", made)
	return err
}

// start runs LocalStack and bootstraps it. When LocalStack ends, nothing else can be done.
func (w *world) start(ctx context.Context, giveUp context.CancelCauseFunc) error {
	fmt.Fprintf(w.out, "Starting LocalStack %s …\n", community.Version)
	started, err := w.installed.Start(ctx, community.Options{
		Dir: w.dir, Addr: w.addr, FunctionEnvironment: map[string]string{beside.ManagementVariable: w.url + "/" + stage, function.AllowAnonymous: "true"},
	})
	if err != nil {
		return err
	}
	w.localstack = started
	go func() {
		<-started.Ended()
		giveUp(w.ended())
	}()
	cli := w.cli()
	return w.withLog(cli.Bootstrap(ctx, filepath.Join(w.dir, "tmp")))
}

// withLog names LocalStack's log in an error.
func (w *world) withLog(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w\nLocalStack's log: %s", err, w.localstack.Log)
}

// serve serves the APIs until ctx ends, or LocalStack does.
func (w *world) serve(ctx context.Context, listeners []net.Listener) error {
	template, err := os.ReadFile(w.whole.TemplateFile())
	if err != nil {
		return err
	}
	front, err := beside.Open(ctx, beside.Options{Endpoint: w.localstack.Endpoint, Region: deploy.Region, Stack: deploy.StackName, Template: template, URL: w.url})
	if err != nil {
		return w.withLog(ended(ctx, err))
	}
	served, err := front.Listen(listeners, w.front, wall.Options{})
	if err != nil {
		return err
	}
	defer served.Close()
	if served.Stage != stage {
		return fmt.Errorf("the stage of the WebSocket API is %s, but the functions post to %s", served.Stage, stage)
	}
	if err := served.TellAddresses(ctx); err != nil {
		return w.withLog(ended(ctx, err))
	}
	fmt.Fprint(w.out, w.page(served))
	select {
	case <-ctx.Done():
		return nil
	case <-w.localstack.Ended():
		return w.ended()
	}
}

func (w *world) ended() error { return fmt.Errorf("LocalStack has ended: see %s", w.localstack.Log) }

// page says where everything is and what to paste.
func (w *world) page(served *beside.Server) welcome.Page {
	outputs := served.Outputs
	var tables []string
	for _, id := range w.whole.Template.IDs("AWS::DynamoDB::Table") {
		tables = append(tables, outputs[id+"Table"])
	}
	return welcome.Page{
		Head: "Watchroute runs in LocalStack " + community.Version + ", with WebSocket and REST APIs of ours in front. Ctrl-C ends it.",
		Rows: []welcome.Row{
			{Label: "WebSocket", Value: served.WebSocketURL()}, {Label: "HTTP", Value: served.HTTPURL()}, {Label: "Contracts", Value: served.HTTPURL() + events.OpenAPIPath + ", " + served.HTTPURL() + events.AsyncAPIPath}, {Label: "AWS APIs", Value: w.localstack.Endpoint},
			{Label: "Tables", Value: strings.Join(tables, ", ")}, {Label: "Failed writes", Value: outputs["FailureQueueUrl"]}, {Label: "Log", Value: w.localstack.Log},
		},
		WebSocket: served.WebSocketURL(), Endpoint: w.localstack.Endpoint, Region: deploy.Region, Table: outputs["EventsTable"], HTTP: served.HTTPURL(), Whole: true,
		Admission: "Without a token everyone may do everything here. To be somebody, put this into the header Authorization after \"Bearer\":\n\n" +
			"  aws --endpoint-url " + w.localstack.Endpoint + " --region " + deploy.Region + " --no-sign-request secretsmanager get-secret-value \\\n" +
			"    --secret-id " + outputs["TokenSecretArn"] + " --query SecretString --output text |\n" +
			"    go run ./localstack/token --secret - --sub alice --topics 'stocks/*'",
	}
}
