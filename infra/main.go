// Command infra is the CDK app: it builds the functions for Lambda and
// synthesizes the stack. It runs in the module's root, as cdk.json says.
//
// The context value architecture (cdk -c architecture=x86_64) is what both the
// executables and the template are made for; without it, arm64. The values issuer, jwks,
// secret, secret-key and audience say whose tokens let clients in, as [stack.Auth] has them,
// and auth=open-to-everyone that everyone is. origins are those of [stack.Props], separated by
// commas.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/watchroute/watchroute/infra/stack"
	"github.com/watchroute/watchroute/shared/build"
)

func main() {
	buildOnly := flag.Bool("build-only", false, "build the functions and synthesize nothing")
	flag.Parse()
	err := run(context.Background(), *buildOnly)
	jsii.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, buildOnly bool) error {
	if buildOnly {
		_, err := buildFor(ctx, stack.ARM64)
		return err
	}
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false)})
	architecture, err := architectureOf(app)
	if err != nil {
		return err
	}
	code, err := buildFor(ctx, architecture)
	if err != nil {
		return err
	}
	auth, err := authOf(app)
	if err != nil {
		return err
	}
	props := stack.Props{Architecture: architecture, Code: code, Auth: auth, AllowedOrigins: originsOf(app)}
	if _, err := stack.New(app, "Watchroute", props); err != nil {
		return err
	}
	app.Synth(nil)
	return nil
}

// openToEveryone is the context value auth that a deployment without authentication needs.
const openToEveryone = "open-to-everyone"

// authOf reads whose tokens let clients in.
func authOf(app awscdk.App) (stack.Auth, error) {
	auth := stack.Auth{
		Issuer: contextText(app, "issuer"), JWKSURL: contextText(app, "jwks"), SecretARN: contextText(app, "secret"),
		SecretKeyARN: contextText(app, "secret-key"), Audience: contextText(app, "audience"),
	}
	switch value := contextText(app, "auth"); value {
	case "":
	case openToEveryone:
		auth.OpenToEveryone = true
	default:
		return auth, fmt.Errorf("context value auth is %q, known is %s", value, openToEveryone)
	}
	return auth, nil
}

// originsOf reads the origins whose pages may connect. An empty list allows all.
func originsOf(app awscdk.App) []string {
	text := contextText(app, "origins")
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// contextText reads a context value that is a text; empty if it is not there.
func contextText(app awscdk.App, name string) string {
	text, _ := app.Node().TryGetContext(jsii.String(name)).(string)
	return text
}

// architectureOf reads the context value architecture.
func architectureOf(app awscdk.App) (stack.Architecture, error) {
	switch value := app.Node().TryGetContext(jsii.String("architecture")).(type) {
	case nil:
		return stack.ARM64, nil
	case string:
		return stack.ParseArchitecture(value)
	default:
		return "", fmt.Errorf("context value architecture is %v, not a text", value)
	}
}

// buildFor builds the functions and gives the folder they are in. It tells its progress
// on stderr, as stdout is the CDK's.
func buildFor(ctx context.Context, architecture stack.Architecture) (string, error) {
	target := build.Lambda(architecture.GOARCH())
	code := filepath.Join(".build", target.OS+"-"+target.Arch)
	return code, build.Functions(ctx, ".", code, target, os.Stderr)
}
