package template_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/template"
)

type mapping struct {
	BatchSize   int
	Bisect      bool `json:"BisectBatchOnFunctionError"`
	Factor      *int `json:"ParallelizationFactor"`
	Rate        float64
	Name        string
	Types       []string
	Raw         json.Number
	Anything    any
	Since       time.Time
	Environment struct{ Variables map[string]string }
	Destination *destination
	Throughputs map[string]*destination
}

type destination struct {
	Limit  uint8
	Active bool
}

func TestDecodeToleratesCloudFormationsScalars(t *testing.T) {
	created, _ := deploy(t, `{"Resources": {"A": {"Type": "T", "Properties": {
		"BatchSize": "100", "BisectBatchOnFunctionError": "true", "ParallelizationFactor": 1, "Rate": "1.5",
		"Name": 7, "Types": ["a", 1, true], "Raw": "12", "Anything": {"n": 1}, "Since": "2026-11-23T10:00:00Z",
		"Environment": {"Variables": {"SIZE": 5, "ON": false, "NAME": {"Ref": "AWS::Region"}}},
		"Destination": {"Limit": "8", "Active": true}, "Throughputs": {"x": {"Limit": "9"}},
		"Other": "ignored"
	}}}}`, nil)
	var got mapping
	if err := created["A"].Decode(&got); err != nil {
		t.Fatal(err)
	}
	one := 1
	want := mapping{
		BatchSize: 100, Bisect: true, Factor: &one, Rate: 1.5, Name: "7", Types: []string{"a", "1", "true"}, Raw: "12",
		Anything: map[string]any{"n": json.Number("1")}, Since: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		Destination: &destination{Limit: 8, Active: true}, Throughputs: map[string]*destination{"x": {Limit: 9}},
	}
	want.Environment.Variables = map[string]string{"SIZE": "5", "ON": "false", "NAME": "eu-west-1"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeFaults(t *testing.T) {
	for name, test := range map[string]struct {
		properties map[string]any
		into       any
		want       string
	}{
		"word for a number": {map[string]any{"BatchSize": "many"}, &mapping{}, "A.Properties.BatchSize: is a string, not a int"},
		"out of range": {map[string]any{"Destination": map[string]any{"Limit": json.Number("300")}}, &mapping{},
			"A.Properties.Destination.Limit: is a number 300, not a uint8"},
		"list for a string": {map[string]any{"Name": []any{"a"}}, &mapping{}, "A.Properties.Name: is a array, not a string"},
		"word for a time":   {map[string]any{"Since": "today"}, &mapping{}, `A (T): parsing time "today" as "2006-01-02T15:04:05Z07:00": cannot parse "today" as "2006"`},
		"not a pointer":     {nil, mapping{}, "A (T): decode into template_test.mapping, which is not a pointer"},
		"nil":               {nil, nil, "A (T): decode into <nil>, which is not a pointer"},
		"unencodable":       {map[string]any{"Rate": math.NaN()}, &mapping{}, "A (T): json: unsupported value: NaN"},
	} {
		t.Run(name, func(t *testing.T) {
			err := template.Resource{LogicalID: "A", Type: "T", Properties: test.properties}.Decode(test.into)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
