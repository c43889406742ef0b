package template_test

import (
	"os"
	"reflect"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/template"
)

// FuzzDeploy holds that no template makes the package panic, that a deployment
// is the same every time, and that everything is created exactly once.
func FuzzDeploy(f *testing.F) {
	text, err := os.ReadFile(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(conditional))
	for _, value := range []string{
		`{"Fn::Sub": ["${v}${!x}${B.Arn}", {"v": {"Fn::Select": [0, {"Fn::Split": [",", "a,b"]}]}}]}`,
		`{"Fn::If": ["Yes", {"Ref": "AWS::NoValue"}, {"Fn::FindInMap": ["Regions", "eu-west-1", "ami"]}]}`,
		`{"Fn::Join": ["", [{"Fn::Base64": {"Fn::GetAtt": "B.Arn"}}, {"Ref": "Sizes"}]]}`,
	} {
		f.Add([]byte(around(value)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, err := template.Parse(data)
		if err != nil {
			return
		}
		first, firstErr := deployOnce(t, parsed)
		second, secondErr := deployOnce(t, parsed)
		if (firstErr == nil) != (secondErr == nil) || !reflect.DeepEqual(first, second) {
			t.Errorf("two deployments differ: %v (%v), %v (%v)", first, firstErr, second, secondErr)
		}
		if firstErr == nil && len(first.Order) != len(first.Resources) {
			t.Errorf("order %v, but created %v", first.Order, first.Resources)
		}
	})
}

func deployOnce(t *testing.T, parsed *template.Template) (*template.Deployment, error) {
	created := map[string]bool{}
	return parsed.Deploy(nil, pseudo(), func(r template.Resource) (template.Physical, error) {
		if created[r.LogicalID] {
			t.Errorf("%s was created twice", r.LogicalID)
		}
		created[r.LogicalID] = true
		var into mapping
		_ = r.Decode(&into) // an error is as good as none: only a panic is a fault
		return physical(r)
	})
}
