package template_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// around puts a value into a property of the resource A, beside things that it
// may refer to.
func around(value string) string {
	return `{
		"Parameters": {
			"Name": {"Type": "String", "Default": "stocks"},
			"Sizes": {"Type": "CommaDelimitedList", "Default": "1, 2,3"}
		},
		"Mappings": {"Regions": {"eu-west-1": {"ami": "ami-1", "zones": ["a", "b"]}}},
		"Conditions": {
			"Yes": {"Fn::Equals": [{"Ref": "Name"}, "stocks"]},
			"No": {"Fn::Not": [{"Condition": "Yes"}]}
		},
		"Resources": {
			"A": {"Type": "T", "Properties": {"V": ` + value + `}},
			"B": {"Type": "T"},
			"Never": {"Type": "T", "Condition": "No"}
		}
	}`
}

func TestFunctions(t *testing.T) {
	for name, test := range map[string]struct{ value, want string }{
		"literal":             {`{"n": 1.50, "b": true, "z": null, "l": [1, "x"]}`, `{"n": 1.50, "b": true, "z": null, "l": [1, "x"]}`},
		"Ref resource":        {`{"Ref": "B"}`, `"ref-B"`},
		"Ref parameter":       {`{"Ref": "Name"}`, `"stocks"`},
		"Ref list parameter":  {`{"Ref": "Sizes"}`, `["1", "2", "3"]`},
		"Ref pseudo":          {`{"Ref": "AWS::Region"}`, `"eu-west-1"`},
		"NoValue in object":   {`{"a": 1, "b": {"Ref": "AWS::NoValue"}}`, `{"a": 1}`},
		"NoValue in list":     {`[1, {"Ref": "AWS::NoValue"}, 2]`, `[1, 2]`},
		"GetAtt list":         {`{"Fn::GetAtt": ["B", "Arn"]}`, `"arn:B"`},
		"GetAtt string":       {`{"Fn::GetAtt": "B.Arn"}`, `"arn:B"`},
		"GetAtt dotted":       {`{"Fn::GetAtt": "B.A.B"}`, `"dotted"`},
		"Join":                {`{"Fn::Join": [":", ["a", {"Ref": "Name"}, 1, true]]}`, `"a:stocks:1:true"`},
		"Join of a list":      {`{"Fn::Join": ["+", {"Ref": "Sizes"}]}`, `"1+2+3"`},
		"Join of nothing":     {`{"Fn::Join": [":", []]}`, `""`},
		"Sub":                 {`{"Fn::Sub": "x-${Name}-${B}-${B.Arn}-${AWS::Region}"}`, `"x-stocks-ref-B-arn:B-eu-west-1"`},
		"Sub literal":         {`{"Fn::Sub": "${!Name} costs $5 {}"}`, `"${Name} costs $5 {}"`},
		"Sub variables":       {`{"Fn::Sub": ["${v}/${Name}", {"v": {"Fn::GetAtt": ["B", "Arn"]}}]}`, `"arn:B/stocks"`},
		"Sub own name first":  {`{"Fn::Sub": ["${Name}", {"Name": "mine"}]}`, `"mine"`},
		"Select":              {`{"Fn::Select": [1, ["a", "b"]]}`, `"b"`},
		"Select by string":    {`{"Fn::Select": ["0", {"Ref": "Sizes"}]}`, `"1"`},
		"Split":               {`{"Fn::Split": ["|", "a|b||c"]}`, `["a", "b", "", "c"]`},
		"Select of Split":     {`{"Fn::Select": [1, {"Fn::Split": [":", {"Fn::GetAtt": ["B", "Arn"]}]}]}`, `"B"`},
		"FindInMap":           {`{"Fn::FindInMap": ["Regions", {"Ref": "AWS::Region"}, "ami"]}`, `"ami-1"`},
		"FindInMap of a list": {`{"Fn::FindInMap": ["Regions", "eu-west-1", "zones"]}`, `["a", "b"]`},
		"Base64":              {`{"Fn::Base64": {"Ref": "Name"}}`, `"c3RvY2tz"`},
		"If true":             {`{"Fn::If": ["Yes", {"Ref": "Name"}, {"Ref": "Never"}]}`, `"stocks"`},
		"If false":            {`{"Fn::If": ["No", {"Ref": "Never"}, 2]}`, `2`},
		"If no value":         {`{"a": {"Fn::If": ["No", 1, {"Ref": "AWS::NoValue"}]}}`, `{}`},
		"policy Condition":    {`{"Condition": {"Bool": {"aws:SecureTransport": "false"}}}`, `{"Condition": {"Bool": {"aws:SecureTransport": "false"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			created, _ := deploy(t, around(test.value), nil)
			if got, want := created["A"].Properties["V"], decodeAny(t, test.want); !reflect.DeepEqual(got, want) {
				t.Errorf("got %#v, want %#v", got, want)
			}
		})
	}
}

func TestFunctionFaults(t *testing.T) {
	for name, test := range map[string]struct{ value, want string }{
		"unknown function":     {`{"x": [{"Fn::GetAZs": ""}]}`, "A.Properties.V.x[0].Fn::GetAZs: the function is not supported"},
		"beside other keys":    {`{"Fn::Sub": "x", "y": 1}`, "A.Properties.V: Fn::Sub stands beside other keys"},
		"condition outside":    {`{"Fn::Equals": ["a", "a"]}`, "A.Properties.V.Fn::Equals: stands outside of Conditions"},
		"Ref unknown":          {`{"Ref": "C"}`, `A.Properties.V.Ref: no parameter or resource "C"`},
		"Ref pseudo unknown":   {`{"Ref": "AWS::Nothing"}`, `pseudo parameter "AWS::Nothing" has no value here`},
		"Ref not created":      {`{"Ref": "Never"}`, `resource "Never" is not created: its condition "No" is false`},
		"Ref not a name":       {`{"Ref": ["B"]}`, `A.Properties.V.Ref: `},
		"GetAtt unknown":       {`{"Fn::GetAtt": ["C", "Arn"]}`, `A.Properties.V.Fn::GetAtt: no resource "C"`},
		"GetAtt of parameter":  {`{"Fn::GetAtt": ["Name", "Arn"]}`, `no resource "Name"`},
		"GetAtt no attribute":  {`{"Fn::GetAtt": ["B", "Url"]}`, `A.Properties.V.Fn::GetAtt: B (T) has no attribute "Url"`},
		"GetAtt half":          {`{"Fn::GetAtt": "B"}`, `"B" names no attribute`},
		"GetAtt one argument":  {`{"Fn::GetAtt": ["B"]}`, "does not have a list of 2 arguments"},
		"Sub unknown":          {`{"Fn::Sub": "${C}"}`, `A.Properties.V.Fn::Sub: no parameter or resource "C"`},
		"Sub unknown GetAtt":   {`{"Fn::Sub": "${C.Arn}"}`, `A.Properties.V.Fn::Sub: no resource "C"`},
		"Sub open":             {`{"Fn::Sub": "a${Name"}`, "${ without }"},
		"Sub empty":            {`{"Fn::Sub": "${}"}`, "${} names nothing"},
		"Sub of a list":        {`{"Fn::Sub": "${Sizes}"}`, "${Sizes} is not a string"},
		"Sub not a text":       {`{"Fn::Sub": [1, {}]}`, "is neither a text nor"},
		"Join no list":         {`{"Fn::Join": [",", "a"]}`, "A.Properties.V.Fn::Join[1]: is not a list"},
		"Join of objects":      {`{"Fn::Join": [",", [{"a": 1}]]}`, "A.Properties.V.Fn::Join[1][0]: is not a string"},
		"Join delimiter":       {`{"Fn::Join": [1, ["a"]]}`, "the delimiter is not a string"},
		"Select out of range":  {`{"Fn::Select": [3, {"Ref": "Sizes"}]}`, `no element "3" in a list of 3`},
		"Select below":         {`{"Fn::Select": [-1, {"Ref": "Sizes"}]}`, `no element "-1"`},
		"Split by nothing":     {`{"Fn::Split": ["", "a"]}`, "at least one character"},
		"FindInMap missing":    {`{"Fn::FindInMap": ["Regions", "eu-west-2", "ami"]}`, "Mappings have no Regions.eu-west-2.ami"},
		"Base64 of a list":     {`{"Fn::Base64": []}`, "A.Properties.V.Fn::Base64: is not a string"},
		"If unknown condition": {`{"Fn::If": ["Maybe", 1, 2]}`, `A.Properties.V.Fn::If[0]: no condition "Maybe"`},
		"If without name":      {`{"Fn::If": [true, 1, 2]}`, "is not the name of a condition"},
		"odd key":              {`{"a\nb": {"Ref": "C"}}`, `A.Properties.V."a\nb".Ref`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fault(t, around(test.value)); !strings.Contains(got, test.want) {
				t.Errorf("got %q, want it to contain %q", got, test.want)
			}
		})
	}
}

// A kilobyte of nested Fn::Sub could yield 10^20 bytes.
func TestFunctionsYieldIsBounded(t *testing.T) {
	value := `"xxxxxxxxxx"`
	for range 19 {
		value = `{"Fn::Sub": ["` + strings.Repeat("${v}", 10) + `", {"v": ` + value + `}]}`
	}
	if got := fault(t, around(value)); !strings.Contains(got, "yield more than 16777216 bytes") {
		t.Errorf("got %q", got)
	}
}

func decodeAny(t *testing.T, text string) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
