package stack_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/infra/stack"
)

type methodProperties struct {
	HttpMethod, AuthorizationType       string
	AuthorizerId, ResourceId, RestApiId any
	Integration                         struct {
		Type, IntegrationHttpMethod, ResponseTransferMode string
		Uri                                               any
		TimeoutInMillis                                   int
	}
}

// TestHTTPMethods follows each method to the function. Only what browsers ask before the
// request proper gets there without a token, and what the service says of itself.
func TestHTTPMethods(t *testing.T) {
	all := resources(t)
	timeout := decode[functionProperties](t, all["Http"].Properties).Timeout
	want := map[string]string{"GET": "CUSTOM", "HEAD": "CUSTOM", "POST": "CUSTOM", "DELETE": "CUSTOM", "ANY": "CUSTOM", "OPTIONS": "NONE"}
	for _, c := range []string{"openapi.json", "asyncapi.json"} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			want[method+" "+c] = "NONE"
		}
	}
	got := map[string]string{}
	for id, m := range ofType[methodProperties](t, all, "AWS::ApiGateway::Method") {
		of := decode[struct{ PathPart, ParentId, RestApiId any }](t, all[refer(t, m.ResourceId)].Properties)
		key := m.HttpMethod
		if of.PathPart != "{proxy+}" {
			key += " " + of.PathPart.(string)
		}
		got[key] = m.AuthorizationType
		if (m.AuthorizerId != nil) != (m.AuthorizationType == "CUSTOM") || m.AuthorizerId != nil && refer(t, m.AuthorizerId) != "HttpAuthorizer" {
			t.Errorf("%s is guarded by %v", id, m.AuthorizerId)
		}
		if refer(t, of.ParentId) != "HttpApi.RootResourceId" || refer(t, of.RestApiId) != "HttpApi" || refer(t, m.RestApiId) != "HttpApi" {
			t.Errorf("%s is a method of %v, below %v", id, m.ResourceId, of.ParentId)
		}
		i := m.Integration
		if i.Type != "AWS_PROXY" || i.IntegrationHttpMethod != "POST" || i.ResponseTransferMode != "STREAM" {
			t.Errorf("%s has the integration %+v", id, i)
		}
		const uri = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2021-11-15/functions/${Http.Arn}/response-streaming-invocations"
		if refer(t, i.Uri) != uri {
			t.Errorf("%s has the URI %v", id, i.Uri)
		}
		// The function's own limit must end before the gateway's, which is at most 15 minutes.
		if i.TimeoutInMillis <= 1000*timeout || i.TimeoutInMillis > 900_000 {
			t.Errorf("%s waits %d ms for %d s", id, i.TimeoutInMillis, timeout)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("methods are %v, want %v", got, want)
	}
	api := ofType[struct{ EndpointConfiguration struct{ Types []string } }](t, all, "AWS::ApiGateway::RestApi")["HttpApi"]
	if !slices.Equal(api.EndpointConfiguration.Types, []string{"REGIONAL"}) {
		t.Errorf("the API is %+v", api)
	}
}

// TestHTTPTokensAreCheckedEachTime: with a cache, a revoked token would be taken for longer, and
// API Gateway would demand the token in one certain place.
func TestHTTPTokensAreCheckedEachTime(t *testing.T) {
	a := ofType[struct {
		Type                         string
		AuthorizerUri                any
		AuthorizerResultTtlInSeconds *int
		IdentitySource               any
	}](t, resources(t), "AWS::ApiGateway::Authorizer")["HttpAuthorizer"]
	if a.Type != "REQUEST" || a.AuthorizerResultTtlInSeconds == nil || *a.AuthorizerResultTtlInSeconds != 0 || a.IdentitySource != nil ||
		!strings.Contains(refer(t, a.AuthorizerUri), "/functions/${Authorizer.Arn}/invocations") {
		t.Errorf("authorizer is %+v", a)
	}
}

type gatewayResponse struct {
	ResponseType, StatusCode              string
	ResponseParameters, ResponseTemplates map[string]string
}

// TestGatewayAnswersWithProblems: what API Gateway answers itself, pages of other origins can
// read, and clients as they read the function's answers.
func TestGatewayAnswersWithProblems(t *testing.T) {
	got := map[string]string{}
	for id, r := range ofType[gatewayResponse](t, resources(t), "AWS::ApiGateway::GatewayResponse") {
		problem := decode[events.Problem](t, []byte(r.ResponseTemplates["application/json"]))
		got[r.ResponseType] = r.StatusCode + " " + string(problem.Code)
		if problem.Type != "about:blank" || problem.Title != http.StatusText(problem.Status) || strings.Contains(r.ResponseTemplates["application/json"], "$context.error") {
			t.Errorf("%s is answered %s", id, r.ResponseTemplates)
		}
		header := func(name string) string { return r.ResponseParameters["gatewayresponse.header."+name] }
		if header("Access-Control-Allow-Origin") != "'*'" || header("Content-Type") != "'application/problem+json'" || header("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s has the headers %v", id, r.ResponseParameters)
		}
		if again := header("Retry-After") != ""; again != (problem.Code.Remedy() == events.RetryLater) {
			t.Errorf("%s has Retry-After: %t", id, again)
		}
		if asks := header("WWW-Authenticate") == "'Bearer'"; asks != (problem.Status == 401) {
			t.Errorf("%s asks for a token: %t", id, asks)
		}
		if !strings.HasPrefix(string(problem.Code), "$") && problem.Code.Status() != problem.Status {
			t.Errorf("%s is %d, but its code %s is %d", id, problem.Status, problem.Code, problem.Code.Status())
		}
	}
	want := map[string]string{
		"UNAUTHORIZED": "401 bad_token", "ACCESS_DENIED": "403 $context.authorizer.code", "WAF_FILTERED": "403 forbidden", "THROTTLED": "429 too_many_requests",
		"MISSING_AUTHENTICATION_TOKEN": "404 not_found", "DEFAULT_4XX": "400 bad_request", "DEFAULT_5XX": "503 unavailable",
		"AUTHORIZER_FAILURE": "503 unavailable", "AUTHORIZER_CONFIGURATION_ERROR": "503 unavailable", "API_CONFIGURATION_ERROR": "503 unavailable",
		"INTEGRATION_FAILURE": "503 unavailable", "INTEGRATION_TIMEOUT": "503 unavailable",
	}
	if !maps.Equal(got, want) {
		t.Errorf("answers are %v, want %v", got, want)
	}
}

// deployed gives the logical ID of the deployment that the stage of HTTP serves.
func deployed(t *testing.T, all map[string]resource) string {
	t.Helper()
	return refer(t, ofType[struct{ DeploymentId any }](t, all, "AWS::ApiGateway::Stage")["HttpStage"].DeploymentId)
}

// TestAnotherDefinitionIsDeployed: a deployment is a picture, and CloudFormation takes none anew
// as long as the ID stays. What is of the stage only needs none.
func TestAnotherDefinitionIsDeployed(t *testing.T) {
	id := deployed(t, resources(t))
	for name, c := range map[string]struct {
		props stack.Props
		same  bool
	}{
		"a throttle": {stack.Props{HTTPThrottlingRate: 7, LogDays: 3, HTTPConcurrency: 5}, true},
		"the guard":  {stack.Props{Auth: stack.Auth{OpenToEveryone: true}}, false},
	} {
		if other := deployed(t, resourcesOf(t, c.props)); (other == id) != c.same {
			t.Errorf("with another setting of %s, %s is %s", name, id, other)
		}
	}
}

// TestDeploymentTakesAllOfTheAPI: what is made after the picture is not in it.
func TestDeploymentTakesAllOfTheAPI(t *testing.T) {
	all := resources(t)
	before := all[deployed(t, all)].DependsOn
	for id, r := range all {
		part := strings.HasPrefix(r.Type, "AWS::ApiGateway::") && !slices.Contains([]string{"RestApi", "Deployment", "Stage"}, strings.TrimPrefix(r.Type, "AWS::ApiGateway::"))
		if part != slices.Contains(before, id) {
			t.Errorf("the deployment waits for %s (%s): %t", id, r.Type, !part)
		}
	}
}

func TestHTTPStage(t *testing.T) {
	type stageProperties struct {
		StageName      string
		MethodSettings []struct {
			HttpMethod, ResourcePath         string
			ThrottlingRateLimit              float64
			ThrottlingBurstLimit             int
			MetricsEnabled, DataTraceEnabled bool
		}
		AccessLogSetting struct {
			DestinationArn any
			Format         string
		}
	}
	stage := ofType[stageProperties](t, resources(t), "AWS::ApiGateway::Stage")["HttpStage"]
	if len(stage.MethodSettings) != 7 || stage.StageName != "live" {
		t.Fatalf("stage is %+v", stage)
	}
	contracts := map[string]int{}
	for _, s := range stage.MethodSettings[1:] {
		contracts[s.HttpMethod+" "+s.ResourcePath]++
		if s.ThrottlingRateLimit != 10 || s.ThrottlingBurstLimit != 20 || s.MetricsEnabled || s.DataTraceEnabled {
			t.Errorf("what everybody may ask for has the settings %+v", s)
		}
	}
	for _, path := range []string{"/~1openapi.json", "/~1asyncapi.json"} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			if contracts[method+" "+path] != 1 {
				t.Errorf("%s %s has no throttle of its own: %v", method, path, contracts)
			}
		}
	}
	if s := stage.MethodSettings[0]; s.HttpMethod != "*" || s.ResourcePath != "/*" || s.ThrottlingRateLimit != 200 || s.ThrottlingBurstLimit != 200 || s.MetricsEnabled || s.DataTraceEnabled {
		t.Errorf("methods have the settings %+v", s)
	}
	if got := refer(t, stage.AccessLogSetting.DestinationArn); got != "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${HttpAccessLogs}" {
		t.Errorf("logs go to %s", got)
	}
	other := ofType[stageProperties](t, resourcesOf(t, stack.Props{Stage: "v1", HTTPThrottlingRate: 7.5, HTTPThrottlingBurst: 9, RouteMetrics: true}), "AWS::ApiGateway::Stage")["HttpStage"]
	if s := other.MethodSettings[1]; s.ThrottlingRateLimit != 7.5 || s.ThrottlingBurstLimit != 9 {
		t.Errorf("contracts have more than all others: %+v", s)
	}
	if s := other.MethodSettings[0]; other.StageName != "v1" || s.ThrottlingRateLimit != 7.5 || s.ThrottlingBurstLimit != 9 || !s.MetricsEnabled {
		t.Errorf("stage is %+v", other)
	}
	// All that is logged of a request: no path, query, header, subject or error message, which
	// may quote the token.
	format := decode[map[string]string](t, []byte(stage.AccessLogSetting.Format))
	logged := []string{
		"$context.authorizer.status", "$context.error.responseType", "$context.httpMethod", "$context.identity.sourceIp", "$context.integration.integrationStatus",
		"$context.requestId", "$context.requestTime", "$context.resourcePath", "$context.responseLatency", "$context.responseLength", "$context.status",
	}
	if got := slices.Sorted(maps.Values(format)); !slices.Equal(got, logged) {
		t.Errorf("logged are %q, want %q", got, logged)
	}
}

// TestStagesWaitForTheAccountsLogRole, without which AWS refuses them.
func TestStagesWaitForTheAccountsLogRole(t *testing.T) {
	all := resourcesOf(t, stack.Props{SetAccountLogRole: true})
	for _, id := range []string{"Stage", "HttpStage"} {
		if !slices.Contains(all[id].DependsOn, "AccountLogging") {
			t.Errorf("%s waits for %v", id, all[id].DependsOn)
		}
	}
}

func TestWithoutHTTP(t *testing.T) {
	template, err := synthesize(t, t.TempDir(), stack.Props{WithoutHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	made := decode[struct {
		Resources map[string]resource
		Outputs   map[string]any
	}](t, template)
	for id, r := range made.Resources {
		if strings.HasPrefix(id, "Http") || strings.HasPrefix(r.Type, "AWS::ApiGateway::") {
			t.Errorf("there is %s (%s)", id, r.Type)
		}
	}
	if made.Outputs["HttpUrl"] != nil || made.Outputs["WebSocketUrl"] == nil {
		t.Errorf("outputs are %v", made.Outputs)
	}
}

func TestWebACL(t *testing.T) {
	const acl = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/watch/a1b2c3d4-5678-90ab-cdef-EXAMPLE11111"
	association := ofType[struct {
		WebACLArn   string
		ResourceArn any
	}](t, resourcesOf(t, stack.Props{WebACLARN: acl}), "AWS::WAFv2::WebACLAssociation")["HttpWebAcl"]
	if association.WebACLArn != acl || refer(t, association.ResourceArn) != "arn:${AWS::Partition}:apigateway:${AWS::Region}::/restapis/${HttpApi}/stages/${HttpStage}" {
		t.Errorf("association is %+v", association)
	}
	for want, props := range map[string]stack.Props{
		"WithoutHTTP, too":    {WebACLARN: acl, WithoutHTTP: true},
		"not the ARN of a Re": {WebACLARN: strings.Replace(acl, "regional", "global", 1)},
		"StreamTime is 15m":   {StreamTime: 15 * time.Minute},
		"StreamTime is 1ms":   {StreamTime: time.Millisecond},
		"MaxSubjectHolds is":  {MaxSubjectHolds: -1},
		"HTTPConcurrency is":  {HTTPConcurrency: -1},
		"HTTPThrottlingBurst": {HTTPThrottlingBurst: -1},
		"HTTPThrottlingRate ": {HTTPThrottlingRate: -0.5},
		`HTTPURL is "http:`:   {HTTPURL: "http://live.example"},
		`HTTPURL is "https:`:  {HTTPURL: "https://live.example/"},
		`WebSocketURL is "w`:  {WebSocketURL: "wss://live.example?a=b"},
		`WebSocketURL is "h`:  {WebSocketURL: "https://live.example"},
		"take 2569 bytes":     {HTTPURL: "https://live.example/" + strings.Repeat("a", 2548)},
	} {
		props.Code = "code"
		if _, err := stack.New(nil, "Test", props); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", props, err, want)
		}
	}
}

// TestHTTPSettings: what the function reads is what the settings say.
func TestHTTPSettings(t *testing.T) {
	f := ofType[functionProperties](t, resourcesOf(t, stack.Props{
		AllowedOrigins: []string{"https://app.example", "http://localhost:3000"}, WebSocketURL: "wss://live.example", HTTPURL: "https://live.example/v1",
		Auth: stack.Auth{Issuer: "https://issuer.example", Audience: "watch", RefuseQueryTokens: true}, MaxConnections: 3, MaxSubscriptions: 4, MaxMessageRate: 5,
		ThrottlingRate: 0.5, ThrottlingBurst: 6, HTTPThrottlingRate: 1.5, HTTPThrottlingBurst: 7, ChangeRetention: 72 * time.Hour, HTTPConcurrency: 50, MaxDestinations: 6, MaxSubjectUnits: 9, MaxSnapshotItems: 8, MaxSubjectHolds: 7, StreamTime: stack.MaxStreamTime,
	}), "AWS::Lambda::Function")["Http"]
	const want = "ALLOWED_ORIGINS=https://app.example,http://localhost:3000 CHANGES_TABLE=Changes CONNECTIONS_TABLE=Connections " +
		"DELIVERIES_QUEUE_URL=DeliveriesQueue DESTINATIONS_TABLE=Destinations EVENTS_TABLE=Events HTTP_THROTTLING_BURST=7 HTTP_THROTTLING_RATE=1.5 HTTP_URL=https://live.example/v1 " +
		"LOG_RETENTION=72h0m0s MAX_CONNECTIONS=3 MAX_DESTINATIONS=6 MAX_HOLDS=40 MAX_MESSAGE_RATE=5 MAX_PUBLISH_BYTES=126976 MAX_SNAPSHOT_ITEMS=8 MAX_SUBJECT_HOLDS=7 MAX_SUBJECT_UNITS=9 " +
		"MAX_SUBSCRIPTIONS=4 REVOCATIONS_TABLE=Revocations SERVICE_SECRET_ARN=ServiceSecret SOCKET_URL=wss://live.example STREAM_TIME=14m0s SUBSCRIPTIONS_TABLE=Subscriptions " +
		"THROTTLING_BURST=6 THROTTLING_RATE=0.5 TOKEN_AUDIENCE=watch TOKEN_IN_QUERY=false TOKEN_ISSUER=https://issuer.example"
	if got := environment(t, f); got != want || f.ReservedConcurrentExecutions != 50 {
		t.Errorf("environment is %s, reserved are %d", got, f.ReservedConcurrentExecutions)
	}
	if f.Timeout != 14*60+10 { // seconds; with API Gateway's part at most 15 minutes
		t.Errorf("a request may take %d s", f.Timeout)
	}
	for held, want := range map[time.Duration]int{time.Second: 35, 30*time.Second + 200*time.Millisecond: 71} { // a long poll takes 25 s
		all := resourcesOf(t, stack.Props{StreamTime: held})
		if got := decode[functionProperties](t, all["Http"].Properties).Timeout; got != want {
			t.Errorf("with streams of %s a request may take %d s, want %d", held, got, want)
		}
	}
}
