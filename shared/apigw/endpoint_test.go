package apigw

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
)

// Where API Gateway and those who emulate it take posts.
const (
	onAWS        = "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/live"
	customDomain = "https://watch.example.com" // mapped to the stage, which is not in the path
	embedded     = "http://127.0.0.1:4566/live"
	// LocalStack documents the bare port; its later builds name the API and the stage.
	localStack        = "http://localhost.localstack.cloud:4566"
	localStackPerPath = "http://localhost:4566/_aws/execute-api/a1b2c3d4/live"
)

const (
	forAll  = "AWS_ENDPOINT_URL"
	forPost = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"
	ignore  = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
)

// TestEndpoint holds the order of the settings, and holds it to the SDK's own
// client: whenever that finds an endpoint configured, it is the same.
func TestEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		environment map[string]string
		callback    string
		want        string
	}{
		"AWS":                           {nil, onAWS, onAWS},
		"custom domain":                 {nil, customDomain, customDomain},
		"trailing slash":                {nil, customDomain + "/", customDomain},
		"embedded stack":                {map[string]string{forAll: "http://127.0.0.1:4566", forPost: embedded}, onAWS, embedded},
		"LocalStack":                    {map[string]string{forAll: localStack}, onAWS, localStack},
		"LocalStack, API in the path":   {map[string]string{forAll: localStack, forPost: localStackPerPath}, onAWS, localStackPerPath},
		"set for this service alone":    {map[string]string{forPost: embedded}, onAWS, embedded},
		"set for another service":       {map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": localStack}, onAWS, onAWS},
		"set, but to be ignored":        {map[string]string{forAll: localStack, forPost: embedded, ignore: "true"}, onAWS, onAWS},
		"set empty, which is as unset":  {map[string]string{forAll: "", forPost: ""}, customDomain, customDomain},
		"set, and no callback is given": {map[string]string{forPost: embedded}, "", embedded},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := load(t, c.environment)
			got, err := endpoint(t.Context(), cfg, c.callback)
			if err != nil || got != c.want {
				t.Errorf("endpoint is %q, %v, want %q", got, err, c.want)
			}
			sdk := apigatewaymanagementapi.NewFromConfig(cfg).Options().BaseEndpoint
			if sdk != nil && *sdk != "" && *sdk != got {
				t.Errorf("the SDK's client posts to %q, we to %q", *sdk, got)
			}
		})
	}
}

// load reads the SDK's configuration with these variables and no others of
// their kind.
func load(t *testing.T, environment map[string]string) aws.Config {
	t.Helper()
	for _, name := range []string{forAll, forPost, ignore, "AWS_CONFIG_FILE", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	for name, value := range environment {
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-west-1"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestEndpointRefusesWhatIsNoHTTPAddress(t *testing.T) {
	for _, callback := range []string{"", "wss://host/live", "host/live", "://", "https://"} {
		if got, err := endpoint(t.Context(), load(t, nil), callback); err == nil {
			t.Errorf("callback %q was taken as %q", callback, got)
		}
	}
	if _, err := endpoint(t.Context(), load(t, map[string]string{forAll: "localhost:4566"}), onAWS); err == nil {
		t.Error("a configured endpoint without a scheme was taken")
	}
}
