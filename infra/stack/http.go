package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awswafv2"
	"github.com/aws/jsii-runtime-go"

	"github.com/watchroute/watchroute/events"
)

// What is derived from the REST API's ID and its stage, for sub.

func (p Props) httpARN() string {
	return "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${HttpApi}"
}

func (p Props) httpURL() string {
	return "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/" + p.Stage
}

// httpIntegrationTime is how long API Gateway waits for the end of an answer: the function's own
// limit and up to 10 seconds of a cold start before that. A stream may take 15 minutes, without
// the quota increase that other integrations need beyond 29 seconds.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html
func (p Props) httpIntegrationTime() time.Duration { return p.httpTime() + 10*time.Second }

// guardedMethods are the HTTP methods that go through the authorizer. Each is declared, because
// API Gateway throttles by declared method. ANY is for all others, which the function refuses.
var guardedMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, "ANY"}

// contracts are where the service describes itself. Everybody may ask there, so each has a resource of
// its own, without the authorizer. contractRate, and contractBurst at once, are how many requests a
// second each of its methods takes: an answer has some 100 KB, and readers keep it for 5 minutes.
var contracts = []struct{ id, path string }{{"HttpOpenapi", events.OpenAPIPath}, {"HttpAsyncapi", events.AsyncAPIPath}}

var contractMethods = []string{http.MethodGet, http.MethodHead, http.MethodOptions}

const contractRate, contractBurst = 10, 20

// restAPI is a REST API while it is declared.
type restAPI struct {
	stack awscdk.Stack
	props Props
	api   awsapigateway.CfnRestApi

	// What a deployment takes a picture of: the resources, and how each is declared.
	parts    []awscdk.CfnResource
	declared []any
}

// newHTTP declares the REST API beside the WebSocket API, and its stage. It is Regional, because
// an edge-optimised one cuts a stream that is silent for 30 seconds.
func newHTTP(stack awscdk.Stack, functions map[string]awslambda.CfnFunction, props Props) awsapigateway.CfnStage {
	a := &restAPI{stack: stack, props: props}
	a.api = awsapigateway.NewCfnRestApi(stack, jsii.String("HttpApi"), &awsapigateway.CfnRestApiProps{
		Name:                  awscdk.Aws_STACK_NAME(),
		EndpointConfiguration: &awsapigateway.CfnRestApi_EndpointConfigurationProperty{Types: jsii.Strings("REGIONAL")},
	})
	proxy := a.newResource("HttpProxy", "{proxy+}")
	var authorizerID *string
	if guard := functions[authorizer]; guard != nil {
		authorizerID = a.newAuthorizer(guard).Ref()
	}
	for _, method := range guardedMethods {
		a.newMethod("Http", proxy, method, authorizerID)
	}
	a.newMethod("Http", proxy, http.MethodOptions, nil) // browsers ask it without the token
	for _, c := range contracts {
		resource := a.newResource(c.id, strings.TrimPrefix(c.path, "/"))
		for _, method := range contractMethods {
			a.newMethod(c.id, resource, method, nil)
		}
	}
	newInvokePermission(stack, "HttpPermission", functions[web], props.httpARN()+"/"+props.Stage+"/*/*")
	a.newGatewayResponses()
	return a.newStage(a.newDeployment())
}

// add remembers a part of what is deployed.
func (a *restAPI) add(part awscdk.CfnResource, declared any) {
	a.parts = append(a.parts, part)
	a.declared = append(a.declared, declared)
}

// newAuthorizer declares the authorizer, which has no identity sources: the token may be in one
// of several places, of which API Gateway would demand all. Without a cache each request is
// checked, so that a revoked token is refused at once.
func (a *restAPI) newAuthorizer(target awslambda.CfnFunction) awsapigateway.CfnAuthorizer {
	props := &awsapigateway.CfnAuthorizerProps{
		RestApiId:                    a.api.Ref(),
		Name:                         jsii.String("tokens"),
		Type:                         jsii.String("REQUEST"),
		AuthorizerUri:                sub(invocationURI(authorizer)),
		AuthorizerResultTtlInSeconds: jsii.Number(0),
	}
	declared := awsapigateway.NewCfnAuthorizer(a.stack, jsii.String("HttpAuthorizer"), props)
	newInvokePermission(a.stack, "HttpAuthorizerPermission", target, a.props.httpARN()+"/authorizers/${HttpAuthorizer}")
	a.add(declared, props)
	return declared
}

// newResource declares what a path segment below the stage leads to.
func (a *restAPI) newResource(id, segment string) awsapigateway.CfnResource {
	props := &awsapigateway.CfnResourceProps{RestApiId: a.api.Ref(), ParentId: a.api.AttrRootResourceId(), PathPart: jsii.String(segment)}
	resource := awsapigateway.NewCfnResource(a.stack, jsii.String(id), props)
	a.add(resource, props)
	return resource
}

// newMethod hands requests of a method to the function, and passes the answer on as it comes.
// Without an authorizer everybody gets in.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/response-streaming-lambda-configure.html
func (a *restAPI) newMethod(prefix string, resource awsapigateway.CfnResource, method string, authorizerID *string) {
	props := &awsapigateway.CfnMethodProps{
		RestApiId:         a.api.Ref(),
		ResourceId:        resource.Ref(),
		HttpMethod:        jsii.String(method),
		AuthorizationType: jsii.String("NONE"),
		Integration: &awsapigateway.CfnMethod_IntegrationProperty{
			Type:                  jsii.String("AWS_PROXY"),
			IntegrationHttpMethod: jsii.String(http.MethodPost),
			Uri: sub("arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2021-11-15/functions/${" +
				logicalID(web) + ".Arn}/response-streaming-invocations"),
			ResponseTransferMode: jsii.String("STREAM"),
			TimeoutInMillis:      jsii.Number(float64(a.props.httpIntegrationTime().Milliseconds())),
		},
	}
	if authorizerID != nil {
		props.AuthorizationType, props.AuthorizerId = jsii.String("CUSTOM"), authorizerID
	}
	id := prefix + method[:1] + strings.ToLower(method[1:])
	a.add(awsapigateway.NewCfnMethod(a.stack, jsii.String(id), props), props)
}

// newDeployment declares the picture of the API that the stage serves. CloudFormation never
// takes another one of the same logical ID, so the ID has a hash of all that is in the picture.
func (a *restAPI) newDeployment() awsapigateway.CfnDeployment {
	content, err := json.Marshal(a.stack.Resolve(a.declared))
	if err != nil {
		panic(fmt.Sprintf("encode what is deployed: %v", err)) // it is JSON of the CDK's
	}
	hash := sha256.Sum256(content)
	deployment := awsapigateway.NewCfnDeployment(a.stack, jsii.String("HttpDeployment"+hex.EncodeToString(hash[:8])),
		&awsapigateway.CfnDeploymentProps{RestApiId: a.api.Ref()})
	for _, part := range a.parts {
		deployment.AddDependency(part)
	}
	return deployment
}

// newStage declares the stage, which throttles each method by itself.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
func (a *restAPI) newStage(deployment awsapigateway.CfnDeployment) awsapigateway.CfnStage {
	newLogGroup(a.stack, "HttpAccessLogs", a.props.LogDays)
	stage := awsapigateway.NewCfnStage(a.stack, jsii.String("HttpStage"), &awsapigateway.CfnStageProps{
		RestApiId:      a.api.Ref(),
		DeploymentId:   deployment.Ref(),
		StageName:      jsii.String(a.props.Stage),
		MethodSettings: a.methodSettings(),
		AccessLogSetting: &awsapigateway.CfnStage_AccessLogSettingProperty{
			DestinationArn: sub(logGroupARN("HttpAccessLogs")), Format: jsii.String(httpAccessLogFormat()),
		},
	})
	if a.props.WebACLARN != "" {
		awswafv2.NewCfnWebACLAssociation(a.stack, jsii.String("HttpWebAcl"), &awswafv2.CfnWebACLAssociationProps{
			WebAclArn:   jsii.String(a.props.WebACLARN),
			ResourceArn: sub("arn:${AWS::Partition}:apigateway:${AWS::Region}::/restapis/${HttpApi}/stages/${HttpStage}"),
		})
	}
	return stage
}

// methodSettings throttle each method by itself, and those of contracts more. CloudFormation wants the slashes of
// a path written ~1.
//
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-apigateway-stage-methodsetting.html
func (a *restAPI) methodSettings() *[]any {
	setting := func(method, path string, rate float64, burst int) *awsapigateway.CfnStage_MethodSettingProperty {
		return &awsapigateway.CfnStage_MethodSettingProperty{
			HttpMethod: jsii.String(method), ResourcePath: jsii.String(path),
			ThrottlingRateLimit:  jsii.Number(rate),
			ThrottlingBurstLimit: jsii.Number(float64(burst)),
			MetricsEnabled:       jsii.Bool(a.props.RouteMetrics),
			// Tracing data would write payloads to the logs.
			DataTraceEnabled: jsii.Bool(false),
		}
	}
	all := []any{setting("*", "/*", a.props.HTTPThrottlingRate, a.props.HTTPThrottlingBurst)}
	for _, c := range contracts {
		for _, method := range contractMethods {
			all = append(all, setting(method, "/~1"+strings.TrimPrefix(c.path, "/"), min(contractRate, a.props.HTTPThrottlingRate), min(contractBurst, a.props.HTTPThrottlingBurst)))
		}
	}
	return &all
}

// httpAccessLogFormat is the same of an HTTP request as accessLogFormat of a WebSocket's. It has
// no path, which names topics and so perhaps users, and no error message: API Gateway quotes the
// header Authorization in one.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
func httpAccessLogFormat() string {
	format, _ := json.Marshal(map[string]string{ // a map of strings always encodes
		"requestTime":       "$context.requestTime",
		"sourceIp":          "$context.identity.sourceIp",
		"requestId":         "$context.requestId",
		"httpMethod":        "$context.httpMethod",
		"resourcePath":      "$context.resourcePath",
		"status":            "$context.status",
		"errorType":         "$context.error.responseType",
		"authorizerStatus":  "$context.authorizer.status",
		"integrationStatus": "$context.integration.integrationStatus",
		"responseLatency":   "$context.responseLatency",
		"responseLength":    "$context.responseLength",
	})
	return string(format)
}
