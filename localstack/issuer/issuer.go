// Package issuer is the only place that knows how tokens for a running stack are signed:
// with the secret that it has made and whose name is among its outputs.
package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/token"
)

// DefaultURL is where `make local` runs the stack.
const DefaultURL = "http://localhost:4566"

// Issuer signs tokens.
type Issuer struct {
	secret []byte
}

// With makes an issuer that signs with a secret.
func With(secret []byte) Issuer { return Issuer{secret} }

// Open asks the stack at a URL for the secret that it has made.
func Open(ctx context.Context, url string) (Issuer, error) {
	arn, err := secretARN(ctx, url)
	if err != nil {
		return Issuer{}, err
	}
	secrets := secretsmanager.New(secretsmanager.Options{
		Region: stack.Region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	got, err := secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if err != nil {
		return Issuer{}, err
	}
	return With([]byte(aws.ToString(got.SecretString))), nil
}

func secretARN(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/_localstack/outputs", nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("no stack runs at %s, start it with `make local`: %w", url, err)
	}
	defer response.Body.Close()
	var outputs map[string]string
	if err := json.NewDecoder(response.Body).Decode(&outputs); err != nil {
		return "", fmt.Errorf("what runs at %s is no stack of ours: %w", url, err)
	}
	if outputs["TokenSecretArn"] == "" {
		return "", errors.New("the stack's tokens are not signed with a secret")
	}
	return outputs["TokenSecretArn"], nil
}

// Sign makes a token, or says what the service would refuse in it.
func (i Issuer) Sign(t token.Token) (string, error) { return token.Sign(i.secret, t) }
