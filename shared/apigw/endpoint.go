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

// endpoint decides where posts go, in the order of the SDK's own clients: the
// endpoint configured for this service, then the one for all services
// (AWS_ENDPOINT_URL), then callback, the address that the stack was deployed
// with. It stands where other services have a default endpoint, because this
// one has none. The stage is part of whichever is used, if the domain needs one.
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
func endpoint(ctx context.Context, cfg aws.Config, callback string) (string, error) {
	address := callback
	if cfg.BaseEndpoint != nil {
		address = *cfg.BaseEndpoint
	}
	own, err := serviceEndpoint(ctx, cfg)
	if err != nil {
		return "", fmt.Errorf("read endpoint of %s: %w", serviceID, err)
	}
	if own != "" {
		address = own
	}
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return "", fmt.Errorf("callback address %q is not an http or https URL", address)
	}
	return strings.TrimSuffix(address, "/"), nil
}

// serviceEndpoint gives the endpoint configured for this service, or "".
// A configuration that says to ignore configured endpoints has none.
func serviceEndpoint(ctx context.Context, cfg aws.Config) (string, error) {
	ignored, err := endpointsIgnored(ctx, cfg)
	if err != nil || ignored {
		return "", err
	}
	for _, source := range cfg.ConfigSources {
		settings, ok := source.(interface {
			GetServiceBaseEndpoint(context.Context, string) (string, bool, error)
		})
		if !ok {
			continue
		}
		if value, found, err := settings.GetServiceBaseEndpoint(ctx, serviceID); err != nil || found {
			return value, err
		}
	}
	return "", nil
}

// endpointsIgnored reports whether AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, or the
// same setting of the shared configuration, is on.
func endpointsIgnored(ctx context.Context, cfg aws.Config) (bool, error) {
	for _, source := range cfg.ConfigSources {
		settings, ok := source.(interface {
			GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error)
		})
		if !ok {
			continue
		}
		if ignored, found, err := settings.GetIgnoreConfiguredEndpoints(ctx); err != nil || found {
			return ignored, err
		}
	}
	return false, nil
}
