package stack_test

import (
	"slices"
	"strings"
	"testing"
)

func TestAPI(t *testing.T) {
	apis := ofType[struct{ ProtocolType, RouteSelectionExpression string }](t, resources(t), "AWS::ApiGatewayV2::Api")
	if api := apis["Api"]; api.ProtocolType != "WEBSOCKET" || api.RouteSelectionExpression != "$request.body.action" {
		t.Errorf("the API is %+v", api)
	}
}

// TestRoutes follows each route to its function and back to the client.
func TestRoutes(t *testing.T) {
	all := resources(t)
	answers := answeringRoutes(t, all)
	invocable := permissions(t, all)
	var got []string
	for id, route := range ofType[routeProperties](t, all, "AWS::ApiGatewayV2::Route") {
		function := integratedFunction(t, all, route)
		line := route.RouteKey + " " + function
		if answers[id] != (route.RouteResponseSelectionExpression == "$default") {
			t.Errorf("%s has half of a route response", id)
		}
		if answers[id] {
			line += " answers"
		}
		if !slices.Contains(invocable, route.RouteKey+" "+function) {
			t.Errorf("%s may not invoke %s", id, function)
		}
		got = append(got, line)
	}
	slices.Sort(got)
	want := []string{
		"$connect Connect", "$default Message answers", "$disconnect Disconnect", "auth Renew answers", "ping Message answers",
		"publish Message answers", "snapshot Message answers", "subscribe Message answers", "unsubscribe Message answers",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	others := []string{"authorizers/${TokenAuthorizer} Authorizer", "http authorizers/${HttpAuthorizer} Authorizer", "http */* Http", "rule Sweep Deliver"}
	for _, other := range others {
		if !slices.Contains(invocable, other) {
			t.Errorf("permissions %q, want %s", invocable, other)
		}
	}
	if len(invocable) != len(want)+len(others) {
		t.Errorf("permissions %q, want one for each route, two for the authorizer, one for HTTP and one for the sweep", invocable)
	}
}

type routeProperties struct {
	RouteKey                         string
	RouteResponseSelectionExpression string
	Target                           any
}

// integratedFunction is the logical ID of the function that a route leads to.
func integratedFunction(t *testing.T, all map[string]resource, route routeProperties) string {
	t.Helper()
	target := strings.TrimSuffix(strings.TrimPrefix(refer(t, route.Target), "integrations/${"), "}")
	integration, ok := ofType[struct {
		IntegrationType string
		IntegrationUri  any
		TimeoutInMillis int
	}](t, all, "AWS::ApiGatewayV2::Integration")[target]
	if !ok || integration.IntegrationType != "AWS_PROXY" {
		t.Fatalf("%s leads to the integration %q: %+v", route.RouteKey, target, integration)
	}
	// A function's own limit of 10 seconds must end before the gateway's.
	if integration.TimeoutInMillis <= 10_000 || integration.TimeoutInMillis > 29_000 {
		t.Errorf("%s waits %d ms", target, integration.TimeoutInMillis)
	}
	uri := refer(t, integration.IntegrationUri)
	const prefix = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${"
	if !strings.HasPrefix(uri, prefix) || !strings.HasSuffix(uri, ".Arn}/invocations") {
		t.Errorf("%s has the URI %s", target, uri)
	}
	return strings.TrimSuffix(strings.TrimPrefix(uri, prefix), ".Arn}/invocations")
}

// answeringRoutes are the routes with a response, by logical ID.
func answeringRoutes(t *testing.T, all map[string]resource) map[string]bool {
	t.Helper()
	routes := map[string]bool{}
	for _, response := range ofType[struct {
		RouteId          any
		RouteResponseKey string
	}](t, all, "AWS::ApiGatewayV2::RouteResponse") {
		routes[refer(t, response.RouteId)] = response.RouteResponseKey == "$default"
	}
	return routes
}

// permissions lists "route-key function" of all that API Gateway may invoke, and what it
// may invoke as an authorizer; with "http" before it for the REST API. What EventBridge may invoke
// is "rule rule function".
func permissions(t *testing.T, all map[string]resource) []string {
	t.Helper()
	var allowed []string
	const apis = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:"
	for id, permission := range ofType[struct {
		Action, Principal       string
		FunctionName, SourceArn any
	}](t, all, "AWS::Lambda::Permission") {
		function := strings.TrimSuffix(refer(t, permission.FunctionName), ".Arn")
		if rule, ok := strings.CutSuffix(refer(t, permission.SourceArn), ".Arn"); ok && permission.Action == "lambda:InvokeFunction" && permission.Principal == "events.amazonaws.com" {
			allowed = append(allowed, "rule "+rule+" "+function)
			continue
		}
		if permission.Action != "lambda:InvokeFunction" || permission.Principal != "apigateway.amazonaws.com" {
			t.Errorf("%s allows %s to %s", id, permission.Action, permission.Principal)
		}
		source, ok := strings.CutPrefix(refer(t, permission.SourceArn), apis)
		api, part, _ := strings.Cut(source, "/")
		key, onStage := strings.CutPrefix(part, "live/")
		if !ok || !onStage && !strings.HasPrefix(part, "authorizers/${") {
			t.Errorf("%s is for %v", id, permission.SourceArn)
		}
		prefix, known := map[string]string{"${Api}": "", "${HttpApi}": "http "}[api]
		if !known {
			t.Errorf("%s is for %s", id, api)
		}
		allowed = append(allowed, prefix+key+" "+function)
	}
	return allowed
}

// TestSweepInvokesDeliver once a minute. TestRoutes has its permission.
func TestSweepInvokesDeliver(t *testing.T) {
	rules := ofType[struct {
		ScheduleExpression, State  string
		EventPattern, EventBusName any
		Targets                    []map[string]any
	}](t, resources(t), "AWS::Events::Rule")
	sweep := rules["Sweep"]
	if len(rules) != 1 || sweep.ScheduleExpression != "rate(1 minute)" || sweep.EventPattern != nil || sweep.EventBusName != nil || sweep.State != "" && sweep.State != "ENABLED" {
		t.Errorf("the rules are %+v", rules)
	}
	if len(sweep.Targets) != 1 || len(sweep.Targets[0]) != 2 || refer(t, sweep.Targets[0]["Arn"]) != "Deliver.Arn" { // an Id and no input of its own
		t.Errorf("the sweep invokes %v", sweep.Targets)
	}
}

type stageProperties struct {
	StageName            string
	AutoDeploy           bool
	DefaultRouteSettings struct {
		ThrottlingRateLimit    float64
		ThrottlingBurstLimit   int
		DetailedMetricsEnabled bool
		DataTraceEnabled       bool
	}
	AccessLogSettings struct {
		DestinationArn any
		Format         string
	}
}

func TestStage(t *testing.T) {
	all := resources(t)
	stage := ofType[stageProperties](t, all, "AWS::ApiGatewayV2::Stage")["Stage"]
	if stage.StageName != "live" || !stage.AutoDeploy {
		t.Errorf("stage %s, deployed by itself: %v", stage.StageName, stage.AutoDeploy)
	}
	settings := stage.DefaultRouteSettings
	if settings.ThrottlingRateLimit != 500 || settings.ThrottlingBurstLimit != 500 || settings.DetailedMetricsEnabled {
		t.Errorf("the routes' settings are %+v", settings)
	}
	if settings.DataTraceEnabled {
		t.Error("payloads are written to the logs")
	}
}

// TestAccountsLogRoleIsLeftAlone: it is one setting for all APIs of the account in a Region,
// and a second deployment once took the first one's away.
func TestAccountsLogRoleIsLeftAlone(t *testing.T) {
	for id, r := range resources(t) {
		if r.Type == "AWS::ApiGateway::Account" || id == "AccountLogRole" {
			t.Errorf("%s (%s) changes the account", id, r.Type)
		}
	}
}

// TestAccessLogsHoldNoPayload lists all that is logged of a request.
func TestAccessLogsHoldNoPayload(t *testing.T) {
	stage := ofType[stageProperties](t, resources(t), "AWS::ApiGatewayV2::Stage")["Stage"]
	got := decode[map[string]string](t, []byte(stage.AccessLogSettings.Format))
	want := map[string]string{
		"requestId": "$context.requestId", "connectionId": "$context.connectionId", "eventType": "$context.eventType",
		"routeKey": "$context.routeKey", "status": "$context.status", "integrationError": "$context.integration.error",
		"requestTime": "$context.requestTime", "sourceIp": "$context.identity.sourceIp", "authorizerStatus": "$context.authorizer.status",
	}
	for key, value := range got {
		if want[key] != value {
			t.Errorf("%s logs %s", key, value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("logged are %v, want %v", got, want)
	}
	destination := refer(t, stage.AccessLogSettings.DestinationArn)
	if destination != "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${AccessLogs}" {
		t.Errorf("logs go to %s", destination)
	}
}
