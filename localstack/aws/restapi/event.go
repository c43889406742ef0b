package restapi

import (
	"encoding/json"
	"fmt"
	"strings"
)

// event is what a function is given: version 1 of the payload. Maps without entries and a body
// that is missing are null.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
type event struct {
	Resource         string              `json:"resource"`
	Path             string              `json:"path"`
	HTTPMethod       string              `json:"httpMethod"`
	Headers          map[string]string   `json:"headers"`
	MultiHeaders     map[string][]string `json:"multiValueHeaders"`
	QueryString      map[string]string   `json:"queryStringParameters"`
	MultiQueryString map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters   map[string]string   `json:"pathParameters"`
	StageVariables   map[string]string   `json:"stageVariables"`
	RequestContext   requestContext      `json:"requestContext"`
	Body             *string             `json:"body"`
	IsBase64Encoded  bool                `json:"isBase64Encoded"`
}

// authorizerEvent is what a REQUEST authorizer is given: no body, and maps without entries
// are empty.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
type authorizerEvent struct {
	Type             string              `json:"type"`
	MethodARN        string              `json:"methodArn"`
	Resource         string              `json:"resource"`
	Path             string              `json:"path"`
	HTTPMethod       string              `json:"httpMethod"`
	Headers          map[string]string   `json:"headers"`
	MultiHeaders     map[string][]string `json:"multiValueHeaders"`
	QueryString      map[string]string   `json:"queryStringParameters"`
	MultiQueryString map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters   map[string]string   `json:"pathParameters"`
	StageVariables   map[string]string   `json:"stageVariables"`
	RequestContext   requestContext      `json:"requestContext"`
}

type requestContext struct {
	AccountID         string          `json:"accountId"`
	APIID             string          `json:"apiId"`
	Authorizer        json.RawMessage `json:"authorizer,omitempty"`
	DeploymentID      string          `json:"deploymentId"`
	DomainName        string          `json:"domainName"`
	DomainPrefix      string          `json:"domainPrefix"`
	ExtendedRequestID string          `json:"extendedRequestId"`
	HTTPMethod        string          `json:"httpMethod"`
	Identity          identity        `json:"identity"`
	Path              string          `json:"path"`
	Protocol          string          `json:"protocol"`
	RequestID         string          `json:"requestId"`
	RequestTime       string          `json:"requestTime"`
	RequestTimeEpoch  int64           `json:"requestTimeEpoch"`
	ResourceID        string          `json:"resourceId"`
	ResourcePath      string          `json:"resourcePath"`
	Stage             string          `json:"stage"`
}

// identity is who is asking. What IAM and Cognito would say is null.
type identity struct {
	AccessKey                     *string `json:"accessKey"`
	AccountID                     *string `json:"accountId"`
	Caller                        *string `json:"caller"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	SourceIP                      string  `json:"sourceIp"`
	User                          *string `json:"user"`
	UserAgent                     *string `json:"userAgent"`
	UserARN                       *string `json:"userArn"`
}

func (g *Gateway) context(c *call) requestContext {
	who := identity{SourceIP: c.sourceIP()}
	if agent := c.r.UserAgent(); agent != "" {
		who.UserAgent = &agent
	}
	return requestContext{
		AccountID:         g.api.Account,
		APIID:             g.api.ID,
		Authorizer:        c.authorizer,
		DeploymentID:      g.api.DeploymentID,
		DomainName:        fmt.Sprintf("%s.execute-api.%s.amazonaws.com", g.api.ID, g.api.Region),
		DomainPrefix:      g.api.ID,
		ExtendedRequestID: c.extendedID,
		HTTPMethod:        c.r.Method,
		Identity:          who,
		Path:              c.stagePath,
		Protocol:          c.r.Proto,
		RequestID:         c.id,
		RequestTime:       c.began.UTC().Format("02/Jan/2006:15:04:05 -0700"),
		RequestTimeEpoch:  c.began.UnixMilli(),
		ResourceID:        c.method.resource.ID,
		ResourcePath:      c.method.resource.Path,
		Stage:             g.api.Stage,
	}
}

func (g *Gateway) event(c *call) event {
	headers := c.headers()
	return event{
		Resource: c.method.resource.Path, Path: c.path, HTTPMethod: c.r.Method,
		Headers: lastValues(headers), MultiHeaders: headers,
		QueryString: orNull(lastValues(c.query)), MultiQueryString: orNull(map[string][]string(c.query)),
		PathParameters: orNull(c.parameters), StageVariables: orNull(g.api.StageVariables),
		RequestContext: g.context(c), Body: c.body,
	}
}

func (g *Gateway) authorizerEvent(c *call) authorizerEvent {
	headers, variables := c.headers(), g.api.StageVariables
	if variables == nil {
		variables = map[string]string{}
	}
	return authorizerEvent{
		Type: "REQUEST", MethodARN: g.methodARN(c),
		Resource: c.method.resource.Path, Path: c.path, HTTPMethod: c.r.Method,
		Headers: lastValues(headers), MultiHeaders: headers,
		QueryString: lastValues(c.query), MultiQueryString: c.query,
		PathParameters: c.parameters, StageVariables: variables,
		RequestContext: g.context(c),
	}
}

// methodARN names what a request does as policies do.
func (g *Gateway) methodARN(c *call) string {
	return fmt.Sprintf("arn:aws:execute-api:%s:%s:%s/%s/%s/%s",
		g.api.Region, g.api.Account, g.api.ID, g.api.Stage, c.r.Method, strings.TrimPrefix(c.path, "/"))
}

// lastValues keeps the last of several values, as the single-value maps of API Gateway's
// events do.
func lastValues(values map[string][]string) map[string]string {
	single := make(map[string]string, len(values))
	for name, all := range values {
		single[name] = all[len(all)-1]
	}
	return single
}

// orNull makes a map without entries null.
func orNull[V any](m map[string]V) map[string]V {
	if len(m) == 0 {
		return nil
	}
	return m
}
