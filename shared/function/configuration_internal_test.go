package function

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// TestConfigurationIsThatOfTheEnvironment, with an endpoint for all services and one for a
// single one, as emulators set them.
func TestConfigurationIsThatOfTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:4567", "AWS_PROFILE": "none",
	} {
		t.Setenv(name, value)
	}
	cfg, err := configuration()
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || credentials.AccessKeyID != "a" || credentials.SessionToken != "c" || cfg.Region != "eu-west-1" {
		t.Errorf("configuration is %+v with %+v, %v", cfg, credentials, err)
	}
	if got := dynamodb.NewFromConfig(cfg).Options(); *got.BaseEndpoint != "http://127.0.0.1:4566" || got.Region != "eu-west-1" {
		t.Errorf("DynamoDB is at %s", *got.BaseEndpoint)
	}
	if got := sqs.NewFromConfig(cfg).Options(); *got.BaseEndpoint != "http://127.0.0.1:4567" {
		t.Errorf("SQS is at %s", *got.BaseEndpoint)
	}
	for _, name := range []string{"AWS_REGION", "AWS_ACCESS_KEY_ID"} {
		t.Setenv("AWS_DEFAULT_REGION", "")
		t.Setenv(name, "")
		if cfg, err := configuration(); err == nil {
			t.Errorf("without %s the configuration is %+v", name, cfg)
		}
	}
}
