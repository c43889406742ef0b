package apigw

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// serviceID is the SDK's name for the management API, by which its settings are
// looked up: the variable AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI among them.
const serviceID = "ApiGatewayManagementApi"

// endpoint decides where posts go: to the endpoint that the SDK's own settings
// name for this service, and otherwise to callback, the address that the stack was
// deployed with. Both include the stage, if the domain needs one.
func endpoint(ctx context.Context, cfg aws.Config, callback string) (string, error) {
	address := callback
	for _, source := range cfg.ConfigSources {
		settings, ok := source.(interface {
			GetServiceBaseEndpoint(context.Context, string) (string, bool, error)
		})
		if !ok {
			continue
		}
		value, found, err := settings.GetServiceBaseEndpoint(ctx, serviceID)
		if err != nil {
			return "", fmt.Errorf("read endpoint of %s: %w", serviceID, err)
		}
		if found {
			address = value
			break
		}
	}
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return "", fmt.Errorf("callback address %q is not an http or https URL", address)
	}
	return strings.TrimSuffix(address, "/"), nil
}
