// Command front gives another emulator of AWS the WebSocket APIs that it lacks, such as LocalStack's
// community edition: it serves the APIs of a template, and invokes the functions of the deployed stack by
// Lambda's API.
//
//	go run ./localstack/front --endpoint http://localhost:4566 [--template FILE] [--stack NAME]
//	                          [--addr localhost:4567] [--tell] [--callback URL] [--domain NAME]
//	                          [--region REGION] [--allow-origin URL] [--allow-host NAME]
//
// Functions must post to connections at this program. AWS's SDKs do if AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI
// says so and the code gives no endpoint of its own; --tell sets it in every function of the stack, and where the
// APIs are in those that tell it clients. Code that takes the endpoint from the events' domainName needs --domain.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/watchroute/watchroute/localstack/beside"
	"github.com/watchroute/watchroute/localstack/wall"
	"github.com/watchroute/watchroute/shared/flags"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "front:", err)
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	beside.Options
	addr, template string
	tell           bool
	callback       string
	wall           wall.Options
}

func parse(args []string) (settings, error) {
	var s settings
	set := flag.NewFlagSet("front", flag.ContinueOnError)
	set.StringVar(&s.Endpoint, "endpoint", "http://localhost:4566", "`URL` of the other emulator")
	set.StringVar(&s.template, "template", "", "synthesized template `file`, in JSON (default: what the stack was deployed from)")
	set.StringVar(&s.Stack, "stack", "", "`name` of the deployed stack (default: the only one)")
	set.StringVar(&s.Region, "region", "us-east-1", "`region` of the stack")
	set.StringVar(&s.addr, "addr", "localhost:4567", "`address` to listen on; localhost is 127.0.0.1 and ::1")
	set.StringVar(&s.DomainName, "domain", "", "`host:port` that events call the WebSocket API (default: AWS's form)")
	set.BoolVar(&s.tell, "tell", false, "set "+beside.ManagementVariable+" in every function of the stack, and where the APIs are in those that tell it clients")
	set.StringVar(&s.callback, "callback", "", "`URL` of this program as functions reach it, such as http://host.docker.internal:4567 (default: where it listens)")
	set.Func("allow-origin", "`origin` of pages that may use it; several with commas or several flags (default: its own)", listInto(&s.wall.AllowOrigins))
	set.Func("allow-host", "`name` that it may be reached by; several with commas or several flags (default: localhost, and the hosts of addr and callback)", listInto(&s.wall.AllowHosts))
	if err := flags.Parse(set, args); err != nil {
		return s, err
	}
	if s.template != "" {
		var err error
		if s.Template, err = os.ReadFile(s.template); err != nil {
			return s, fmt.Errorf("read template: %w", err)
		}
	}
	return s, nil
}

// listInto adds the parts of a flag's value to a list.
func listInto(list *[]string) func(text string) error {
	return func(text string) error {
		*list = append(*list, strings.Split(text, ",")...)
		return nil
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	s, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	listeners, err := wall.Listen(s.addr)
	if err != nil {
		return err
	}
	served, err := s.open(ctx, listeners)
	if err != nil {
		wall.CloseAll(listeners)
		return err
	}
	defer served.Close()
	if s.tell {
		if err := served.TellFunctions(ctx, cmp.Or(s.callback, s.URL)+"/"+served.Stage); err != nil {
			return err
		}
		if err := served.TellAddresses(ctx); err != nil {
			return err
		}
	}
	s.welcome(out, served)
	<-ctx.Done()
	return nil
}

// open serves the stack's APIs on the listeners.
func (s *settings) open(ctx context.Context, listeners []net.Listener) (*beside.Server, error) {
	s.URL = "http://" + listeners[0].Addr().String()
	if callback, found := strings.CutPrefix(s.callback, "http://"); found {
		host, _, err := net.SplitHostPort(callback)
		if err != nil {
			return nil, fmt.Errorf("callback %q has no port: %w", s.callback, err)
		}
		s.wall.AllowHosts = append(s.wall.AllowHosts, host)
	}
	front, err := beside.Open(ctx, s.Options)
	if err != nil {
		return nil, err
	}
	return front.Listen(listeners, s.addr, s.wall)
}

// welcome says where everything is.
func (s *settings) welcome(out io.Writer, served *beside.Server) {
	fmt.Fprintf(out, "The APIs of the stack at %s are served. Ctrl-C ends that.\n\n  WebSocket     %s\n", s.Endpoint, served.WebSocketURL())
	if served.RESTStage != "" {
		fmt.Fprintf(out, "  HTTP          %s\n", served.HTTPURL())
	}
	fmt.Fprintf(out, "  Posts         %s=%s/%s\n\n", beside.ManagementVariable, cmp.Or(s.callback, s.URL), served.Stage)
}
