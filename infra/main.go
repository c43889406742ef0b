// Command infra is the CDK app: it builds the functions for Lambda and
// synthesizes the stack. It runs in the module's root, as cdk.json says.
//
// Context values (cdk -c name=value, or "context" in cdk.json) say what is deployed. A value that
// is empty, of another type or out of bounds is refused, and so is a name that is not one of these:
//
//	architecture      arm64 (the default) or x86_64: of the executables and the template
//	name              of the stack, Watchroute if not given; give each its own if there are several
//	account, region   where it is deployed; where the credentials are if not given
//	stage             of the API, live if not given
//	tags              of all resources: key=value,key=value, or an object in cdk.json
//	protect           true lets CloudFormation refuse to delete the stack
//	table-deletion    allow turns off the deletion protection of the tables of user data
//	account-log-role  set gives the account the role that access logs need
//	issuer, jwks, secret, secret-key, audience   whose tokens let clients in, see [stack.Auth]
//	auth              open-to-everyone lets everyone in
//	refuse            handshake tells all refusals there, see [stack.Auth]
//	query-tokens      off takes no token out of the URL's query
//	origins           of pages that may connect, separated by commas, see [stack.Props]
//	http              off leaves out the HTTP routes
//	websocket-url, http-url                      where clients come, behind a custom domain or a CDN
//	web-acl           ARN of a web ACL that filters HTTP requests
//	sources           a list of [stack.Source] in cdk.json, or its text
//	route-metrics, connection-backups            on turns on what costs money
//	log-level, system-log-level                  DEBUG, INFO, WARN …
//
// The other fields of [stack.Props] have their names in lower case, with hyphens: the numbers
// max-connections, max-subject-units, http-concurrency, log-days, throttling-rate and so on, and the
// times change-retention and stream-time, such as 48h.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/watchroute/watchroute/infra/stack"
	"github.com/watchroute/watchroute/shared/build"
	"github.com/watchroute/watchroute/shared/flags"
)

func main() {
	err := command(context.Background(), os.Args[1:])
	jsii.Close()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "infra:", err)
		os.Exit(1)
	}
}

// command does what the flags say.
func command(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("infra", flag.ContinueOnError)
	buildOnly := set.Bool("build-only", false, "build the functions and synthesize nothing")
	if err := flags.Parse(set, args); err != nil {
		return err
	}
	return run(ctx, *buildOnly)
}

func run(ctx context.Context, buildOnly bool) error {
	if buildOnly {
		_, err := buildFor(ctx, stack.ARM64)
		return err
	}
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false)})
	name, props, err := propsOf(app)
	if err != nil {
		return err
	}
	if props.Code, err = buildFor(ctx, props.Architecture); err != nil {
		return err
	}
	if _, err := stack.New(app, name, props); err != nil {
		return err
	}
	app.Synth(nil)
	return nil
}

// buildFor builds the functions and gives the folder they are in. It tells its progress
// on stderr, as stdout is the CDK's.
func buildFor(ctx context.Context, architecture stack.Architecture) (string, error) {
	target := build.Lambda(architecture.GOARCH())
	code := filepath.Join(".build", target.OS+"-"+target.Arch)
	return code, build.Functions(ctx, ".", code, target, os.Stderr)
}
