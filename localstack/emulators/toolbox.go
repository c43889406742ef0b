package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/watchroute/watchroute/localstack/deploy"
)

const (
	region  = deploy.Region
	account = deploy.Account
	key     = deploy.Key
)

// toolbox reaches the emulator as a user reaches AWS: with the CDK CLI, the AWS
// CLI and the SDK.
type toolbox struct {
	options
	*emulator
	cdk      deploy.CLI
	dynamodb *dynamodb.Client
	sqs      *sqs.Client // the AWS CLI 1 does not take its endpoint from the environment for SQS
}

func newToolbox(o options, e *emulator, architecture string) *toolbox {
	cfg := aws.Config{
		Region: region, BaseEndpoint: aws.String(e.endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(key, key, ""),
	}
	return &toolbox{
		options: o, emulator: e,
		cdk:      deploy.CLI{Python: o.python(), Command: o.command, Architecture: architecture, Environment: deploy.Environment(e.endpoint)},
		dynamodb: dynamodb.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg),
	}
}

// runAWS runs the AWS CLI and decodes what it answers into out, unless that is nil.
func (t *toolbox) runAWS(ctx context.Context, out any, args ...string) error {
	command := append([]string{filepath.Join(t.venv, "bin", "aws"), "--output", "json"}, args...)
	answer, err := t.run(ctx, "", command)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal([]byte(answer), out); err != nil {
		return fmt.Errorf("aws %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// run runs a program.
func (t *toolbox) run(ctx context.Context, dir string, command []string) (string, error) {
	return deploy.Run(ctx, t.cdk.Python, dir, t.cdk.Environment, command)
}

// eventually tries again until there is no error, for at most two minutes: mappings
// of LocalStack look up to ten seconds apart, and a busy machine is slow.
func eventually(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return fmt.Errorf("not after two minutes: %w", err)
		}
	}
}
