package secret_test

import (
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/watchroute/watchroute/localstack/aws/secrets"
	"github.com/watchroute/watchroute/shared/secret"
)

// TestVersions reads a secret before and after rotations, also to bytes.
func TestVersions(t *testing.T) {
	server := httptest.NewServer(secrets.New(secrets.Options{}).Service())
	defer server.Close()
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}
	manager := secretsmanager.NewFromConfig(cfg)
	made, err := manager.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("key"), SecretString: aws.String("first\n")})
	if err != nil {
		t.Fatal(err)
	}
	holds := func(want ...string) {
		t.Helper()
		versions, err := secret.Open(cfg, *made.ARN).Versions(t.Context())
		var got []string
		for _, version := range versions {
			got = append(got, string(version))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("versions are %q, %v, want %q", got, err, want)
		}
	}
	rotate := func(in secretsmanager.PutSecretValueInput) {
		t.Helper()
		in.SecretId = made.ARN
		if _, err := manager.PutSecretValue(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
	}
	holds("first\n")
	rotate(secretsmanager.PutSecretValueInput{SecretString: aws.String("second")})
	holds("second", "first\n")
	rotate(secretsmanager.PutSecretValueInput{SecretBinary: []byte{0, 0xff}})
	holds("\x00\xff", "second")
}

func TestNoSecret(t *testing.T) {
	server := httptest.NewServer(secrets.New(secrets.Options{}).Service())
	defer server.Close()
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}
	if versions, err := secret.Open(cfg, "none").Versions(t.Context()); err == nil {
		t.Errorf("versions are %q", versions)
	}
}
