package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReportFailsWithAnyCheck(t *testing.T) {
	var out strings.Builder
	r := &report{out: &out}
	r.holds("good", nil)
	r.deviates("odd", nil)
	if err := r.verdict(); err != nil {
		t.Errorf("nothing failed: %v", err)
	}
	r.deviates("no longer odd", errors.New("check it as ok"))
	if err := r.verdict(); err == nil || !strings.Contains(err.Error(), "no longer odd") {
		t.Errorf("verdict is %v", err)
	}
	const want = "ok       good\ndiffers  odd\n"
	if !strings.HasPrefix(out.String(), want) || !strings.Contains(out.String(), "FAILED   no longer odd\n         check it as ok\n") {
		t.Errorf("report is\n%s", out.String())
	}
}

// TestAssemblyWithoutAType cuts one type out of the golden template and finds
// all else as it was, under the new hash.
func TestAssemblyWithoutAType(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join(module, "infra", "testdata", "watchroute.template.json"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for file, content := range map[string]string{
		"Watchroute.template.json": string(golden),
		"Watchroute.assets.json":   `{"files":{"` + hash(golden) + `":{}}}`,
		"manifest.json":            `{"url":"s3://` + hash(golden) + `.json"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := readAssembly(dir)
	if err != nil {
		t.Fatal(err)
	}
	rest, err := whole.without(routeResponses, filepath.Join(t.TempDir(), "rest"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range whole.template.ids(routeResponses) {
		delete(whole.template.Resources, id)
	}
	if err := same("the rest", rest.template, whole.template); err != nil {
		t.Error(err)
	}
	content, err := os.ReadFile(rest.templateFile())
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(rest.dir, "manifest.json"))
	if err != nil || !strings.Contains(string(manifest), hash(content)) {
		t.Errorf("the manifest names another template: %s, %v", manifest, err)
	}
	if err := replaceIn(filepath.Join(rest.dir, "manifest.json"), hash(golden), ""); err == nil {
		t.Error("a hash that does not occur was replaced")
	}
}

func TestReferencesAreResolved(t *testing.T) {
	d := &deployment{
		assembly: assembly{template: template{
			Parameters: map[string]struct{ Default string }{"AllowAnonymous": {Default: "false"}},
			Resources: map[string]resource{
				"Fanout": {Type: "AWS::Lambda::Function"}, "Queue": {Type: "AWS::SQS::Queue"}, "Events": {Type: "AWS::DynamoDB::Table"},
			},
		}},
		physical: map[string]string{"Fanout": "F-1", "Queue": "http://127.0.0.1/000000000000/Q-1", "Api": "a1"},
		streams:  map[string]string{"Events": "arn:stream"},
	}
	for declared, want := range map[string]string{
		`{"Ref":"Fanout"}`:                                `"F-1"`,
		`{"Ref":"AllowAnonymous"}`:                        `"false"`,
		`{"Fn::GetAtt":["Fanout","Arn"]}`:                 `"arn:aws:lambda:us-east-1:000000000000:function:F-1"`,
		`[{"Fn::GetAtt":["Queue","Arn"]}]`:                `["arn:aws:sqs:us-east-1:000000000000:Q-1"]`,
		`{"a":{"Fn::GetAtt":["Events","StreamArn"]}}`:     `{"a":"arn:stream"}`,
		`{"Fn::Sub":"https://${Api}.${AWS::URLSuffix}/"}`: `"https://a1.amazonaws.com/"`,
		`{"Fn::Sub":"x/${Fanout.Arn}/y"}`:                 `"x/arn:aws:lambda:us-east-1:000000000000:function:F-1/y"`,
		`7`:                                               `7`,
	} {
		var value any
		if err := json.Unmarshal([]byte(declared), &value); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(d.resolve(value))
		if err != nil || string(got) != want {
			t.Errorf("%s is resolved to %s, want %s", declared, got, want)
		}
	}
}

// TestAccountIsOutOfReach: nothing of the user's AWS settings is handed on.
func TestAccountIsOutOfReach(t *testing.T) {
	t.Setenv("AWS_PROFILE", "production")
	t.Setenv("AWS_SESSION_TOKEN", "secret")
	environment := childEnvironment("http://127.0.0.1:1")
	for _, variable := range environment {
		if strings.Contains(variable, "production") || strings.Contains(variable, "AWS_SESSION_TOKEN") {
			t.Errorf("%s is handed on", variable)
		}
	}
	if !slices.Contains(environment, "AWS_ENDPOINT_URL=http://127.0.0.1:1") || !slices.Contains(environment, "AWS_CONFIG_FILE="+os.DevNull) {
		t.Errorf("environment is %v", environment)
	}
}

// TestProgramsArePinned: the same programs are installed everywhere.
func TestProgramsArePinned(t *testing.T) {
	list, err := os.ReadFile("requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") && !strings.Contains(line, "==") {
			t.Errorf("%s is not pinned", line)
		}
	}
}
