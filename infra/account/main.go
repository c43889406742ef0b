// Command account says what the AWS account of your credentials allows of what a deployment
// takes, and which settings of stack.Props fit it. It changes nothing. After a deployment,
// what that has reserved itself is not free any more.
//
//	go run ./infra/account
//	go run ./infra/account --log-role
//
// With --log-role it fails if the account has no role for API Gateway's logs, without which a
// deployment would get as far as the stage and then be rolled back. It needs lambda:GetAccountSettings, and apigateway:GET on /account.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
)

func main() {
	logRole := flag.Bool("log-role", false, "fail if the account has no role for API Gateway's logs, and print nothing else")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *logRole); err != nil {
		fmt.Fprintln(os.Stderr, "account:", err)
		os.Exit(1)
	}
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
