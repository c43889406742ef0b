package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/watchroute/watchroute/localstack/deploy"
)

// route is what a route's definition and its description have in common.
type route struct {
	RouteKey                         string
	AuthorizationType, AuthorizerId  string
	Target                           string
	RouteResponseSelectionExpression string
}

// routesAsDeclared compares all routes, each with the integration behind it.
func (d *deployment) routesAsDeclared(ctx context.Context) error {
	var listed struct{ Items []route }
	if err := d.runAWS(ctx, &listed, "apigatewayv2", "get-routes", "--api-id", d.physical["Api"]); err != nil {
		return err
	}
	got, want := map[string]route{}, map[string]route{}
	for _, r := range listed.Items {
		got[r.RouteKey] = r
	}
	for _, id := range d.Template.IDs("AWS::ApiGatewayV2::Route") {
		var declared route
		if err := d.want(id, &declared); err != nil {
			return err
		}
		want[declared.RouteKey] = declared
	}
	return errors.Join(same("routes", got, want), same("number of routes", len(listed.Items), 9))
}

// integration is what an integration's definition and description have in common.
type integration struct {
	IntegrationType, IntegrationUri string
	TimeoutInMillis                 int
}

func (d *deployment) integrationsAsDeclared(ctx context.Context) error {
	var faults []error
	ids := d.Template.IDs("AWS::ApiGatewayV2::Integration")
	for _, id := range ids {
		var got, want integration
		if err := d.want(id, &want); err != nil {
			return err
		}
		if err := d.runAWS(ctx, &got, "apigatewayv2", "get-integration", "--api-id", d.physical["Api"], "--integration-id", d.physical[id]); err != nil {
			return err
		}
		faults = append(faults, same(id, got, want))
	}
	return errors.Join(append(faults, same("number of integrations", len(ids), 4))...)
}

// authorizer is what an authorizer's definition and its description have in common.
type authorizer struct {
	Name, AuthorizerType, AuthorizerUri string
	IdentitySource                      []string
}

func (d *deployment) authorizers(ctx context.Context) (got, want authorizer, err error) {
	if err := d.want("TokenAuthorizer", &want); err != nil {
		return got, want, err
	}
	err = d.runAWS(ctx, &got, "apigatewayv2", "get-authorizer", "--api-id", d.physical["Api"], "--authorizer-id", d.physical["TokenAuthorizer"])
	return got, want, err
}

// authorizerAsDeclared compares the authorizer, but for its identity sources.
func (d *deployment) authorizerAsDeclared(ctx context.Context) error {
	got, want, err := d.authorizers(ctx)
	got.IdentitySource, want.IdentitySource = nil, nil
	return errors.Join(err, same("authorizer", got, want))
}

// stage is what a stage's definition and its description have in common.
type stage struct {
	StageName            string
	AutoDeploy           bool
	AccessLogSettings    struct{ DestinationArn, Format string }
	DefaultRouteSettings struct {
		ThrottlingRateLimit  float64
		ThrottlingBurstLimit int
	}
}

func (d *deployment) stages(ctx context.Context) (got, want stage, err error) {
	if err := d.want("Stage", &want); err != nil {
		return got, want, err
	}
	err = d.runAWS(ctx, &got, "apigatewayv2", "get-stage", "--api-id", d.physical["Api"], "--stage-name", want.StageName)
	return got, want, err
}

// stageAsDeclared compares the stage, but for its throttling.
func (d *deployment) stageAsDeclared(ctx context.Context) error {
	got, want, err := d.stages(ctx)
	got.DefaultRouteSettings, want.DefaultRouteSettings = stage{}.DefaultRouteSettings, stage{}.DefaultRouteSettings
	return errors.Join(err, same("stage", got, want))
}

// throttlingIsLeftOut is true of an emulator that ignores DefaultRouteSettings.
func (d *deployment) throttlingIsLeftOut(ctx context.Context) error {
	got, want, err := d.stages(ctx)
	if err != nil {
		return err
	}
	if want.DefaultRouteSettings.ThrottlingRateLimit == 0 || want.DefaultRouteSettings.ThrottlingBurstLimit == 0 {
		return fmt.Errorf("our template does not throttle: %+v", want.DefaultRouteSettings)
	}
	if got.DefaultRouteSettings != (stage{}.DefaultRouteSettings) {
		return fmt.Errorf("the stage throttles now: check it as ok: %+v", got.DefaultRouteSettings)
	}
	return nil
}

// routeResponses is the resource type that MiniStack's CloudFormation does not
// know. AWS needs it: without one, API Gateway drops what a function answers.
const routeResponses = "AWS::ApiGatewayV2::RouteResponse"

func isRouteResponse(resourceType string) bool { return resourceType == routeResponses }

// routeResponsesAreUnknown deploys the whole assembly, which must be refused for
// that type and no other.
func (t *toolbox) routeResponsesAreUnknown(ctx context.Context, a deploy.Assembly) error {
	if err := same("number of route responses in our template", len(a.Template.IDs(routeResponses)), 7); err != nil {
		return err
	}
	_, err := t.cdk.Deploy(ctx, a)
	if err == nil {
		return errors.New("the whole template was accepted: deploy it as it is")
	}
	if !strings.Contains(err.Error(), "Unrecognized resource types: ["+routeResponses+"]") {
		return fmt.Errorf("refused for another reason: %w", err)
	}
	return nil
}
