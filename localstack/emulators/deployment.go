package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/watchroute/watchroute/localstack/deploy"
)

// deployment is a deployed assembly, whose template says what must be there.
type deployment struct {
	*toolbox
	deploy.Assembly
	whole    deploy.Assembly   // with what the emulator lacks
	socket   string            // URL of the WebSocket API's stage, with http
	rest     string            // URL of the REST API's stage
	physical map[string]string // by logical ID
	streams  map[string]string // ARN of a table's stream, by logical ID
}

// inspect asks the emulator for what it made of an assembly.
func (t *toolbox) inspect(ctx context.Context, whole, a deploy.Assembly) (*deployment, error) {
	d := &deployment{toolbox: t, Assembly: a, whole: whole, physical: map[string]string{}, streams: map[string]string{}}
	var described struct {
		StackResources []struct{ LogicalResourceId, PhysicalResourceId string }
	}
	if err := t.runAWS(ctx, &described, "cloudformation", "describe-stack-resources", "--stack-name", deploy.StackName); err != nil {
		return nil, err
	}
	for _, r := range described.StackResources {
		d.physical[r.LogicalResourceId] = r.PhysicalResourceId
		if d.name == localStack && strings.HasPrefix(a.Template.Resources[r.LogicalResourceId].Type, "AWS::ApiGatewayV2::") {
			d.physical[r.LogicalResourceId] = unknown // see socketsAreUnknown
		}
	}
	for id := range a.Template.Resources {
		if d.physical[id] == "" {
			return nil, fmt.Errorf("%s was not made", id)
		}
	}
	if err := d.findStreams(ctx); err != nil {
		return nil, err
	}
	var err error
	d.socket, d.rest, err = d.serve(ctx, d)
	return d, err
}

func (d *deployment) findStreams(ctx context.Context) error {
	for _, id := range d.Template.IDs("AWS::DynamoDB::Table") {
		described, err := d.dynamodb.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(d.physical[id])})
		if err != nil {
			return err
		}
		d.streams[id] = aws.ToString(described.Table.LatestStreamArn)
	}
	return nil
}

// want decodes a resource's properties, with the physical names in place of
// references, into a struct like that of the API's answer.
func (d *deployment) want(id string, into any) error {
	data, err := json.Marshal(d.resolve(d.Template.Resources[id].Properties))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("properties of %s: %w", id, err)
	}
	return nil
}

// resolve replaces Ref, Fn::GetAtt and Fn::Sub, wherever they are.
func (d *deployment) resolve(value any) any {
	switch value := value.(type) {
	case []any:
		resolved := make([]any, len(value))
		for i := range value {
			resolved[i] = d.resolve(value[i])
		}
		return resolved
	case map[string]any:
		if text, ok := d.reference(value); ok {
			return text
		}
		resolved := map[string]any{}
		for name := range value {
			resolved[name] = d.resolve(value[name])
		}
		return resolved
	}
	return value
}

// reference resolves value if it is a reference.
func (d *deployment) reference(value map[string]any) (string, bool) {
	if id, ok := value["Ref"].(string); ok {
		return d.refer(id), true
	}
	if text, ok := value["Fn::Sub"].(string); ok {
		return d.substitute(text), true
	}
	if get, ok := value["Fn::GetAtt"].([]any); ok && len(get) == 2 {
		return d.attribute(fmt.Sprint(get[0]), fmt.Sprint(get[1])), true
	}
	return "", false
}

// refer gives a resource's physical name, or a parameter's default: the suite sets none.
func (d *deployment) refer(id string) string {
	if parameter, ok := d.Template.Parameters[id]; ok {
		return parameter.Default
	}
	return d.physical[id]
}

func (d *deployment) substitute(text string) string {
	pairs := []string{
		"${AWS::Partition}", "aws", "${AWS::Region}", region,
		"${AWS::AccountId}", account, "${AWS::URLSuffix}", d.urlSuffix(),
	}
	for id, name := range d.physical {
		pairs = append(pairs, "${"+id+"}", name, "${"+id+".Arn}", d.attribute(id, "Arn"))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// attribute gives the attributes that the template asks for, as AWS forms them.
func (d *deployment) attribute(id, name string) string {
	service := map[string]string{
		"AWS::Lambda::Function": "lambda:" + region + ":" + account + ":function:",
		"AWS::SQS::Queue":       "sqs:" + region + ":" + account + ":",
		"AWS::IAM::Role":        "iam::" + account + ":role/",
		"AWS::DynamoDB::Table":  "dynamodb:" + region + ":" + account + ":table/",
		"AWS::Events::Rule":     "events:" + region + ":" + account + ":rule/",
	}[d.Template.Resources[id].Type]
	switch {
	case name == "StreamArn":
		return d.streams[id]
	case name == "Arn" && service != "":
		return "arn:aws:" + service + path.Base(d.physical[id])
	}
	return id + "." + name
}

// same compares what is there with what the template asks for.
func same(what string, got, want any) error {
	g, errGot := json.Marshal(got)
	w, errWant := json.Marshal(want)
	if errGot != nil || errWant != nil || string(g) != string(w) {
		return fmt.Errorf("%s is\n%s, want\n%s", what, g, w)
	}
	return nil
}
