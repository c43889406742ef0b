// Package function is the only place that knows how a function of this service
// starts: its settings, its log as JSON lines, the SDK's configuration, and the
// Lambda runtime.
package function

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Setup is what a handler is built from.
type Setup struct {
	Settings *Settings
	AWS      aws.Config // region, credentials and endpoints as the SDK finds them
	Logger   *slog.Logger
}

// Start builds the handler and serves invocations with it; it does not return. A
// setting that is missing, or a build that fails, is logged and ends the process
// with status 1, which Lambda reports as a failed initialization.
func Start[In, Out any](getenv func(string) string, build func(context.Context, Setup) (func(context.Context, In) (Out, error), error)) {
	logger, current := newLogger(os.Stderr, getenv("AWS_LAMBDA_LOG_LEVEL"))
	handler, err := prepare(getenv, logger, build)
	if err != nil {
		logger.Error("function cannot start", "err", err)
		os.Exit(1)
	}
	lambda.StartHandlerFunc(func(ctx context.Context, in In) (Out, error) {
		current.begin(ctx)
		return handler(ctx, in)
	})
}

func prepare[Handler any](getenv func(string) string, logger *slog.Logger, build func(context.Context, Setup) (Handler, error)) (Handler, error) {
	var none Handler
	cfg, err := configuration()
	if err != nil {
		return none, err
	}
	settings := SettingsFrom(getenv)
	handler, err := build(context.Background(), Setup{Settings: settings, AWS: cfg, Logger: logger})
	if wrong := settings.Err(); wrong != nil {
		return none, wrong // what build made of missing settings does not matter
	}
	if err != nil {
		return none, err
	}
	return handler, nil
}

// configuration reads what Lambda sets in a function's environment: Region, credentials, and
// perhaps endpoints. config.LoadDefaultConfig would also look for files, profiles and single
// sign-on, which no function has, and which make each of them half a megabyte larger.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func configuration() (aws.Config, error) {
	env, err := config.NewEnvConfig()
	if err != nil {
		return aws.Config{}, fmt.Errorf("read the SDK's settings: %w", err)
	}
	if env.Region == "" || !env.Credentials.HasKeys() {
		return aws.Config{}, errors.New("AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set")
	}
	cfg := aws.Config{
		Region: env.Region, Credentials: credentials.StaticCredentialsProvider{Value: env.Credentials},
		RetryMode: env.RetryMode, ConfigSources: []any{env},
	}
	if env.BaseEndpoint != "" {
		cfg.BaseEndpoint = &env.BaseEndpoint
	}
	return cfg, nil
}

// WithMargin ends a handler's context before Lambda ends the function, so that there
// is time to answer or report. A context without a deadline stays without.
func WithMargin(ctx context.Context, margin time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-margin))
}
