package beside

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/watchroute/watchroute/localstack/aws/apis"
	"github.com/watchroute/watchroute/localstack/aws/template"
)

// deployed is a stack as the other emulator has it.
type deployed struct {
	stack      string // its name
	account    string
	parameters map[string]string
	outputs    map[string]string
	physical   map[string]string // by logical id
	functions  []string          // physical names of the functions
	template   []byte
}

// toolkit is the stack that `cdk bootstrap` makes.
const toolkit = "CDKToolkit"

// find gives the stack of a name, or the only one if the name is "".
func find(ctx context.Context, client *cloudformation.Client, name string) (types.Stack, error) {
	in := &cloudformation.DescribeStacksInput{}
	if name != "" {
		in.StackName = &name
	}
	var stacks []types.Stack
	var names []string
	pages := cloudformation.NewDescribeStacksPaginator(client, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return types.Stack{}, fmt.Errorf("find stack %s: %w", name, err)
		}
		for _, s := range page.Stacks {
			if aws.ToString(s.StackName) != toolkit && s.StackStatus != types.StackStatusDeleteComplete {
				stacks, names = append(stacks, s), append(names, aws.ToString(s.StackName))
			}
		}
	}
	if len(stacks) != 1 {
		return types.Stack{}, fmt.Errorf("find stack %s: there are %d: %v; --stack says which", name, len(stacks), names)
	}
	return stacks[0], nil
}

// look asks CloudFormation for a stack. The template is the one it was deployed from, unless one is given.
func look(ctx context.Context, client *cloudformation.Client, name string, given []byte) (deployed, error) {
	found := deployed{parameters: map[string]string{}, outputs: map[string]string{}, physical: map[string]string{}, template: given}
	described, err := find(ctx, client, name)
	if err != nil {
		return found, err
	}
	stack := aws.ToString(described.StackName)
	id, err := arn.Parse(aws.ToString(described.StackId))
	if err != nil {
		return found, fmt.Errorf("find stack %s: its id: %w", stack, err)
	}
	found.stack, found.account = stack, id.AccountID
	for _, p := range described.Parameters {
		found.parameters[aws.ToString(p.ParameterKey)] = cmp.Or(aws.ToString(p.ResolvedValue), aws.ToString(p.ParameterValue))
	}
	for _, o := range described.Outputs {
		found.outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	if given == nil {
		got, err := client.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &stack, TemplateStage: types.TemplateStageProcessed})
		if err != nil {
			return found, fmt.Errorf("get the template of stack %s: %w", stack, err)
		}
		found.template = []byte(aws.ToString(got.TemplateBody))
	}
	return found, found.list(ctx, client, stack)
}

// list finds the physical names.
func (d *deployed) list(ctx context.Context, client *cloudformation.Client, stack string) error {
	pages := cloudformation.NewListStackResourcesPaginator(client, &cloudformation.ListStackResourcesInput{StackName: &stack})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the resources of stack %s: %w", stack, err)
		}
		for _, r := range page.StackResourceSummaries {
			name := aws.ToString(r.PhysicalResourceId)
			d.physical[aws.ToString(r.LogicalResourceId)] = name
			if aws.ToString(r.ResourceType) == function {
				d.functions = append(d.functions, name)
			}
		}
	}
	return nil
}

// function is the type of resources whose deployed names the APIs invoke.
const function = "AWS::Lambda::Function"

// gather takes the APIs out of the template, with the functions' deployed names.
func (d *deployed) gather(region, endpoint string) (*apis.Gathered, error) {
	parsed, err := template.Parse(d.template)
	if err != nil {
		return nil, fmt.Errorf("read the template of stack %s: %w", d.stack, err)
	}
	gathered := apis.Gather(apis.Location{Region: region, Account: d.account, Endpoint: endpoint, Partly: true})
	var missing []error
	create := func(r template.Resource) (template.Physical, error) {
		if apis.Supports(r.Type) {
			return gathered.Create(r)
		}
		name := d.physical[r.LogicalID]
		if r.Type == function && name == "" {
			missing = append(missing, fmt.Errorf("function %s is in the template but not in stack %s", r.LogicalID, d.stack))
		}
		return template.Physical{Ref: name, Others: d.arn(r.Type, region, name)}, nil
	}
	if _, err := parsed.Only(apis.Supports).Deploy(d.given(parsed), d.pseudo(region), create); err != nil {
		return nil, fmt.Errorf("read the template of stack %s: %w", d.stack, err)
	}
	return gathered, errors.Join(missing...)
}

// given are the parameters that the template has, as the stack has them. A stack may have been deployed
// from another template, with others.
func (d *deployed) given(parsed *template.Template) map[string]string {
	given := map[string]string{}
	for name, value := range d.parameters {
		if parsed.HasParameter(name) {
			given[name] = value
		}
	}
	return given
}

// arn is a function's; for what is not invoked the name does.
func (d *deployed) arn(resourceType, region, name string) string {
	if resourceType != function || strings.HasPrefix(name, "arn:") {
		return cmp.Or(name, "unknown")
	}
	return "arn:aws:lambda:" + region + ":" + d.account + ":function:" + name
}

func (d *deployed) pseudo(region string) map[string]string {
	return map[string]string{
		"AWS::AccountId": d.account, "AWS::Region": region, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
		"AWS::StackName": d.stack, "AWS::StackId": "arn:aws:cloudformation:" + region + ":" + d.account + ":stack/" + d.stack + "/local",
	}
}
