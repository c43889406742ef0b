// Guard is the authorizer of the stack's tests: whoever knows the secret may connect.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		panic(err)
	}
	g := guard{secretsmanager.NewFromConfig(cfg), os.Getenv("KEY_ARN"), os.Getenv("ALLOW_ANONYMOUS") == "true"}
	lambda.Start(g.authorize)
}

type guard struct {
	secrets   *secretsmanager.Client
	key       string // ARN of the secret
	anonymous bool   // whether clients without a token may connect
}

type (
	request  = awsevents.APIGatewayCustomAuthorizerRequestTypeRequest
	response = awsevents.APIGatewayCustomAuthorizerResponse
)

func (g guard) authorize(ctx context.Context, r request) (response, error) {
	secret, err := g.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(g.key)})
	if err != nil {
		return response{}, fmt.Errorf("read the key: %w", err)
	}
	switch token := tokenOf(r); {
	case token == *secret.SecretString:
		return answer("u1", "Allow", r.MethodArn), nil
	case token == "" && g.anonymous:
		return answer("anonymous", "Allow", r.MethodArn), nil
	case token == "":
		return response{}, errors.New("Unauthorized")
	case strings.HasPrefix(token, "broken"):
		return response{}, errors.New("the authorizer is broken")
	default:
		return answer("nobody", "Deny", r.MethodArn), nil
	}
}

// tokenOf looks where clients can put a token: a header, a subprotocol, the query.
func tokenOf(r request) string {
	_, offered, _ := strings.Cut(r.Headers["Sec-WebSocket-Protocol"], "bearer.")
	return cmp.Or(strings.TrimPrefix(r.Headers["Authorization"], "Bearer "), offered, r.QueryStringParameters["token"])
}

func answer(principal, effect, resource string) response {
	return response{
		PrincipalID: principal,
		PolicyDocument: awsevents.APIGatewayCustomAuthorizerPolicy{Version: "2012-10-17", Statement: []awsevents.IAMPolicyStatement{
			{Action: []string{"execute-api:Invoke"}, Effect: effect, Resource: []string{resource}},
		}},
		Context: map[string]any{"role": "admin", "level": 7, "active": true},
	}
}
