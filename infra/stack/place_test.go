package stack_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/watchroute/watchroute/infra/stack"
)

// TestTwoInstancesInOneAccountShareNoName: every name that AWS wants to be unique in an
// account and Region is left to CloudFormation, or has the stack's name in it.
func TestTwoInstancesInOneAccountShareNoName(t *testing.T) {
	needsNode(t)
	dir := t.TempDir()
	code, out := filepath.Join(dir, "code"), filepath.Join(dir, "cdk.out")
	if err := placeExecutables(code); err != nil {
		t.Fatal(err)
	}
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false), Outdir: jsii.String(out)})
	for _, name := range []string{"Blue", "Green"} {
		if _, err := stack.New(app, name, stack.Props{Code: code, Region: "eu-central-1", Account: "123456789012"}); err != nil {
			t.Fatal(err)
		}
	}
	app.Synth(nil)
	for _, name := range []string{"Blue", "Green"} {
		data, err := os.ReadFile(filepath.Join(out, name+".template.json"))
		if err != nil {
			t.Fatal(err)
		}
		template := decode[struct {
			Resources map[string]resource
			Outputs   map[string]struct{ Export any }
		}](t, data)
		for id, r := range template.Resources {
			for property, value := range decode[map[string]any](t, r.Properties) {
				if names.MatchString(property) && !allowedNames[r.Type+" "+property] {
					t.Errorf("%s of %s (%s) is %v", property, id, r.Type, value)
				}
			}
			if singletons[r.Type] {
				t.Errorf("%s is a %s, of which an account has one", id, r.Type)
			}
		}
		for _, id := range []string{"Api", "HttpApi"} {
			if api := decode[struct{ Name any }](t, template.Resources[id].Properties); refer(t, api.Name) != "AWS::StackName" {
				t.Errorf("%s is named %v", id, api.Name)
			}
		}
		for id, output := range template.Outputs {
			if output.Export != nil {
				t.Errorf("output %s is exported as %v", id, output.Export)
			}
		}
	}
}

// names are properties that may be names.
var names = regexp.MustCompile(`^(Name|.*Name|Id)$`)

// allowedNames are properties that name something within the stack, refer to it, or, as the
// name of an API, may be shared. AWS does not want them to be unique.
var allowedNames = map[string]bool{
	"AWS::ApiGatewayV2::Api Name":                  true,
	"AWS::ApiGatewayV2::Authorizer Name":           true, // within the API
	"AWS::ApiGatewayV2::Stage StageName":           true, // within the API
	"AWS::ApiGateway::RestApi Name":                true,
	"AWS::ApiGateway::Authorizer Name":             true, // within the API
	"AWS::ApiGateway::Stage StageName":             true, // within the API
	"AWS::Lambda::Permission FunctionName":         true, // refers
	"AWS::Lambda::EventSourceMapping FunctionName": true, // refers
}

// singletons are settings of the whole account.
var singletons = map[string]bool{"AWS::ApiGateway::Account": true, "AWS::Logs::ResourcePolicy": true}

// TestWhereTheStackGoes, with which tags, and whether it can be deleted, is in the manifest.
func TestWhereTheStackGoes(t *testing.T) {
	dir := t.TempDir()
	if _, err := synthesize(t, dir, stack.Props{Account: "123456789012", Region: "eu-central-1", ProtectFromDeletion: true, Tags: map[string]string{"team": "a", "cost centre": "7/8"}}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "cdk.out", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Artifacts map[string]struct {
			Environment string
			Properties  struct {
				TerminationProtection bool
				Tags                  map[string]string
			}
		}
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	made := manifest.Artifacts["Watchroute"]
	if made.Environment != "aws://123456789012/eu-central-1" || !made.Properties.TerminationProtection {
		t.Errorf("the stack is %+v", made)
	}
	if tags := made.Properties.Tags; len(tags) != 2 || tags["team"] != "a" || tags["cost centre"] != "7/8" {
		t.Errorf("tags are %v", tags)
	}
}

func TestSecretOfAnotherRegionIsRefused(t *testing.T) {
	for region, refused := range map[string]bool{"": false, "eu-west-1": false, "us-east-1": true} {
		_, err := stack.New(nil, "Test", stack.Props{Code: "code", Region: region, Auth: stack.Auth{SecretARN: customersSecret}})
		if got := strings.Contains(err.Error(), "do not find it"); got != refused {
			t.Errorf("in %q: %v", region, err)
		}
	}
}
