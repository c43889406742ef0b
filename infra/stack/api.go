package stack

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"
)

// What is derived from the API's ID and its stage, for sub.

func (p Props) apiARN() string {
	return "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/" + p.Stage
}

func (p Props) apiHost() string {
	return "${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/" + p.Stage
}

func (p Props) socketURL() string   { return "wss://" + p.apiHost() }
func (p Props) callbackURL() string { return "https://" + p.apiHost() }

// connectionsARN is that of a call of the management API: POST, DELETE or GET.
func (p Props) connectionsARN(method string) string {
	return p.apiARN() + "/" + method + "/@connections/*"
}

// integrationTimeout is how long API Gateway waits for a function: its own
// limit and up to 10 seconds of a cold start before that. At most 29 seconds.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
const integrationTimeout = requestTimeout + 10*time.Second

// defaultKey selects the fallback route, and on a route the response that goes
// back to the sender.
const defaultKey = "$default"

// route sends the client's messages of one key to a function.
type route struct {
	key      string // what RouteSelectionExpression must yield
	id       string // prefix of the logical IDs
	function string
	answers  bool // whether the function's body goes back to the client
}

// routes are the API's routes. Messages without a route of their own, and those
// that are not JSON, go to $default, which answers with an error frame.
func routes() []route {
	return []route{
		{key: "$connect", id: "Connect", function: connect},
		{key: "$disconnect", id: "Disconnect", function: disconnect},
		{key: defaultKey, id: "Default", function: message, answers: true},
		{key: "subscribe", id: "Subscribe", function: message, answers: true},
		{key: "unsubscribe", id: "Unsubscribe", function: message, answers: true},
		{key: "snapshot", id: "Snapshot", function: message, answers: true},
		{key: "publish", id: "Publish", function: message, answers: true},
		{key: "ping", id: "Ping", function: message, answers: true},
		{key: "auth", id: "Auth", function: renew, answers: true},
	}
}

func newAPI(stack awscdk.Stack) awsapigatewayv2.CfnApi {
	return awsapigatewayv2.NewCfnApi(stack, jsii.String("Api"), &awsapigatewayv2.CfnApiProps{
		Name:                     awscdk.Aws_STACK_NAME(),
		ProtocolType:             jsii.String("WEBSOCKET"),
		RouteSelectionExpression: jsii.String("$request.body.action"),
	})
}

func newRoutes(stack awscdk.Stack, api awsapigatewayv2.CfnApi, functions map[string]awslambda.CfnFunction, props Props) {
	for _, function := range []string{connect, disconnect, message, renew} {
		if functions[function] != nil {
			newIntegration(stack, api, function)
		}
	}
	for _, r := range routes() {
		if functions[r.function] == nil {
			continue // auth, where there is no authentication
		}
		declared := newRoute(stack, api, r)
		newInvokePermission(stack, r.id+"Permission", functions[r.function], props.apiARN()+"/"+r.key)
		if guard := functions[authorizer]; guard != nil && r.function == connect {
			declared.SetAuthorizationType(jsii.String("CUSTOM"))
			declared.SetAuthorizerId(newAuthorizer(stack, api, guard).Ref())
		}
	}
}

// newIntegration hands requests to a function as they are (AWS_PROXY).
func newIntegration(stack awscdk.Stack, api awsapigatewayv2.CfnApi, function string) {
	id := logicalID(function)
	awsapigatewayv2.NewCfnIntegration(stack, jsii.String(id+"Integration"), &awsapigatewayv2.CfnIntegrationProps{
		ApiId:           api.Ref(),
		IntegrationType: jsii.String("AWS_PROXY"),
		IntegrationUri:  sub(invocationURI(function)),
		TimeoutInMillis: jsii.Number(float64(integrationTimeout.Milliseconds())),
	})
}

// newRoute declares the route and, if it answers, its response: without one,
// API Gateway drops what the function returns.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-response.html
func newRoute(stack awscdk.Stack, api awsapigatewayv2.CfnApi, r route) awsapigatewayv2.CfnRoute {
	declared := awsapigatewayv2.NewCfnRoute(stack, jsii.String(r.id+"Route"), &awsapigatewayv2.CfnRouteProps{
		ApiId:             api.Ref(),
		RouteKey:          jsii.String(r.key),
		AuthorizationType: jsii.String("NONE"),
		Target:            sub("integrations/${" + logicalID(r.function) + "Integration}"),
	})
	if !r.answers {
		return declared
	}
	declared.SetRouteResponseSelectionExpression(jsii.String(defaultKey))
	awsapigatewayv2.NewCfnRouteResponse(stack, jsii.String(r.id+"RouteResponse"), &awsapigatewayv2.CfnRouteResponseProps{
		ApiId:            api.Ref(),
		RouteId:          declared.Ref(),
		RouteResponseKey: jsii.String(defaultKey),
	})
	return declared
}

// invocationURI is how an API names the function that it invokes, for sub.
func invocationURI(function string) string {
	return "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${" + logicalID(function) + ".Arn}/invocations"
}

// newInvokePermission lets this part of an API, such as a route, and nothing else invoke a
// function.
func newInvokePermission(stack awscdk.Stack, id string, target awslambda.CfnFunction, source string) {
	awslambda.NewCfnPermission(stack, jsii.String(id), &awslambda.CfnPermissionProps{
		Action:       jsii.String("lambda:InvokeFunction"),
		FunctionName: target.AttrArn(),
		Principal:    jsii.String(apiGatewayService),
		SourceArn:    sub(source),
	})
}
