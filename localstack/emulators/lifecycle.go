package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/watchroute/watchroute/localstack/deploy"
)

// bucket is where `cdk bootstrap` lets assets be uploaded.
const bucket = "cdk-hnb659fds-assets-" + account + "-" + region

// zipLimits are what a function's zip may have, in bytes: the larger, the longer a cold
// start. Code for x86_64 is a tenth larger than that for arm64, the default.
var zipLimits = map[string]int{"arm64": 4_500_000, "x86_64": 5_000_000}

// archive is a zip in the bucket.
type archive struct {
	Hash  string
	Bytes int
}

// takeZips gives the uploaded zips by their keys, and deletes them from the
// bucket, so that the next deployment uploads its own.
func (d *deployment) takeZips(ctx context.Context) (map[string]archive, error) {
	zips, err := d.zips(ctx)
	if err != nil {
		return nil, err
	}
	for key := range zips {
		if err := d.runAWS(ctx, nil, "s3api", "delete-object", "--bucket", bucket, "--key", key); err != nil {
			return nil, err
		}
	}
	return zips, same("number of zips", len(zips), 11)
}

// zipsAreSmall looks for each function's zip and names all that are too large.
func (d *deployment) zipsAreSmall(zips map[string]archive) error {
	var faults []error
	for _, id := range d.Template.IDs("AWS::Lambda::Function") {
		var want struct{ Code struct{ S3Key string } }
		if err := d.want(id, &want); err != nil {
			return err
		}
		zip, ok := zips[want.Code.S3Key]
		if !ok {
			faults = append(faults, fmt.Errorf("%s has no zip", id))
		}
		if zip.Bytes > zipLimits[d.cdk.Architecture] {
			faults = append(faults, fmt.Errorf("%s has a zip of %d bytes", id, zip.Bytes))
		}
	}
	return errors.Join(faults...)
}

// zips downloads the uploaded zips and gives them by key.
func (d *deployment) zips(ctx context.Context) (map[string]archive, error) {
	var listed struct{ Contents []struct{ Key string } }
	if err := d.runAWS(ctx, &listed, "s3api", "list-objects-v2", "--bucket", bucket); err != nil {
		return nil, err
	}
	zips := map[string]archive{}
	for _, object := range listed.Contents {
		if !strings.HasSuffix(object.Key, ".zip") {
			continue
		}
		file := filepath.Join(d.options.dir, "downloaded.zip")
		if err := d.runAWS(ctx, nil, "s3api", "get-object", "--bucket", bucket, "--key", object.Key, file); err != nil {
			return nil, err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		zips[object.Key] = archive{Hash: deploy.Hash(content), Bytes: len(content)}
	}
	return zips, nil
}

// deployingAgainChangesNothing builds and deploys a copy of the source that lies
// elsewhere.
func (d *deployment) deployingAgainChangesNothing(ctx context.Context) error {
	root := filepath.Join(d.options.dir, d.name, "copy")
	if err := copySource(root); err != nil {
		return err
	}
	whole, err := d.cdk.Synthesize(ctx, root, filepath.Join(root, "cdk.out"))
	if err != nil {
		return err
	}
	again, err := whole.Without(d.lacks, filepath.Join(root, "accepted"))
	if err != nil {
		return err
	}
	said, err := d.cdk.Deploy(ctx, again)
	if err != nil {
		return err
	}
	if !strings.Contains(said, "(no changes)") {
		return fmt.Errorf("the CDK CLI does not say that nothing changed:\n%s", said)
	}
	return nil
}

// copySource copies what the CDK app is built from.
func copySource(root string) error {
	for _, folder := range []string{"events", "functions", "infra", "shared"} {
		if err := os.CopyFS(filepath.Join(root, folder), os.DirFS(folder)); err != nil {
			return fmt.Errorf("copy source: %w", err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum", "cdk.json"} {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, file), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (d *deployment) zipsAreTheSame(ctx context.Context, want map[string]archive) error {
	got, err := d.zips(ctx)
	return errors.Join(err, same("uploaded zips", got, want))
}

// destroyKeepsData destroys the stack and looks for each resource that holds
// something.
func (d *deployment) destroyKeepsData(ctx context.Context) error {
	if err := d.cdk.Destroy(ctx, d.Assembly); err != nil {
		return err
	}
	var faults []error
	for id, r := range d.Template.Resources {
		look := d.lookFor(ctx, id, r.Type)
		if look == nil {
			continue
		}
		if err := look(); (err == nil) != (r.DeletionPolicy == "Retain") {
			faults = append(faults, fmt.Errorf("%s, of policy %q: looking for it gives %v", id, r.DeletionPolicy, err))
		}
	}
	return errors.Join(append(faults, d.isLogged(ctx, topic,
		`1 added quote {"price":150.75}`, `2 modified quote {"price":151}`, `3 modified quote {"price":152}`))...)
}

// lookFor gives a function that fails if the resource is gone; nil for types
// that hold nothing of their own.
func (d *deployment) lookFor(ctx context.Context, id, typ string) func() error {
	name := d.physical[id]
	switch typ {
	case "AWS::DynamoDB::Table":
		return func() error {
			_, err := d.dynamodb.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)})
			return err
		}
	case "AWS::SQS::Queue":
		return func() error {
			_, err := d.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: aws.String(name)})
			return err
		}
	case "AWS::SecretsManager::Secret":
		return func() error { return d.runAWS(ctx, nil, "secretsmanager", "get-secret-value", "--secret-id", name) }
	case "AWS::Lambda::Function":
		return func() error {
			return d.runAWS(ctx, nil, "lambda", "get-function-configuration", "--function-name", name)
		}
	case "AWS::ApiGatewayV2::Api":
		return func() error { return d.runAWS(ctx, nil, "apigatewayv2", "get-api", "--api-id", name) }
	case "AWS::IAM::Role":
		return func() error { return d.runAWS(ctx, nil, "iam", "get-role", "--role-name", name) }
	}
	return nil
}
