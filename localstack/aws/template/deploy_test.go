package template_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/template"
)

func TestResourcesComeAfterWhatTheyNeed(t *testing.T) {
	_, deployment := deploy(t, `{"Resources": {
		"A": {"Type": "T", "Properties": {"x": [{"Ref": "F"}]}},
		"B": {"Type": "T", "DependsOn": "E"},
		"C": {"Type": "T", "Properties": {"x": {"Fn::Sub": "${D.Arn}"}}},
		"D": {"Type": "T", "DependsOn": ["B", "E"], "Metadata": {"x": {"Ref": "F"}}},
		"E": {"Type": "T", "Properties": {"x": {"Fn::Join": ["", [{"Fn::GetAtt": ["F", "Arn"]}]]}}},
		"F": {"Type": "T"}
	}}`, nil)
	if want := []string{"F", "A", "E", "B", "D", "C"}; !slices.Equal(deployment.Order, want) {
		t.Errorf("order %v, want %v", deployment.Order, want)
	}
}

func TestCyclesAreRefusedBeforeAnythingIsCreated(t *testing.T) {
	for name, test := range map[string]struct{ resources, want string }{
		"itself": {`"A": {"Type": "T", "Properties": {"x": {"Ref": "A"}}}`, "A: depends on itself: A -> A"},
		"three": {`"A": {"Type": "T"},
			"B": {"Type": "T", "DependsOn": ["A", "C"]},
			"C": {"Type": "T", "Properties": {"x": {"Fn::Sub": "${D}"}}},
			"D": {"Type": "T", "Properties": {"x": {"Fn::GetAtt": ["B", "Arn"]}}}`,
			"B: depends on itself: B -> C -> D -> B"},
	} {
		t.Run(name, func(t *testing.T) {
			parsed := parse(t, `{"Resources": {`+test.resources+`}}`)
			_, err := parsed.Deploy(nil, pseudo(), func(r template.Resource) (template.Physical, error) {
				t.Errorf("%s was created", r.LogicalID)
				return physical(r)
			})
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

const conditional = `{
	"Parameters": {"Stage": {"Type": "String", "Default": "dev"}, "Big": {"Type": "String", "Default": "no"}},
	"Conditions": {
		"Prod": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
		"BigProd": {"Fn::And": [{"Condition": "Prod"}, {"Fn::Equals": [{"Ref": "Big"}, "yes"]}]},
		"Either": {"Fn::Or": [{"Condition": "Prod"}, {"Fn::Equals": [{"Ref": "Big"}, "yes"]}]},
		"Dev": {"Fn::Not": [{"Condition": "Prod"}]}
	},
	"Resources": {
		"Always": {"Type": "T", "DependsOn": "OnProd"},
		"OnProd": {"Type": "T", "Condition": "Prod"},
		"OnBigProd": {"Type": "T", "Condition": "BigProd"},
		"OnEither": {"Type": "T", "Condition": "Either"},
		"OnDev": {"Type": "T", "Condition": "Dev"}
	},
	"Outputs": {
		"Plain": {"Value": {"Ref": "Always"}},
		"ProdOnly": {"Condition": "Prod", "Value": {"Ref": "OnProd"}}
	}
}`

func TestConditions(t *testing.T) {
	for _, test := range []struct{ stage, big, created, outputs string }{
		{"dev", "no", "Always OnDev", "Plain"},
		{"dev", "yes", "Always OnDev OnEither", "Plain"},
		{"prod", "no", "Always OnEither OnProd", "Plain ProdOnly"},
		{"prod", "yes", "Always OnBigProd OnEither OnProd", "Plain ProdOnly"},
	} {
		_, deployment := deploy(t, conditional, map[string]string{"Stage": test.stage, "Big": test.big})
		if got := keys(deployment.Resources); got != test.created {
			t.Errorf("%s %s: created %s, want %s", test.stage, test.big, got, test.created)
		}
		if got := keys(deployment.Outputs); got != test.outputs {
			t.Errorf("%s %s: outputs %s, want %s", test.stage, test.big, got, test.outputs)
		}
	}
}

func TestConditionFaults(t *testing.T) {
	for name, test := range map[string]struct{ condition, want string }{
		"cycle":          {`{"Fn::Not": [{"Condition": "C"}]}`, `Conditions.C.Fn::Not[0].Condition: condition "C" depends on itself: C -> C`},
		"unknown":        {`{"Condition": "X"}`, `Conditions.C.Condition: no condition "X"`},
		"not a function": {`"yes"`, "Conditions.C: is not a condition function"},
		"other function": {`{"Fn::Join": ["", []]}`, "Conditions.C.Fn::Join: is not a condition function"},
		"one operand":    {`{"Fn::And": [{"Fn::Equals": ["a", "a"]}]}`, "2 to 10 conditions"},
		"short-circuit":  {`{"Fn::Or": [{"Fn::Equals": ["a", "a"]}, 1]}`, "Conditions.C.Fn::Or[1]: is not a condition function"},
		"resource":       {`{"Fn::Equals": [{"Ref": "A"}, "a"]}`, `Conditions.C.Fn::Equals[0].Ref: resource "A" cannot be referred to here`},
	} {
		t.Run(name, func(t *testing.T) {
			text := `{"Conditions": {"C": ` + test.condition + `}, "Resources": {"A": {"Type": "T", "Condition": "C"}}}`
			if got := fault(t, text); !strings.Contains(got, test.want) {
				t.Errorf("got %q, want it to contain %q", got, test.want)
			}
		})
	}
}

func TestErrorOfCreateEndsTheWalk(t *testing.T) {
	refused := errors.New("refused")
	var created []string
	_, err := parse(t, `{"Resources": {"A": {"Type": "T"}, "B": {"Type": "X::Y"}, "C": {"Type": "T"}}}`).
		Deploy(nil, nil, func(r template.Resource) (template.Physical, error) {
			created = append(created, r.LogicalID)
			if r.LogicalID == "B" {
				return template.Physical{}, refused
			}
			return physical(r)
		})
	if !errors.Is(err, refused) || err.Error() != "create B (X::Y): refused" {
		t.Errorf("got error %v", err)
	}
	if !slices.Equal(created, []string{"A", "B"}) {
		t.Errorf("created %v", created)
	}
}

func TestMetadataIsResolved(t *testing.T) {
	created, _ := deploy(t, `{"Resources": {
		"A": {"Type": "T", "Metadata": {"Source": "functions/a", "At": {"Ref": "AWS::Region"}}}
	}}`, nil)
	want := map[string]any{"Source": "functions/a", "At": "eu-west-1"}
	if got := created["A"].Metadata; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A template is read once and deployed many times.
func TestDeployLeavesTheTemplateAlone(t *testing.T) {
	parsed := parse(t, conditional)
	for range 2 {
		for stage, want := range map[string]int{"dev": 2, "prod": 3} {
			deployment, err := parsed.Deploy(map[string]string{"Stage": stage}, pseudo(), physical)
			if err != nil || len(deployment.Resources) != want {
				t.Errorf("%s: %d resources (%v), want %d", stage, len(deployment.Resources), err, want)
			}
		}
	}
}

// TestOnlySomeResources: what the others have is not looked at, but they can be referred to, and give one
// value for all attributes that they are not known to have.
func TestOnlySomeResources(t *testing.T) {
	parsed := parse(t, `{"Resources":{
		"Odd":{"Type":"AWS::Odd::Thing","Properties":{"X":{"Fn::Unknown":1}}},
		"Queue":{"Type":"AWS::SQS::Queue","Properties":{"A":{"Ref":"Odd"},"B":{"Fn::GetAtt":["Odd","Whatever"]},"C":{"Fn::GetAtt":["Odd","Arn"]}}}},
		"Outputs":{"O":{"Value":{"Fn::Unknown":1}}}}`)
	got := map[string]any{}
	_, err := parsed.Only(func(typ string) bool { return typ == "AWS::SQS::Queue" }).Deploy(nil, pseudo(), func(r template.Resource) (template.Physical, error) {
		got[r.LogicalID] = r.Properties
		p, err := physical(r)
		p.Others = "other-" + r.LogicalID
		return p, err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"Odd": map[string]any{}, "Queue": map[string]any{"A": "ref-Odd", "B": "other-Odd", "C": "arn:Odd"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("created were %v, want %v", got, want)
	}
	if _, err := parsed.Deploy(nil, pseudo(), physical); err == nil {
		t.Error("the template itself has changed")
	}
}

func keys[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), " ")
}
