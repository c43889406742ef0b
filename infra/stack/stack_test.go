package stack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/infra/stack"
	"github.com/watchroute/watchroute/shared/build"
)

// resource is a resource of a synthesized template, with Properties still to be
// decoded.
type resource struct {
	Type                string
	Properties          json.RawMessage
	Metadata            struct{ Source string }
	DeletionPolicy      string
	UpdateReplacePolicy string
	DependsOn           []string
}

// resources gives the default stack's resources by logical ID.
func resources(t *testing.T) map[string]resource {
	t.Helper()
	return decode[struct{ Resources map[string]resource }](t, defaultTemplate(t)).Resources
}

// resourcesOf gives those of a stack with other settings.
func resourcesOf(t *testing.T, props stack.Props) map[string]resource {
	t.Helper()
	template, err := synthesize(t, t.TempDir(), props)
	if err != nil {
		t.Fatal(err)
	}
	return decode[struct{ Resources map[string]resource }](t, template).Resources
}

// ofType gives the properties of all resources of one type.
func ofType[P any](t *testing.T, all map[string]resource, typ string) map[string]P {
	t.Helper()
	found := map[string]P{}
	for id, r := range all {
		if r.Type == typ {
			found[id] = decode[P](t, r.Properties)
		}
	}
	if len(found) == 0 {
		t.Fatalf("no resource of type %s", typ)
	}
	return found
}

// refer writes a string, Ref, Fn::GetAtt or Fn::Sub shortly: "Events.Arn".
func refer(t *testing.T, value any) string {
	t.Helper()
	if text, ok := value.(string); ok {
		return text
	}
	call, _ := value.(map[string]any)
	if ref, ok := call["Ref"].(string); ok {
		return ref
	}
	if text, ok := call["Fn::Sub"].(string); ok {
		return text
	}
	if attribute, ok := call["Fn::GetAtt"].([]any); ok && len(attribute) == 2 {
		return fmt.Sprintf("%s.%s", attribute...)
	}
	t.Fatalf("cannot refer to %v", value)
	return ""
}

func TestEveryFunctionFolderIsDeployed(t *testing.T) {
	folders, err := build.Names("../..")
	if err != nil {
		t.Fatal(err)
	}
	var deployed []string
	for _, r := range sourceResources(t) {
		if name, ok := strings.CutPrefix(r.Metadata.Source, "functions/"); ok {
			deployed = append(deployed, name)
		}
	}
	slices.Sort(deployed)
	if !slices.Equal(folders, deployed) {
		t.Errorf("functions/ has %v, the stack %v", folders, deployed)
	}
}

func TestSynthesisIsRepeatable(t *testing.T) {
	first := defaultTemplate(t)
	second, err := synthesize(t, t.TempDir(), stack.Props{})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two templates of the same stack differ")
	}
}

func TestSettingsReachTheTemplate(t *testing.T) {
	template, err := synthesize(t, t.TempDir(), stack.Props{
		Architecture: stack.X8664, ChangeRetention: 25*time.Hour + 30*time.Minute, LogDays: 3,
		ThrottlingRate: 7.5, ThrottlingBurst: 9, AllowTableDeletion: true, SetAccountLogRole: true, Stage: "v1", RouteMetrics: true, BackUpConnections: true, LogLevel: "DEBUG", SystemLogLevel: "INFO",
		MaxConnections: 3, MaxMessageRate: 4, MaxSubscriptions: 6, MaxPublishBytes: 7, MaxSnapshotItems: 8, MaxSubjectUnits: 9, ShardSize: 10, MaxBatchPosts: 11, PushConcurrency: 12, MaxDestinations: 13, DeliverConcurrency: 14, FanoutConcurrency: 5, MessageConcurrency: 9,
		Auth:           stack.Auth{Issuer: "https://id.example", Audience: "watchers", RefuseQueryTokens: true, RefuseAtHandshake: true},
		AllowedOrigins: []string{"https://app.example", "http://localhost:3000"},
	})
	if err != nil {
		t.Fatal(err)
	}
	all := decode[struct{ Resources map[string]resource }](t, template).Resources
	for id, want := range map[string]string{
		"Connect": `"x86_64"`, "Fanout": `"LOG_RETENTION": "25h30m0s"`, "ConnectLogs": `"RetentionInDays": 3`,
		"AccessLogs": `"RetentionInDays": 3`, "Stage": `"ThrottlingRateLimit": 7.5`,
		"Events": `"DeletionProtectionEnabled": false`, "Authorizer": `"TOKEN_ISSUER": "https://id.example"`,
	} {
		if !strings.Contains(string(all[id].Properties), want) {
			t.Errorf("%s has no %s: %s", id, want, all[id].Properties)
		}
	}
	if !strings.Contains(string(all["Stage"].Properties), `"ThrottlingBurstLimit": 9`) {
		t.Errorf("Stage has no burst of 9: %s", all["Stage"].Properties)
	}
	for id, want := range map[string]string{
		"Connect": `"MAX_CONNECTIONS": "3"`, "Message": `"MAX_MESSAGE_RATE": "4"`, "Renew": `"MAX_SUBJECT_UNITS": "9"`, "Fanout": `"ReservedConcurrentExecutions": 5`,
		"Authorizer": `"TOKEN_IN_QUERY": "false"`,
	} {
		if !strings.Contains(string(all[id].Properties), want) {
			t.Errorf("%s has no %s: %s", id, want, all[id].Properties)
		}
	}
	for _, want := range []string{`"ReservedConcurrentExecutions": 9`, `"MAX_SUBSCRIPTIONS": "6"`, `"MAX_PUBLISH_BYTES": "7"`, `"MAX_SNAPSHOT_ITEMS": "8"`} {
		if !strings.Contains(string(all["Message"].Properties), want) {
			t.Errorf("Message has no %s: %s", want, all["Message"].Properties)
		}
	}
	for id, want := range map[string]string{
		"Push": `"SHARD_SIZE": "10"`, "Fanout": `"MAX_BATCH_POSTS": "11"`, "PushesToPush": `"MaximumConcurrency": 12`,
		"Http": `"MAX_DESTINATIONS": "13"`, "DeliveriesToDeliver": `"MaximumConcurrency": 14`,
	} {
		if !strings.Contains(string(all[id].Properties), want) {
			t.Errorf("%s has no %s: %s", id, want, all[id].Properties)
		}
	}
	if want := `"SHARD_SIZE": "10"`; !strings.Contains(string(all["Fanout"].Properties), want) {
		t.Errorf("Fanout has no %s: %s", want, all["Fanout"].Properties)
	}
	if want := `"REFUSE_INSIDE": "false"`; !strings.Contains(string(all["Authorizer"].Properties), want) {
		t.Errorf("Authorizer has no %s: %s", want, all["Authorizer"].Properties)
	}
	if want := `"ALLOWED_ORIGINS": "https://app.example,http://localhost:3000"`; !strings.Contains(string(all["Authorizer"].Properties), want) {
		t.Errorf("Authorizer has no %s: %s", want, all["Authorizer"].Properties)
	}
	if _, ok := all["TokenSecret"]; ok {
		t.Error("a secret is made though an issuer is named")
	}
	// AWS refuses a WebSocket stage with access logs before the account has a role for them.
	if !slices.Contains(all["Stage"].DependsOn, "AccountLogging") {
		t.Errorf("the stage depends on %v", all["Stage"].DependsOn)
	}
	for _, id := range []string{"AccountLogging", "AccountLogRole"} { // others may log with it by then
		if all[id].DeletionPolicy != "Retain" || all[id].UpdateReplacePolicy != "Retain" {
			t.Errorf("%s is deleted: %s, replaced: %s", id, all[id].DeletionPolicy, all[id].UpdateReplacePolicy)
		}
	}
	for id, want := range map[string]string{
		"Stage": `"DetailedMetricsEnabled": true`, "Connections": `"PointInTimeRecoveryEnabled": true`, "Subscriptions": `"PointInTimeRecoveryEnabled": true`,
		"Connect": `"ApplicationLogLevel": "DEBUG"`, "Fanout": `"SystemLogLevel": "INFO"`, "PingPermission": `/v1/ping"`, "MessageRole": `/v1/POST/@connections/*"`, "Message": `/v1"`,
	} {
		if !strings.Contains(string(all[id].Properties), want) {
			t.Errorf("%s has no %s: %s", id, want, all[id].Properties)
		}
	}
	if strings.Contains(string(template), "/live") {
		t.Error("the template names the default stage beside its own")
	}
}

func TestSettingsOutOfBoundsAreRefusedAllAtOnce(t *testing.T) {
	_, err := stack.New(nil, "Test", stack.Props{
		Stage: "a/b", Account: "1234", Region: "europe", Tags: map[string]string{"aws:x": "1"}, LogLevel: "LOUD", SystemLogLevel: "ERROR",
		Architecture: "mips", ChangeRetention: 24 * time.Hour, LogDays: 2, ThrottlingRate: -1, ThrottlingBurst: -2,
		MaxConnections: -1, MessageConcurrency: -3, MaxSubscriptions: 101, MaxDestinations: -4, PushConcurrency: 1, DeliverConcurrency: 1_001, Auth: stack.Auth{OpenToEveryone: true, Issuer: "https://id.example"},
		AllowedOrigins: []string{"https://app.example/", "*", "null", "https://" + strings.Repeat("a", 250), "https://a.example" + strings.Repeat(":8443", 400)},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"stack Test: Code is not set", `Architecture is "mips", not arm64 or x86_64`,
		"ChangeRetention is 24h0m0s, less than 25h0m0s", "LogDays is 2, not one of [1 3 5 7 14",
		"ThrottlingRate is -1, not a number of at least 0", "ThrottlingBurst is -2, less than 0",
		`Stage is "a/b", not 1 to 128 letters`, `Account is "1234", not 12 digits`, `Region is "europe", not a name`, `Tags has the key "aws:x"`, `LogLevel is "LOUD", not one of`, `SystemLogLevel is "ERROR", not one of`,
		"MaxConnections is -1, must be a number from 1 to 1000000000", "MessageConcurrency is -3, less than 0", "MaxSubscriptions is 101, more than 100",
		"MaxDestinations is -4, must be a number from 1 to 1000000000", "PushConcurrency is 1, must be from 2 to 1000", "DeliverConcurrency is 1001, must be from 2 to 1000",
		"Auth is open to everyone and says whose tokens are taken, too",
		`AllowedOrigins: origin "https://app.example/" is not scheme://host[:port]`, `AllowedOrigins: origin "*" is`, `AllowedOrigins: origin "null" is`,
		"AllowedOrigins take 2304 bytes, more than 2048", "AllowedOrigins need an authorizer that checks them, and Auth is open to everyone",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q: %v", want, err)
		}
	}
}

// TestMoreDestinationsThanOneAnswerListsAreRefused.
func TestMoreDestinationsThanOneAnswerListsAreRefused(t *testing.T) {
	for given, refused := range map[int]bool{1: false, 100: false, 101: true} {
		_, err := stack.New(nil, "Test", stack.Props{Stage: "a/b", MaxDestinations: given})
		if got := strings.Contains(fmt.Sprint(err), fmt.Sprintf("MaxDestinations is %d, more than 100", given)); got != refused {
			t.Errorf("%d: %v", given, err)
		}
	}
}

// TestOpenToEveryone: without authentication there is nothing of it.
func TestOpenToEveryone(t *testing.T) {
	template, err := synthesize(t, t.TempDir(), stack.Props{Auth: stack.Auth{OpenToEveryone: true}})
	if err != nil {
		t.Fatal(err)
	}
	all := decode[struct{ Resources map[string]resource }](t, template).Resources
	for _, id := range []string{"Authorizer", "HttpAuthorizer", "HttpAuthorizerPermission", "TokenAuthorizer", "TokenAuthorizerPermission", "TokenSecret", "Renew", "RenewIntegration", "AuthRoute"} {
		if _, ok := all[id]; ok {
			t.Errorf("there is %s", id)
		}
	}
	if message := string(all["Message"].Properties); !strings.Contains(message, `"SERVICE_SECRET_ARN"`) || all["ServiceSecret"].Type == "" {
		t.Errorf("Message has nothing to seal with: %s", message)
	}
	for _, id := range []string{"Connect", "Disconnect", "Message", "Http"} {
		if f := string(all[id].Properties); !strings.Contains(f, `"OPEN_TO_EVERYONE": "true"`) {
			t.Errorf("%s wants an authorizer's context: %s", id, f)
		}
	}
	if route := string(all["ConnectRoute"].Properties); !strings.Contains(route, `"AuthorizationType": "NONE"`) {
		t.Errorf("$connect is %s", route)
	}
}

func TestMissingExecutableIsNamed(t *testing.T) {
	code := t.TempDir()
	if err := placeExecutables(code); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(code, "fanout", build.Executable)); err != nil {
		t.Fatal(err)
	}
	_, err := stack.New(nil, "Test", stack.Props{Code: code})
	if err == nil || !strings.Contains(err.Error(), "function fanout is not built") {
		t.Errorf("got %v", err)
	}
}

func TestArchitectureNamesForGo(t *testing.T) {
	for architecture, want := range map[stack.Architecture]string{"": "arm64", stack.ARM64: "arm64", stack.X8664: "amd64"} {
		if got := architecture.GOARCH(); got != want {
			t.Errorf("GOARCH of %q is %s, want %s", architecture, got, want)
		}
	}
}

func TestOutputs(t *testing.T) {
	outputs := decode[struct {
		Outputs map[string]struct{ Value any }
	}](t, defaultTemplate(t)).Outputs
	got := map[string]string{}
	for name, output := range outputs {
		got[name] = refer(t, output.Value)
	}
	want := map[string]string{
		"WebSocketUrl": "wss://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live",
		"HttpUrl":      "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live",
		"EventsTable":  "Events", "ChangesTable": "Changes", "ConnectionsTable": "Connections",
		"SubscriptionsTable": "Subscriptions", "RevocationsTable": "Revocations", "DestinationsTable": "Destinations", "FailureQueueUrl": "FailureQueue",
		"TokenSecretArn": "TokenSecret", "ServiceSecretArn": "ServiceSecret",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestArchitectureByName(t *testing.T) {
	for _, known := range []stack.Architecture{stack.ARM64, stack.X8664} {
		if got, err := stack.ParseArchitecture(string(known)); got != known || err != nil {
			t.Errorf("%q is read as %q, %v", known, got, err)
		}
	}
	for _, unknown := range []string{"", "amd64", "ARM64"} {
		if got, err := stack.ParseArchitecture(unknown); err == nil {
			t.Errorf("%q is read as %q", unknown, got)
		}
	}
}

// TestSecretsAreRandomAndOutliveTheStack: what was sealed or signed with one must still be
// readable after a deployment that goes wrong.
func TestSecretsAreRandomAndOutliveTheStack(t *testing.T) {
	all := resources(t)
	type properties struct {
		SecretString         any
		GenerateSecretString struct {
			PasswordLength     int
			ExcludePunctuation bool
		}
	}
	secrets := ofType[properties](t, all, "AWS::SecretsManager::Secret")
	for _, id := range []string{"TokenSecret", "ServiceSecret"} {
		if secret, ok := secrets[id]; !ok || secret.SecretString != nil || secret.GenerateSecretString.PasswordLength != 64 {
			t.Errorf("%s is %+v", id, secret)
		}
		if all[id].DeletionPolicy != "Retain" || all[id].UpdateReplacePolicy != "Retain" {
			t.Errorf("%s is deleted %s, replaced %s", id, all[id].DeletionPolicy, all[id].UpdateReplacePolicy)
		}
	}
	if len(secrets) != 2 {
		t.Errorf("%d secrets, want 2", len(secrets))
	}
}
