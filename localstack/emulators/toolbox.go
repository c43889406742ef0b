package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const (
	region  = "us-east-1"
	account = "000000000000" // MiniStack's only one
	key     = "test"         // it takes any credentials
)

// toolbox reaches the emulator as a user reaches AWS: with the CDK CLI, the AWS
// CLI and the SDK.
type toolbox struct {
	options
	endpoint     string
	architecture string
	environment  []string
	dynamodb     *dynamodb.Client
	sqs          *sqs.Client // the AWS CLI 1 does not take its endpoint from the environment for SQS
}

func newToolbox(o options, m *miniStack, architecture string) *toolbox {
	cfg := aws.Config{
		Region: region, BaseEndpoint: aws.String(m.endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(key, key, ""),
	}
	return &toolbox{
		options: o, endpoint: m.endpoint, architecture: architecture,
		environment: childEnvironment(m.endpoint),
		dynamodb:    dynamodb.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg),
	}
}

// childEnvironment is this process's, with everything of AWS replaced: whatever
// account the user is signed in to is out of reach.
func childEnvironment(endpoint string) []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "AWS_") && !strings.HasPrefix(variable, "CDK_") {
			kept = append(kept, variable)
		}
	}
	return append(kept,
		"AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY="+key,
		"AWS_REGION="+region, "AWS_DEFAULT_REGION="+region,
		"AWS_ENDPOINT_URL="+endpoint, "AWS_ENDPOINT_URL_S3="+endpoint,
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true", "CDK_DISABLE_CLI_TELEMETRY=true")
}

// runCDK runs the CDK CLI in dir and gives what it printed.
func (t *toolbox) runCDK(ctx context.Context, dir string, args ...string) (string, error) {
	command := append(strings.Fields(t.cdk), "--no-notices", "--ci", "-c", "architecture="+t.architecture)
	return t.run(ctx, dir, append(command, args...))
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

// run runs a program and gives its standard output; if it fails, the error
// carries all it said.
func (t *toolbox) run(ctx context.Context, dir string, command []string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Env = dir, t.environment
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(command, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// eventually tries again until there is no error, for at most half a minute.
func eventually(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
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
			return fmt.Errorf("not after 30 seconds: %w", err)
		}
	}
}
