package main

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/watchroute/watchroute/infra/stack"
)

func TestArchitectureIsTheContextValue(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("the CDK library needs Node.js: ", err)
	}
	for name, c := range map[string]struct {
		context map[string]any
		want    stack.Architecture // empty: refused
	}{
		"not set": {nil, stack.ARM64},
		"arm64":   {map[string]any{"architecture": "arm64"}, stack.ARM64},
		"x86_64":  {map[string]any{"architecture": "x86_64"}, stack.X8664},
		"unknown": {map[string]any{"architecture": "mips"}, ""},
		"no text": {map[string]any{"architecture": 64}, ""},
	} {
		app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false), Outdir: jsii.String(t.TempDir()), Context: &c.context})
		got, err := architectureOf(app)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}

func TestOriginsAreTheContextValue(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("the CDK library needs Node.js: ", err)
	}
	for value, want := range map[string][]string{"": nil, "https://a.example": {"https://a.example"}, "https://a.example,https://b.example": {"https://a.example", "https://b.example"}} {
		context := map[string]any{"origins": value}
		app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false), Outdir: jsii.String(t.TempDir()), Context: &context})
		if got := originsOf(app); !slices.Equal(got, want) {
			t.Errorf("origins=%s is read as %q", value, got)
		}
	}
}
