package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// grant allows actions on one resource.
type grant struct {
	resource  *string
	actions   []string
	condition map[string]any // nil for none
}

func allow(resource *string, actions ...string) grant {
	return grant{resource: resource, actions: actions}
}

// when is the grant under a condition, in IAM's policy language.
func (g grant) when(condition map[string]any) grant {
	g.condition = condition
	return g
}

// statement is the grant as IAM's policy language writes it.
func (g grant) statement() map[string]any {
	statement := map[string]any{"Effect": "Allow", "Action": g.actions, "Resource": g.resource}
	if g.condition != nil {
		statement["Condition"] = g.condition
	}
	return statement
}

// The services that act for the stack, by their principals.
const (
	lambdaService     = "lambda.amazonaws.com"
	apiGatewayService = "apigateway.amazonaws.com"
)

// newRole declares a role that one AWS service may assume and that is allowed
// the grants and nothing else.
func newRole(stack awscdk.Stack, id, service string, grants ...grant) awsiam.CfnRole {
	role := &awsiam.CfnRoleProps{AssumeRolePolicyDocument: trust(service)}
	if len(grants) > 0 {
		role.Policies = &[]any{&awsiam.CfnRole_PolicyProperty{
			PolicyName: jsii.String("Access"), PolicyDocument: policy(grants),
		}}
	}
	return awsiam.NewCfnRole(stack, jsii.String(id), role)
}

func policy(grants []grant) map[string]any {
	statements := make([]any, len(grants))
	for i, g := range grants {
		statements[i] = g.statement()
	}
	return document(statements...)
}

// trust lets a service assume a role on behalf of this account alone: a service that acts
// for others too could be made a deputy of theirs.
//
// Lambda says for which account it assumes a role. API Gateway does not document whether it
// does for the account's log role, and a condition on what it does not say would fail the
// deployment. There the condition holds if the account is said.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/permissions-managed-policies.html,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
func trust(service string) map[string]any {
	operator := "StringEquals"
	if service == apiGatewayService {
		operator = "StringEqualsIfExists"
	}
	return document(map[string]any{
		"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": map[string]any{"Service": service},
		"Condition": map[string]any{operator: map[string]any{"aws:SourceAccount": awscdk.Aws_ACCOUNT_ID()}},
	})
}

func document(statements ...any) map[string]any {
	return map[string]any{"Version": "2012-10-17", "Statement": statements}
}
