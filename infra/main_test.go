package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/watchroute/watchroute/infra/stack"
	"github.com/watchroute/watchroute/shared/intake"
	"github.com/watchroute/watchroute/shared/needs"
)

// appWith is an app with context values; nil for none.
func appWith(t *testing.T, context map[string]any) awscdk.App {
	t.Helper()
	needs.Program(t, "node", "the CDK library needs Node.js")
	return awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false), Outdir: jsii.String(t.TempDir()), Context: &context})
}

func TestContextSaysWhatIsDeployed(t *testing.T) {
	byDefault := stack.Props{Architecture: stack.ARM64, Tags: map[string]string{}}
	with := func(change func(*stack.Props)) stack.Props {
		props := byDefault
		change(&props)
		return props
	}
	for name, c := range map[string]struct {
		context map[string]any
		name    string
		want    stack.Props
	}{
		"nothing":      {nil, "Watchroute", byDefault},
		"architecture": {map[string]any{"architecture": "x86_64"}, "Watchroute", with(func(p *stack.Props) { p.Architecture = stack.X8664 })},
		"place": {map[string]any{"name": "Staging-2", "account": "123456789012", "region": "eu-central-1", "stage": "v1", "protect": "true", "account-log-role": "set"}, "Staging-2",
			with(func(p *stack.Props) {
				p.Account, p.Region, p.Stage, p.ProtectFromDeletion, p.SetAccountLogRole = "123456789012", "eu-central-1", "v1", true, true
			})},
		"protect in cdk.json": {map[string]any{"protect": true}, "Watchroute", with(func(p *stack.Props) { p.ProtectFromDeletion = true })},
		"tags":                {map[string]any{"tags": "team=a,cost=b=c"}, "Watchroute", with(func(p *stack.Props) { p.Tags = map[string]string{"team": "a", "cost": "b=c"} })},
		"tags in cdk.json":    {map[string]any{"tags": map[string]any{"team": "a, b"}}, "Watchroute", with(func(p *stack.Props) { p.Tags = map[string]string{"team": "a, b"} })},
		"tokens": {map[string]any{"issuer": "https://id.example", "jwks": "https://id.example/keys", "audience": "us", "refuse": "handshake", "origins": "https://a.example,https://b.example"}, "Watchroute",
			with(func(p *stack.Props) {
				p.Auth = stack.Auth{Issuer: "https://id.example", JWKSURL: "https://id.example/keys", Audience: "us", RefuseAtHandshake: true}
				p.AllowedOrigins = []string{"https://a.example", "https://b.example"}
			})},
		"secret":  {map[string]any{"secret": "arn:s", "secret-key": "arn:k"}, "Watchroute", with(func(p *stack.Props) { p.Auth = stack.Auth{SecretARN: "arn:s", SecretKeyARN: "arn:k"} })},
		"no HTTP": {map[string]any{"http": "off"}, "Watchroute", with(func(p *stack.Props) { p.WithoutHTTP = true })},
		"web ACL": {map[string]any{"web-acl": "arn:w"}, "Watchroute", with(func(p *stack.Props) { p.WebACLARN = "arn:w" })},
		"sources": {map[string]any{"sources": []any{map[string]any{"name": "Orders", "queue": "arn:q", "topics": []any{"a/**"}, "mapping": map[string]any{"topic": "a", "id": "{b}", "remove": map[string]any{"c": []any{1.0}}}}}}, "Watchroute",
			with(func(p *stack.Props) {
				p.Sources = []stack.Source{{Name: "Orders", Queue: "arn:q", Topics: []string{"a/**"}, Mapping: &intake.Mapping{Topic: "a", ID: "{b}", Remove: []byte(`{"c":[1]}`)}}}
			})},
		"everyone": {map[string]any{"auth": "open-to-everyone"}, "Watchroute", with(func(p *stack.Props) { p.Auth.OpenToEveryone = true })},
	} {
		gotName, got, err := propsOf(appWith(t, c.context))
		if err != nil || gotName != c.name || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %s, %+v, %v, want %s, %+v", name, gotName, got, err, c.name, c.want)
		}
	}
}

// TestContextThatIsNotUnderstoodIsRefused: a list as issuer once meant a secret that the stack
// makes, without a word.
func TestContextThatIsNotUnderstoodIsRefused(t *testing.T) {
	for _, name := range []string{"architecture", "name", "account", "region", "stage", "issuer", "jwks", "secret", "secret-key", "audience", "origins", "web-acl"} {
		for _, value := range []any{"", 64.0, true, []any{"https://id.example"}, map[string]any{"a": "b"}} {
			_, _, err := propsOf(appWith(t, map[string]any{name: value}))
			if err == nil || !strings.Contains(err.Error(), "context value "+name+" is ") {
				t.Errorf("%s=%v: %v", name, value, err)
			}
		}
	}
	for _, name := range []string{"auth", "http", "refuse", "protect", "account-log-role"} {
		for _, value := range []any{"", "yes", false, 1.0, []any{"true", "set"}} {
			_, _, err := propsOf(appWith(t, map[string]any{name: value}))
			if err == nil || !strings.Contains(err.Error(), "context value "+name+" is ") {
				t.Errorf("%s=%v: %v", name, value, err)
			}
		}
	}
	for name, values := range map[string][]any{
		"tags":         {"", "team", "=a", "a=1,a=2", "a=1,", 7.0, []any{"a=1"}, map[string]any{"team": 7.0}},
		"architecture": {"mips", "amd64"},
		"name":         {"my_stack", "7", "a b", "-a"},
		"sources":      {"", "[]", "{}", 7.0, []any{}, `[{"name":"A","que":"arn"}]`, []any{map[string]any{"mapping": map[string]any{"tpic": "a"}}}},
	} {
		for _, value := range values {
			if _, props, err := propsOf(appWith(t, map[string]any{name: value})); err == nil || !strings.Contains(err.Error(), "context value "+name) {
				t.Errorf("%s=%v is read as %+v, %v", name, value, props, err)
			}
		}
	}
	_, _, err := propsOf(appWith(t, map[string]any{"issuer": 7.0, "protect": "no"}))
	if err == nil || !strings.Contains(err.Error(), "issuer") || !strings.Contains(err.Error(), "protect") {
		t.Errorf("not all is told at once: %v", err)
	}
}

// TestEverySettingHasAContextValue, but for the folder of the executables, which the app builds, and for
// destinations, which are constructs of an app.
func TestEverySettingHasAContextValue(t *testing.T) {
	_, props, err := propsOf(appWith(t, map[string]any{
		"architecture": "x86_64", "account": "123456789012", "region": "eu-central-1", "stage": "v1", "tags": "a=b", "protect": "true", "table-deletion": "allow", "account-log-role": "set", "origins": "https://a.example",
		"issuer": "i", "jwks": "j", "secret": "s", "secret-key": "k", "audience": "a", "auth": "open-to-everyone", "refuse": "handshake", "query-tokens": "off",
		"max-connections": "1", "max-subscriptions": 2.0, "max-publish-bytes": "3", "max-snapshot-items": "4", "max-message-rate": "5", "max-subject-units": 1000000.0, "shard-size": "7", "max-batch-posts": "8", "push-concurrency": "9", "max-destinations": "16", "deliver-concurrency": "17", "intake-concurrency": "18", "sources": `[{"name":"Orders","queue":"arn"}]`, "fanout-concurrency": "10", "message-concurrency": "11",
		"http": "off", "http-concurrency": "12", "max-subject-holds": "13", "stream-time": "90s", "http-throttling-rate": 1.5, "http-throttling-burst": "14", "web-acl": "arn:w", "websocket-url": "wss://w", "http-url": "https://h", "throttling-rate": "2.5", "throttling-burst": "15",
		"change-retention": "72h", "log-days": "30", "log-level": "DEBUG", "system-log-level": "INFO", "route-metrics": "on", "connection-backups": "on",
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []reflect.Value{reflect.ValueOf(props), reflect.ValueOf(props.Auth)} {
		for i := range of.NumField() {
			if name := of.Type().Field(i).Name; name != "Code" && name != "Destinations" && of.Field(i).IsZero() {
				t.Errorf("no context value sets %s", name)
			}
		}
	}
	if props.MaxSubjectUnits != 1_000_000 || props.StreamTime != 90*time.Second || props.ThrottlingRate != 2.5 {
		t.Errorf("settings are read as %+v", props)
	}
}

// TestMisspeltContextIsRefused: it once meant a default, without a word.
func TestMisspeltContextIsRefused(t *testing.T) {
	for given, meant := range map[string]string{"isuer": "issuer", "max-conections": "max-connections", "HTTP": "http", "origin": "origins"} {
		_, _, err := propsOf(appWith(t, map[string]any{given: "x", "@aws-cdk/core:a": true, "aws:cdk:b": "c"}))
		if want := "there is no context value " + given + ": do you mean " + meant + "?"; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", given, err, want)
		}
	}
}

// TestNumbersOfContextAreAboveZero: 0 would mean the default.
func TestNumbersOfContextAreAboveZero(t *testing.T) {
	for _, name := range []string{"max-connections", "throttling-rate", "stream-time"} {
		for _, value := range []any{"", "0", "-1", "many", 0.0, true, "NaN", "Inf", "1h1", []any{"1"}} {
			if _, props, err := propsOf(appWith(t, map[string]any{name: value})); err == nil || !strings.Contains(err.Error(), "context value "+name+" is ") {
				t.Errorf("%s=%v is read as %+v, %v", name, value, props, err)
			}
		}
	}
}
