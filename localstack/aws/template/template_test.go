package template_test

import (
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/template"
)

// pseudo are the pseudo parameters of the tests.
func pseudo() map[string]string {
	return map[string]string{
		"AWS::Region": "eu-west-1", "AWS::AccountId": "000000000000", "AWS::Partition": "aws",
		"AWS::URLSuffix": "amazonaws.com", "AWS::StackName": "test",
	}
}

// physical makes a resource that is known by its logical ID, with an ARN.
func physical(r template.Resource) (template.Physical, error) {
	return template.Physical{
		Ref: "ref-" + r.LogicalID,
		Attributes: map[string]string{
			"Arn": "arn:" + r.LogicalID, "StreamArn": "arn:" + r.LogicalID + "/stream", "A.B": "dotted", "RootResourceId": r.LogicalID + "-root",
		},
	}, nil
}

func parse(t *testing.T, text string) *template.Template {
	t.Helper()
	parsed, err := template.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// deploy deploys a template and gives its resources as they were created.
func deploy(t *testing.T, text string, parameters map[string]string) (map[string]template.Resource, *template.Deployment) {
	t.Helper()
	seen := map[string]template.Resource{}
	deployment, err := parse(t, text).Deploy(parameters, pseudo(), func(r template.Resource) (template.Physical, error) {
		seen[r.LogicalID] = r
		return physical(r)
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen, deployment
}

// fault is the error of parsing or deploying a template that has one.
func fault(t *testing.T, text string) string {
	t.Helper()
	parsed, err := template.Parse([]byte(text))
	if err == nil {
		_, err = parsed.Deploy(nil, pseudo(), physical)
	}
	if err == nil {
		t.Fatalf("no error for %s", text)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error has more than one line: %q", err)
	}
	return err.Error()
}

func TestFaultsNameTheirPlace(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"not JSON":          {`{`, "template: "},
		"text after it":     {`{"Resources":{"A":{"Type":"T"}}} {}`, "more follows after the end"},
		"no resources":      {`{}`, "template has 0 resources, not 1 to 500"},
		"too deep":          {`{"Resources":` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + `}`, "nested deeper than 100 levels"},
		"too large":         {strings.Repeat(" ", template.MaxBytes+1), "more than 1048576"},
		"transform":         {`{"Transform":"AWS::Serverless-2016-10-31","Resources":{"A":{"Type":"T"}}}`, "Transform"},
		"bad logical ID":    {`{"Resources":{"a-b":{"Type":"T"}}}`, `Resources: the name "a-b" is not alphanumeric`},
		"no type":           {`{"Resources":{"A":{}}}`, "A: has no Type"},
		"type is a number":  {`{"Resources":{"A":{"Type":1}}}`, "Resources.A: not as expected"},
		"properties a list": {`{"Resources":{"A":{"Type":"T","Properties":[]}}}`, "Resources.A: not as expected"},
		"two meanings":      {`{"Parameters":{"A":{"Type":"String"}},"Resources":{"A":{"Type":"T"}}}`, "A: is both a parameter and a resource"},
		"DependsOn unknown": {`{"Resources":{"A":{"Type":"T","DependsOn":"B"}}}`, `A.DependsOn: no resource "B"`},
		"condition unknown": {`{"Resources":{"A":{"Type":"T","Condition":"C"}}}`, `A.Condition: no condition "C"`},
		"output's condition": {`{"Resources":{"A":{"Type":"T"}},"Outputs":{"O":{"Value":"x","Condition":"C"}}}`,
			`Outputs.O.Condition: no condition "C"`},
		"output a list": {`{"Resources":{"A":{"Type":"T"}},"Outputs":{"O":{"Value":["x"]}}}`, "Outputs.O.Value: is not a string"},
		"output's reference": {`{"Resources":{"A":{"Type":"T"}},"Outputs":{"O":{"Value":{"Ref":"B"}}}}`,
			`Outputs.O.Value.Ref: no parameter or resource "B"`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fault(t, test.text); !strings.Contains(got, test.want) {
				t.Errorf("got %q, want it to contain %q", got, test.want)
			}
		})
	}
}
