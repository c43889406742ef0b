// Package secret is the only place that reads Secrets Manager.
package secret

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// Secret is one secret, a text or bytes. Safe for concurrent use.
type Secret struct {
	arn    string
	client *secretsmanager.Client
}

// Open names a secret by its ARN. It does not reach out.
func Open(cfg aws.Config, arn string) Secret {
	return Secret{arn, secretsmanager.NewFromConfig(cfg)}
}

// Versions reads the current version, and after it the one before, if there is one: what was
// made with that before a rotation stays good until the next.
//
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
func (s Secret) Versions(ctx context.Context) ([][]byte, error) {
	current, err := s.version(ctx, "AWSCURRENT")
	if err != nil {
		return nil, err
	}
	previous, err := s.version(ctx, "AWSPREVIOUS")
	if none := (*types.ResourceNotFoundException)(nil); errors.As(err, &none) {
		return [][]byte{current}, nil
	}
	if err != nil {
		return nil, err
	}
	return [][]byte{current, previous}, nil
}

func (s Secret) version(ctx context.Context, stage string) ([]byte, error) {
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.arn, VersionStage: &stage})
	if err != nil {
		return nil, fmt.Errorf("get secret value %s: %w", stage, err)
	}
	if out.SecretString == nil {
		return out.SecretBinary, nil
	}
	return []byte(*out.SecretString), nil
}
