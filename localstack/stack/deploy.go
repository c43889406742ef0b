package stack

import (
	"context"
	"fmt"

	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/aws/apis"
	"github.com/watchroute/watchroute/localstack/aws/lambda"
	"github.com/watchroute/watchroute/localstack/aws/template"
	"github.com/watchroute/watchroute/shared/function"
)

// stackName is what AWS::StackName gives.
const stackName = "Watchroute"

// pseudoParameters are CloudFormation's own, as they are here.
func pseudoParameters() map[string]string {
	return map[string]string{
		"AWS::AccountId": Account,
		"AWS::Region":    Region,
		"AWS::Partition": "aws",
		"AWS::StackName": stackName,
		"AWS::StackId":   "arn:aws:cloudformation:" + Region + ":" + Account + ":stack/" + stackName + "/local",
		// Endpoints made of the URL suffix are never reached: the functions get theirs
		// from AWS_ENDPOINT_URL.
		"AWS::URLSuffix": "amazonaws.com",
	}
}

// deployment makes a template's resources. What is kept or delivered is made as it comes: tables,
// queues, secrets, topics with their subscriptions, event buses with their rules, and streams of
// Kinesis. The rest is gathered and made at the end: the APIs, each of which is one gateway out of
// many resources; then the functions, whose environment names the gateway; then the mappings, whose
// functions start to work at once.
type deployment struct {
	ctx       context.Context
	stack     *Stack
	apis      *apis.Gathered
	roles     gatheredRoles
	functions []lambda.Function
	mappings  []mappingProperties
	// deliveries are checked at the end, when all policies are known.
	deliveries []delivery
}

// deploy makes everything that the template declares.
func (s *Stack) deploy(ctx context.Context, parsed *template.Template) error {
	d := &deployment{ctx: ctx, stack: s, apis: apis.Gather(apis.Location{Region: Region, Account: Account, Endpoint: s.URL()}), roles: newGatheredRoles()}
	s.sources = map[string]string{}
	deployed, err := parsed.Deploy(s.o.Parameters, pseudoParameters(), d.create)
	if err != nil {
		return fmt.Errorf("deploy %s: %w", s.o.Template, err)
	}
	s.Outputs = deployed.Outputs
	if err := d.finish(); err != nil {
		return fmt.Errorf("deploy %s: %w", s.o.Template, err)
	}
	return nil
}

func (d *deployment) finish() error {
	api, err := d.apis.WebSocket()
	if err != nil {
		return err
	}
	d.stack.stage = api.Stage
	d.stack.gateway = apigateway.New(api, d.stack.functions, d.stack.brokenGateway(d.stack.o.Gateway))
	if d.stack.access, err = d.access(api.ID); err != nil {
		return err
	}
	if err := d.startREST(); err != nil {
		return err
	}
	if err := d.authorizeDeliveries(); err != nil {
		return err
	}
	for _, f := range d.functions {
		endpoint := d.stack.URL() + functionsPath + f.Name
		if d.stack.o.Anonymous {
			f.Environment[function.AllowAnonymous] = "true"
		}
		f.Environment[function.AllowLoopback] = "true" // webhooks of this machine
		f.Environment["AWS_ENDPOINT_URL"] = endpoint
		if _, tells := f.Environment[function.SocketURL]; tells {
			f.Environment[function.SocketURL], f.Environment[function.HTTPURL] = d.stack.WebSocketURL(), d.stack.HTTPURL()
		}
		f.Environment["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] = endpoint + "/" + api.Stage
		if err := d.stack.functions.Create(f); err != nil {
			return err
		}
	}
	d.stack.ready.Store(true)
	for _, m := range d.mappings {
		if err := d.startMapping(m); err != nil {
			return err
		}
	}
	return nil
}

// creators make the resources of each type.
var creators = map[string]func(*deployment, template.Resource) (template.Physical, error){
	"AWS::DynamoDB::Table":            (*deployment).createTable,
	"AWS::SQS::Queue":                 (*deployment).createQueue,
	"AWS::SQS::QueuePolicy":           (*deployment).createQueuePolicy,
	"AWS::SecretsManager::Secret":     (*deployment).createSecret,
	"AWS::SNS::Topic":                 (*deployment).createTopic,
	"AWS::SNS::Subscription":          (*deployment).createSubscription,
	"AWS::SNS::TopicPolicy":           (*deployment).createNothing,
	"AWS::Kinesis::Stream":            (*deployment).createStream,
	"AWS::Events::EventBus":           (*deployment).createEventBus,
	"AWS::Events::Rule":               (*deployment).createRule,
	"AWS::Lambda::Function":           (*deployment).createFunction,
	"AWS::Lambda::EventSourceMapping": (*deployment).createMapping,
	"AWS::ApiGateway::Account":        (*deployment).createNothing,
	"AWS::IAM::Role":                  (*deployment).createRole,
	"AWS::IAM::Policy":                (*deployment).createPolicy,
	"AWS::Logs::LogGroup":             (*deployment).createNothing,
	"AWS::CDK::Metadata":              (*deployment).createNothing,
}

func (d *deployment) create(r template.Resource) (template.Physical, error) {
	create, ok := creators[r.Type]
	if apis.Supports(r.Type) {
		create, ok = func(d *deployment, r template.Resource) (template.Physical, error) { return d.apis.Create(r) }, true
	}
	if !ok {
		return template.Physical{}, fmt.Errorf("%s is of type %s, which does not run locally", r.LogicalID, r.Type)
	}
	physical, err := create(d, r)
	if err != nil {
		return template.Physical{}, fmt.Errorf("%s: %w", r.LogicalID, err)
	}
	return physical, nil
}

// createNothing stands for what has no part in a local run, such as log groups.
// Others may still refer to it.
func (d *deployment) createNothing(r template.Resource) (template.Physical, error) {
	return template.Physical{Ref: r.LogicalID, Attributes: map[string]string{
		"Arn": "arn:aws:local:" + Region + ":" + Account + ":" + r.LogicalID,
	}}, nil
}
