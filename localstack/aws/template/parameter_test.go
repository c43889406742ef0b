package template_test

import (
	"reflect"
	"strings"
	"testing"
)

func withParameter(declaration string) string {
	return `{"Parameters": {"P": ` + declaration + `},
		"Resources": {"A": {"Type": "T", "Properties": {"V": {"Ref": "P"}}}}}`
}

func TestParameters(t *testing.T) {
	for name, test := range map[string]struct {
		declaration string
		given       map[string]string
		want        any
	}{
		"default":           {`{"Type": "String", "Default": "d"}`, nil, "d"},
		"given":             {`{"Type": "String", "Default": "d"}`, map[string]string{"P": "g"}, "g"},
		"given empty":       {`{"Type": "String", "Default": "d"}`, map[string]string{"P": ""}, ""},
		"number default":    {`{"Type": "Number", "Default": 1.50}`, nil, "1.50"},
		"number in bounds":  {`{"Type": "Number", "MinValue": 1, "MaxValue": "10"}`, map[string]string{"P": "10"}, "10"},
		"allowed number":    {`{"Type": "Number", "AllowedValues": [1, 2]}`, map[string]string{"P": "2"}, "2"},
		"boolean default":   {`{"Type": "String", "Default": true, "AllowedValues": [true, "false"]}`, nil, "true"},
		"pattern":           {`{"Type": "String", "AllowedPattern": "[a-z]+|x9"}`, map[string]string{"P": "x9"}, "x9"},
		"list":              {`{"Type": "CommaDelimitedList"}`, map[string]string{"P": "a, b"}, []any{"a", "b"}},
		"number list":       {`{"Type": "List<Number>"}`, map[string]string{"P": "1,2"}, []any{"1", "2"}},
		"AWS type":          {`{"Type": "AWS::EC2::VPC::Id"}`, map[string]string{"P": "vpc-1"}, "vpc-1"},
		"AWS list":          {`{"Type": "List<AWS::EC2::Subnet::Id>"}`, map[string]string{"P": "s-1,s-2"}, []any{"s-1", "s-2"}},
		"store, by default": {`{"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/a/b"}`, nil, "/a/b"},
		"store, given":      {`{"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/a/b"}`, map[string]string{"P": "21"}, "21"},
		"store, given a list": {`{"Type": "AWS::SSM::Parameter::Value<List<String>>", "Default": "/a"}`,
			map[string]string{"P": "1,2"}, []any{"1", "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			created, _ := deploy(t, withParameter(test.declaration), test.given)
			if got := created["A"].Properties["V"]; !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
		})
	}
}

func TestParameterFaults(t *testing.T) {
	for name, test := range map[string]struct{ declaration, value, want string }{
		"not allowed":      {`{"Type": "String", "AllowedValues": ["a", "b"]}`, "c", `Parameters.P: "c" is not one of the AllowedValues`},
		"pattern in part":  {`{"Type": "String", "AllowedPattern": "a|b"}`, "ab", `Parameters.P: "ab" does not match a|b`},
		"pattern broken":   {`{"Type": "String", "AllowedPattern": "("}`, "a", "Parameters.P: AllowedPattern: "},
		"too short":        {`{"Type": "String", "MinLength": 2}`, "a", "Parameters.P.length: 1 is less than 2"},
		"too long":         {`{"Type": "String", "MaxLength": "1"}`, "äö", "Parameters.P.length: 2 is more than 1"},
		"not a number":     {`{"Type": "Number"}`, "x", `Parameters.P: "x" is not a number`},
		"too small":        {`{"Type": "Number", "MinValue": 1}`, "0.5", "Parameters.P: 0.5 is less than 1"},
		"too large":        {`{"Type": "Number", "MaxValue": 1}`, "2", "Parameters.P: 2 is more than 1"},
		"element of list":  {`{"Type": "List<Number>"}`, "1,x", `Parameters.P: "x" is not a number`},
		"type unknown":     {`{"Type": "Bool"}`, "x", `Parameters.P: type "Bool" is not supported`},
		"unclosed type":    {`{"Type": "List<Number"}`, "1", `Parameters.P: type "List<Number" is not supported`},
		"without any type": {`{}`, "1", `Parameters.P: type "" is not supported`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, withParameter(test.declaration)).Deploy(map[string]string{"P": test.value}, nil, physical)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to contain %q", err, test.want)
			}
		})
	}
}

func TestParametersMustBeGivenAndKnown(t *testing.T) {
	parsed := parse(t, withParameter(`{"Type": "String"}`))
	if !parsed.HasParameter("P") || parsed.HasParameter("A") {
		t.Error("the parameters are not those that are declared")
	}
	for want, given := range map[string]map[string]string{
		"Parameters.P: has no default and was given no value": nil,
		`Parameters: the template has no parameter "Q"`:       {"P": "a", "Q": "b"},
	} {
		if _, err := parsed.Deploy(given, nil, physical); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if got := fault(t, withParameter(`{"Type": "String", "Default": []}`)); !strings.Contains(got, "Default is not a string") {
		t.Errorf("got %q", got)
	}
}
