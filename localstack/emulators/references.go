package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/watchroute/watchroute/localstack/deploy"
)

// unknown is what LocalStack gives for a Ref of what it does not make.
const unknown = "unknown"

// urlSuffix is what the emulator gives for AWS::URLSuffix.
func (d *deployment) urlSuffix() string {
	if d.name == localStack {
		return "127.0.0.1" // see socketsAreUnknown
	}
	return "amazonaws.com"
}

// rewritten is what becomes of the https address of an API in a resource's properties, see socketsAreUnknown.
func (d *deployment) rewritten(value string) string {
	if d.name != localStack || !strings.HasPrefix(value, "https://") {
		return value
	}
	return strings.Replace(value, ".execute-api."+region+"."+d.urlSuffix(), ".execute-api."+strings.TrimPrefix(d.endpoint, "http://"), 1)
}

// output gives the URL of the WebSocket API as the stack has it.
func (d *deployment) output(ctx context.Context) (string, error) {
	got, err := d.outputs(ctx)
	return got["WebSocketUrl"], err
}

func (d *deployment) referencesAsDeclared(ctx context.Context) error {
	got, err := d.output(ctx)
	return errors.Join(err, same("URL", got, "wss://"+d.physical["Api"]+".execute-api."+region+".amazonaws.com/live"))
}

// socketsAreUnknown is true of an emulator that takes the resources of a WebSocket API and makes nothing
// of them.
func (d *deployment) socketsAreUnknown(ctx context.Context) error {
	got, err := d.output(ctx)
	if err := errors.Join(err, same("URL", got, "wss://"+unknown+".execute-api."+region+".127.0.0.1/live")); err != nil {
		return err
	}
	err = d.runAWS(ctx, nil, "apigatewayv2", "get-apis")
	if err == nil {
		return errors.New("it has WebSocket APIs now: check them as declared")
	}
	if !strings.Contains(err.Error(), "not included") && !strings.Contains(err.Error(), "501") && !strings.Contains(err.Error(), "InternalFailure") {
		return err
	}
	return nil
}

// guarded is a REST API with a method that has an authorizer, as ours have.
const guarded = `{"Resources":{
	"Rest":{"Type":"AWS::ApiGateway::RestApi","Properties":{"Name":"guarded"}},
	"Guard":{"Type":"AWS::ApiGateway::Authorizer","Properties":{"RestApiId":{"Ref":"Rest"},"Name":"guard","Type":"REQUEST","AuthorizerResultTtlInSeconds":0,
		"AuthorizerUri":"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations"}},
	"Any":{"Type":"AWS::ApiGateway::Method","Properties":{"RestApiId":{"Ref":"Rest"},"ResourceId":{"Fn::GetAtt":["Rest","RootResourceId"]},"HttpMethod":"ANY",
		"AuthorizationType":"CUSTOM","AuthorizerId":{"Ref":"Guard"}}}}}`

// forEverybody are the methods without an authorizer: what browsers ask before a request, and what the service
// says of itself.
var forEverybody = regexp.MustCompile("^Http(Options|Openapi|Asyncapi)")

// restIsRefused is true of an emulator whose CloudFormation does not make authorizers of REST APIs, and which
// refuses the URI of an integration that streams.
func (t *toolbox) restIsRefused(ctx context.Context, whole deploy.Assembly) error {
	methods := whole.Template.IDs("AWS::ApiGateway::Method")
	faults := []error{same("methods in our template", len(methods), restMethods), t.authorizerIsRefused(ctx)}
	for _, id := range methods {
		encoded, err := json.Marshal(whole.Template.Resources[id].Properties)
		faults = append(faults, err, same("whether "+id+" streams", bytes.Contains(encoded, []byte("response-streaming-invocations")), true),
			same("whether "+id+" has an authorizer", bytes.Contains(encoded, []byte("HttpAuthorizer")), !forEverybody.MatchString(id)))
	}
	return errors.Join(append(faults, t.streamIsRefused(ctx))...)
}

func (t *toolbox) authorizerIsRefused(ctx context.Context) error {
	if err := t.runAWS(ctx, nil, "cloudformation", "create-stack", "--stack-name", "guarded", "--template-body", guarded); err != nil {
		return err
	}
	err := eventually(ctx, func() error {
		var told struct {
			StackEvents []struct{ LogicalResourceId, ResourceStatus, ResourceStatusReason string }
		}
		if err := t.runAWS(ctx, &told, "cloudformation", "describe-stack-events", "--stack-name", "guarded"); err != nil {
			return err
		}
		for _, e := range told.StackEvents {
			if e.LogicalResourceId == "Any" && strings.Contains(e.ResourceStatusReason, "Invalid authorizer ID specified") {
				return nil
			}
			if e.LogicalResourceId == "Any" && e.ResourceStatus == "CREATE_COMPLETE" {
				return errors.New("authorizers of REST APIs are made now: leave them in")
			}
		}
		return errors.New("the method with an authorizer is not refused")
	})
	return errors.Join(err, t.runAWS(ctx, nil, "cloudformation", "delete-stack", "--stack-name", "guarded"))
}

func (t *toolbox) streamIsRefused(ctx context.Context) error {
	var api struct{ ID, RootResourceID string }
	if err := t.runAWS(ctx, &api, "apigateway", "create-rest-api", "--name", "streaming"); err != nil {
		return err
	}
	method := []string{"--rest-api-id", api.ID, "--resource-id", api.RootResourceID, "--http-method", "GET"}
	if err := t.runAWS(ctx, nil, append([]string{"apigateway", "put-method", "--authorization-type", "NONE"}, method...)...); err != nil {
		return err
	}
	err := t.runAWS(ctx, nil, append([]string{"apigateway", "put-integration", "--type", "AWS_PROXY", "--integration-http-method", "POST",
		"--uri", "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/arn:aws:lambda:us-east-1:000000000000:function:f/response-streaming-invocations"}, method...)...)
	if err == nil {
		return errors.New("the integration is taken now: leave it in")
	}
	if !strings.Contains(err.Error(), "only supports Lambda function") {
		return err
	}
	return t.runAWS(ctx, nil, "apigateway", "delete-rest-api", "--rest-api-id", api.ID)
}
