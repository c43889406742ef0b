package deploy_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/deploy"
)

// assembly is one of a template's text, as the CDK CLI would write it.
func assembly(t *testing.T, template string) deploy.Assembly {
	t.Helper()
	dir := t.TempDir()
	for file, content := range map[string]string{
		deploy.StackName + ".template.json": template,
		deploy.StackName + ".assets.json":   `{"files":{"` + deploy.Hash([]byte(template)) + `":{}}}`,
		"manifest.json":                     `{"url":"s3://` + deploy.Hash([]byte(template)) + `.json"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a, err := deploy.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAssemblyWithoutTypes cuts types out of the golden template and finds all else as it was, under the
// new hash. With the REST API go its permissions and its output.
func TestAssemblyWithoutTypes(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("..", "..", "infra", "testdata", "watchroute.template.json"))
	if err != nil {
		t.Fatal(err)
	}
	whole := assembly(t, string(golden))
	for prefix, more := range map[string][]string{
		"AWS::ApiGatewayV2::RouteResponse": nil,
		"AWS::ApiGateway::":                {"HttpPermission", "HttpAuthorizerPermission"},
	} {
		lacking := func(typ string) bool { return strings.HasPrefix(typ, prefix) }
		rest, err := whole.Without(lacking, filepath.Join(t.TempDir(), "rest"))
		if err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(whole.Template.Resources)
		maps.DeleteFunc(want, func(id string, r deploy.Resource) bool { return lacking(r.Type) || slices.Contains(more, id) })
		if !reflect.DeepEqual(rest.Template.Resources, want) {
			t.Errorf("without %s there are %v", prefix, slices.Sorted(maps.Keys(rest.Template.Resources)))
		}
		_, http := rest.Template.Outputs["HttpUrl"]
		if lost := len(whole.Template.Outputs) - len(rest.Template.Outputs); http == (more != nil) || lost > 1 {
			t.Errorf("without %s %d outputs are lost", prefix, lost)
		}
		content, err := os.ReadFile(rest.TemplateFile())
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := os.ReadFile(filepath.Join(rest.Dir, "manifest.json"))
		if err != nil || !strings.Contains(string(manifest), deploy.Hash(content)) {
			t.Errorf("the manifest names another template: %s, %v", manifest, err)
		}
	}
}

// TestWhatOthersNeedIsNotLeftOut, in whatever way they refer to it.
func TestWhatOthersNeedIsNotLeftOut(t *testing.T) {
	for _, reference := range []string{`{"Ref":"A"}`, `{"Fn::GetAtt":["A","Arn"]}`, `{"Fn::GetAtt":"A.Arn"}`, `{"Fn::Sub":"x/${A}"}`, `[{"Fn::Sub":["${A.Arn}",{}]}]`} {
		a := assembly(t, `{"Resources":{"A":{"Type":"Odd"},"B":{"Type":"Other","Properties":{"P":`+reference+`}}}}`)
		if _, err := a.Without(func(typ string) bool { return typ == "Odd" }, filepath.Join(t.TempDir(), "rest")); err == nil || !strings.Contains(err.Error(), "B (Other)") {
			t.Errorf("%s: %v", reference, err)
		}
	}
	a := assembly(t, `{"Resources":{"A":{"Type":"Odd"},"B":{"Type":"Other","DependsOn":["A"]}}}`)
	if _, err := a.Without(func(typ string) bool { return typ == "Odd" }, filepath.Join(t.TempDir(), "rest")); err == nil {
		t.Error("a resource that another depends on was left out")
	}
	a = assembly(t, `{"Resources":{"A":{"Type":"Odd"},"B":{"Type":"Other","Properties":{"P":"A ${AA} ${!A}"}}}}`)
	if _, err := a.Without(func(typ string) bool { return typ == "Odd" }, filepath.Join(t.TempDir(), "rest")); err != nil {
		t.Errorf("what is no reference: %v", err)
	}
}

// TestAccountIsOutOfReach: nothing of the user's AWS settings is handed on.
func TestAccountIsOutOfReach(t *testing.T) {
	t.Setenv("AWS_PROFILE", "production")
	t.Setenv("AWS_SESSION_TOKEN", "secret")
	environment := deploy.Environment("http://127.0.0.1:1")
	for _, variable := range environment {
		if strings.Contains(variable, "production") || strings.Contains(variable, "AWS_SESSION_TOKEN") {
			t.Errorf("%s is handed on", variable)
		}
	}
	if !slices.Contains(environment, "AWS_ENDPOINT_URL=http://127.0.0.1:1") || !slices.Contains(environment, "AWS_CONFIG_FILE="+os.DevNull) {
		t.Errorf("environment is %v", environment)
	}
}
