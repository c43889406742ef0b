package main

import (
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/watchroute/watchroute/infra/stack"
)

// appWith is an app with context values; nil for none.
func appWith(t *testing.T, context map[string]any) awscdk.App {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("the CDK library needs Node.js: ", err)
	}
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
		"secret":   {map[string]any{"secret": "arn:s", "secret-key": "arn:k"}, "Watchroute", with(func(p *stack.Props) { p.Auth = stack.Auth{SecretARN: "arn:s", SecretKeyARN: "arn:k"} })},
		"no HTTP":  {map[string]any{"http": "off"}, "Watchroute", with(func(p *stack.Props) { p.WithoutHTTP = true })},
		"web ACL":  {map[string]any{"web-acl": "arn:w"}, "Watchroute", with(func(p *stack.Props) { p.WebACLARN = "arn:w" })},
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
