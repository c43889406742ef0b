package stack

import (
	"encoding/json"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"
)

// newStage declares the stage, deployed anew with every change of a route.
func newStage(stack awscdk.Stack, api awsapigatewayv2.CfnApi, props Props) awsapigatewayv2.CfnStage {
	newLogGroup(stack, "AccessLogs", props.LogDays)
	return awsapigatewayv2.NewCfnStage(stack, jsii.String("Stage"), &awsapigatewayv2.CfnStageProps{
		ApiId:      api.Ref(),
		StageName:  jsii.String(props.Stage),
		AutoDeploy: jsii.Bool(true),
		DefaultRouteSettings: &awsapigatewayv2.CfnStage_RouteSettingsProperty{
			ThrottlingRateLimit:    jsii.Number(props.ThrottlingRate),
			ThrottlingBurstLimit:   jsii.Number(float64(props.ThrottlingBurst)),
			DetailedMetricsEnabled: jsii.Bool(props.RouteMetrics),
			// Tracing data would write payloads to the logs.
			DataTraceEnabled: jsii.Bool(false),
		},
		AccessLogSettings: &awsapigatewayv2.CfnStage_AccessLogSettingsProperty{
			DestinationArn: sub(logGroupARN("AccessLogs")),
			Format:         jsii.String(accessLogFormat()),
		},
	})
}

// accessLogFormat is one line of JSON for each request: when, from where, what happened to
// it and what the authorizer said. It never has the query string, a header or the payload,
// which may carry tokens and user data, nor the subject. API Gateway writes - for what a
// request does not have.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-logging.html
func accessLogFormat() string {
	format, _ := json.Marshal(map[string]string{ // a map of strings always encodes
		"requestTime":      "$context.requestTime",
		"sourceIp":         "$context.identity.sourceIp",
		"requestId":        "$context.requestId",
		"connectionId":     "$context.connectionId",
		"eventType":        "$context.eventType",
		"routeKey":         "$context.routeKey",
		"status":           "$context.status",
		"authorizerStatus": "$context.authorizer.status",
		"integrationError": "$context.integration.error",
	})
	return string(format)
}

// logGroupARN is a log group's, for sub. The group's Arn attribute ends in ":*", which is not a
// group's name.
func logGroupARN(id string) string {
	return "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${" + id + "}"
}

// newAccountLogRole sets the role with which API Gateway writes the access logs
// of the stages; without one, AWS refuses them. There is one for the
// account and Region, so it needs AWS's own policy for all log groups, and it
// stays when the stack goes, because other APIs may log with it by then.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
func newAccountLogRole(stack awscdk.Stack, stages []awscdk.CfnResource) {
	role := newRole(stack, "AccountLogRole", apiGatewayService)
	role.SetManagedPolicyArns(&[]*string{
		sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"),
	})
	role.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	account := awsapigateway.NewCfnAccount(stack, jsii.String("AccountLogging"), &awsapigateway.CfnAccountProps{
		CloudWatchRoleArn: role.AttrArn(),
	})
	account.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	for _, stage := range stages {
		stage.AddDependency(account)
	}
}

// newLogGroup declares a log group that goes with the stack.
func newLogGroup(stack awscdk.Stack, id string, days int) awslogs.CfnLogGroup {
	group := awslogs.NewCfnLogGroup(stack, jsii.String(id), &awslogs.CfnLogGroupProps{
		RetentionInDays: jsii.Number(float64(days)),
	})
	group.ApplyRemovalPolicy(awscdk.RemovalPolicy_DESTROY, nil)
	return group
}
