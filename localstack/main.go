// Localstack runs the service on this machine: the synthesized template and the
// function binaries, on emulated AWS services. It needs no account, no Docker and
// no token.
//
//	go run ./localstack [--addr localhost:4566] [--template FILE] [--unthrottled]
//	                    [--anonymous=false] [--allow-origin URL] [--allow-host NAME]
//	                    [--faults kill=0.01,post-429=0.05 [--seed N]]
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/inspector"
	"github.com/watchroute/watchroute/localstack/issuer"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/localstack/welcome"
	"github.com/watchroute/watchroute/shared/flags"
	"github.com/watchroute/watchroute/shared/token"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "localstack:", err)
		stop()
		os.Exit(1)
	}
}

// run starts the stack, says how to use it, and ends it with ctx.
func run(ctx context.Context, args []string, out io.Writer) error {
	set := flag.NewFlagSet("localstack", flag.ContinueOnError)
	addr := set.String("addr", "localhost:4566", "`address` to listen on; localhost is 127.0.0.1 and ::1")
	template := set.String("template", "", "template `file` to run (default: the module's "+stack.TemplateFile+")")
	anonymous := set.Bool("anonymous", true, "let clients without a token do everything, if the template can")
	var origins, hosts []string
	set.Func("allow-origin", "`origin` of pages that may use the stack, such as http://localhost:3000; several with commas or several flags (default: the stack's own)", listInto(&origins))
	set.Func("allow-host", "`name` that the stack may be reached by; several with commas or several flags (default: localhost, LocalStack's names and the host of addr)", listInto(&hosts))
	unthrottled := set.Bool("unthrottled", false, "leave out API Gateway's limit of 10,000 requests a second for the account")
	plan := set.String("faults", "", "`faults` to break the stack with, such as kill=0.01,post-429, or all (default: none)")
	seed := set.Uint64("seed", 0, "`seed` of the faults, to repeat their decisions (default: a random one)")
	if err := flags.Parse(set, args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *anonymous {
		if err := onThisMachine(origins); err != nil {
			return err
		}
	}
	faults, err := newFaults(*plan, *seed)
	if err != nil {
		return err
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "Building the functions …")
	options := stack.Options{
		Addr: *addr, Root: root, Template: *template, Anonymous: *anonymous, Progress: out, AllowOrigins: origins, AllowHosts: hosts,
		Log: os.Stderr, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Faults: faults, RequestNice: requestNice, ReuseWait: reuseWait,
	}
	if *unthrottled {
		options.Gateway.Account.Rate = -1
	}
	s, err := stack.Start(ctx, options)
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Fprint(out, page(s, where(*addr, s.Addr()), faults, *anonymous))
	s.Reload(ctx)
	return nil
}

// onThisMachine refuses origins of other machines: their pages could do everything, without a token.
func onThisMachine(origins []string) error {
	for _, origin := range origins {
		if !token.OnThisMachine(origin) {
			return fmt.Errorf("allow origin %q: its pages could do everything here without a token, add --anonymous=false", origin)
		}
	}
	return nil
}

// listInto adds the parts of a flag's value to a list.
func listInto(list *[]string) func(text string) error {
	return func(text string) error {
		*list = append(*list, strings.Split(text, ",")...)
		return nil
	}
}

// requestNice leaves most of the processor to deliveries while a client floods.
const requestNice = 19

// reuseWait is a few times the duration of a client's request. It lets fewer processes, of 9 MB
// each, serve a thousand clients that connect at once.
const reuseWait = 100 * time.Millisecond

// newFaults reads the plan of what is to be broken, which may be nothing: the console changes it. A
// seed of 0 stands for a random one, short enough to type.
func newFaults(text string, seed uint64) (*fault.Faults, error) {
	plan, err := fault.Parse(text)
	if err != nil {
		return nil, err
	}
	return fault.New(plan, cmp.Or(seed, 1+rand.Uint64N(1_000_000))), nil
}

// moduleRoot finds the folder of go.mod at or above the working directory.
func moduleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod in %s or above it: run this inside the repository", start)
		}
	}
}

// page says where everything is and what to paste, and what is broken on purpose.
func page(s *stack.Stack, address string, faults *fault.Faults, anonymous bool) welcome.Page {
	broken := ""
	if !faults.Calm() {
		broken = faults.String()
	}
	http, contracts := "", ""
	if s.HTTPURL() != "" {
		contracts = s.HTTPURL() + events.OpenAPIPath + ", " + s.HTTPURL() + events.AsyncAPIPath
		http = "http://" + address + strings.TrimPrefix(s.HTTPURL(), s.URL())
	}
	return welcome.Page{
		Head: fmt.Sprintf("Watchroute runs (functions built in %.1f s, ready %d ms later). Ctrl-C ends it.", s.Building.Seconds(), s.Ready.Milliseconds()),
		Rows: []welcome.Row{
			{Label: "Console", Value: "http://" + address + "/"},
			{Label: "WebSocket", Value: s.WebSocketURL()}, {Label: "HTTP", Value: s.HTTPURL()}, {Label: "Contracts", Value: contracts}, {Label: "AWS APIs", Value: s.URL()}, {Label: "Usage", Value: s.URL() + "/_localstack/usage"},
			{Label: "Webhooks", Value: s.URL() + inspector.Path},
			{Label: "Tables", Value: strings.Join(s.Tables, ", ")}, {Label: "Failed writes", Value: s.Outputs["FailureQueueUrl"]}, {Label: "Faults", Value: broken},
		},
		WebSocket: "ws://" + address + "/" + s.Stage(), Endpoint: "http://" + address, Region: stack.Region, Table: "Events",
		HTTP: http, Admission: admission(s, address, anonymous),
	}
}

// where is the address to paste: with the name localhost only if every client that resolves it
// finds the stack. asked is what the stack was to listen on, made an address where it does.
func where(asked, made string) string {
	host, _, _ := net.SplitHostPort(asked)
	_, port, _ := net.SplitHostPort(made)
	if host == "localhost" || host == "" { // both loopback addresses, or all
		return net.JoinHostPort("localhost", port)
	}
	return made
}

// elsewhere is what make token needs to find a stack that is not where it looks by itself.
func elsewhere(address string) string {
	if "http://"+address == issuer.DefaultURL {
		return ""
	}
	return " ARGS=--url=http://" + address
}

// admission says who is let in, and how to be somebody.
func admission(s *stack.Stack, address string, anonymous bool) string {
	if s.Outputs["TokenSecretArn"] == "" {
		return "Everyone may do everything: the template has no authentication with a secret."
	}
	who := "Without a token everyone may do everything here (end that with ARGS=--anonymous=false)."
	if !anonymous {
		who = "Nobody gets in without a token."
	}
	return who + " To be somebody:\n\n" +
		`  npx wscat -c ws://` + address + "/" + s.Stage() + ` -H "Authorization: Bearer $(make token SUB=alice TOPICS='stocks/*'` + elsewhere(address) + `)"`
}
