package stack

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/jsii-runtime-go"

	"github.com/watchroute/watchroute/events"
)

// gatewayProblems are what API Gateway answers without the function, by the type of its
// response. A code always has its own status. AWS says that the status of a default is that of
// all other types, too, but an emulator that is measured at AWS has only the body and headers of
// it. So each type that may occur is here. A template has no logic. It puts values in place of
// variables, among them what the authorizer says about a client that it denies.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
var gatewayProblems = map[string]events.Problem{
	"UNAUTHORIZED":                   {Code: events.CodeBadToken},
	"ACCESS_DENIED":                  {Code: "$context.authorizer.code", Status: events.CodeForbidden.Status()},
	"WAF_FILTERED":                   {Code: events.CodeForbidden},
	"THROTTLED":                      {Code: events.CodeTooManyRequests},
	"MISSING_AUTHENTICATION_TOKEN":   {Code: events.CodeNotFound, Detail: "the routes are /topics/{topic} and /destinations, see " + events.OpenAPIPath},
	"DEFAULT_4XX":                    {Code: events.CodeBadRequest},
	"AUTHORIZER_FAILURE":             {Code: events.CodeUnavailable},
	"AUTHORIZER_CONFIGURATION_ERROR": {Code: events.CodeUnavailable},
	"API_CONFIGURATION_ERROR":        {Code: events.CodeUnavailable},
	"INTEGRATION_FAILURE":            {Code: events.CodeUnavailable},
	"INTEGRATION_TIMEOUT":            {Code: events.CodeUnavailable},
	"DEFAULT_5XX":                    {Code: events.CodeUnavailable},
}

// newGatewayResponses declares the answers of gatewayProblems. Pages of all origins may read
// them, as they say nothing of any topic.
func (a *restAPI) newGatewayResponses() {
	for _, kind := range slices.Sorted(maps.Keys(gatewayProblems)) {
		problem := gatewayProblems[kind]
		if problem.Status == 0 {
			problem.Status = problem.Code.Status()
		}
		problem.Type, problem.Title = "about:blank", http.StatusText(problem.Status)
		body, _ := events.Marshal(problem) // which is of texts and a number
		headers := map[string]*string{}
		for name, value := range problemHeaders(problem) {
			headers["gatewayresponse.header."+name] = jsii.String("'" + value + "'")
		}
		props := &awsapigateway.CfnGatewayResponseProps{
			RestApiId:          a.api.Ref(),
			ResponseType:       jsii.String(kind),
			StatusCode:         jsii.String(strconv.Itoa(problem.Status)),
			ResponseParameters: headers,
			// API Gateway takes this one for whatever the client accepts.
			ResponseTemplates: map[string]*string{"application/json": jsii.String(string(body))},
		}
		a.add(awsapigateway.NewCfnGatewayResponse(a.stack, jsii.String("Http"+camel(kind)), props), props)
	}
}

// camel writes a type of a gateway response as a part of a logical ID: DEFAULT_4XX as Default4xx.
func camel(kind string) string {
	words := strings.Split(strings.ToLower(kind), "_")
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.Join(words, "")
}

// problemHeaders are the headers that the function would send with a problem.
func problemHeaders(p events.Problem) map[string]string {
	headers := map[string]string{
		"Content-Type":                  events.ProblemType,
		"Cache-Control":                 "no-store",
		"Access-Control-Allow-Origin":   "*",
		"Access-Control-Expose-Headers": "Retry-After, WWW-Authenticate",
	}
	if p.Code.Remedy() == events.RetryLater {
		headers["Retry-After"] = "1" // second
	}
	if p.Status == http.StatusUnauthorized {
		headers["WWW-Authenticate"] = "Bearer"
	}
	return headers
}
