// Command account says what the AWS account of your credentials allows of what a deployment
// takes, and which settings of stack.Props fit it. It changes nothing. After a deployment,
// what that has reserved itself is not free any more.
//
//	go run ./infra/account
//	go run ./infra/account --log-role
//
// With --log-role it fails if the account has no role for API Gateway's logs, without which a
// deployment would get as far as the stage and then be rolled back. It needs
// lambda:GetAccountSettings, and apigateway:GET on /account.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/watchroute/watchroute/shared/flags"
)

func main() {
	if err := command(context.Background(), os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "account:", err)
		os.Exit(1)
	}
}

// command does what the flags say.
func command(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("account", flag.ContinueOnError)
	logRole := set.Bool("log-role", false, "fail if the account has no role for API Gateway's logs, and print nothing else")
	if err := flags.Parse(set, args); err != nil {
		return err
	}
	return run(ctx, os.Stdout, *logRole)
}

func run(ctx context.Context, out io.Writer, logRole bool) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load SDK configuration: %w", err)
	}
	a, err := open(cfg)
	if err != nil {
		return err
	}
	if logRole {
		return a.needLogRole(ctx, out)
	}
	return a.report(ctx, out)
}
