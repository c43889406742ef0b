package main

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/deploy"
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

func TestReferencesAreResolved(t *testing.T) {
	d := &deployment{
		toolbox: &toolbox{emulator: &emulator{name: miniStack}},
		Assembly: deploy.Assembly{Template: deploy.Template{
			Parameters: map[string]struct{ Default string }{"AllowAnonymous": {Default: "false"}},
			Resources: map[string]deploy.Resource{
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
