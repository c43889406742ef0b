// Command infra is the CDK app: it builds the functions for Lambda and
// synthesizes the stack. It runs in the module's root, as cdk.json says.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/watchroute/watchroute/infra/stack"
	"github.com/watchroute/watchroute/shared/build"
)

func main() {
	buildOnly := flag.Bool("build-only", false, "build the functions and synthesize nothing")
	flag.Parse()
	err := run(context.Background(), stack.Props{}, *buildOnly)
	jsii.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, props stack.Props, buildOnly bool) error {
	target := build.Lambda(props.Architecture.GOARCH())
	props.Code = filepath.Join(".build", target.OS+"-"+target.Arch)
	if err := build.Functions(ctx, ".", props.Code, target); err != nil || buildOnly {
		return err
	}
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false)})
	if _, err := stack.New(app, "Watchroute", props); err != nil {
		return err
	}
	app.Synth(nil)
	return nil
}
