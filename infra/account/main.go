// Command account says what the AWS account of your credentials allows of what a deployment
// takes, and which settings of stack.Props fit it. It changes nothing. After a deployment,
// what that has reserved itself is not free any more.
//
//	go run ./infra/account
//
// It needs lambda:GetAccountSettings, and apigateway:GET on /account.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "account:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load SDK configuration: %w", err)
	}
	a, err := open(cfg)
	if err != nil {
		return err
	}
	return a.report(ctx, out)
}
