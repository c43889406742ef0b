package stack

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	settings "github.com/watchroute/watchroute/shared/function"
)

// intakeTimeout is at most the 30 seconds for which a queue hides its messages by default.
const intakeTimeout = 30 * time.Second

// intakeBatch is how many records of a stream or of Kafka intake gets at once.
const intakeBatch = 100

// intakeReceives is how often intake gets a message of its own queue before that goes to the failure
// queue. What can never become an item goes there at once, so what is left is throttling and outages.
const intakeReceives = 100

// newIntake declares what brings messages in: the table of positions, the function, and for each
// source its mapping. Without sources there is none of it.
func newIntake(stack awscdk.Stack, props Props, t tables, q queues) error {
	if len(props.Sources) == 0 {
		return nil
	}
	positions := table(stack, "Positions", tableProps("topic", "S", "id", "S"), props)
	own := map[string]awssqs.CfnQueue{}
	for _, s := range props.Sources {
		if s.Rule != nil {
			own[s.Name] = newRuleQueue(stack, s, q)
		}
	}
	text, err := props.sourcesText(func(s Source) string {
		if queue := own[s.Name]; queue != nil {
			return *queue.AttrArn()
		}
		return s.from("")
	})
	if err != nil {
		return err
	}
	f := intakeFunction(t, positions, q, text)
	for _, s := range props.Sources {
		f.grants = append(f.grants, s.grants(own[s.Name])...)
	}
	if slices.ContainsFunc(props.Sources, Source.inVPC) { // EC2 takes most of these on * only
		f.grants = append(f.grants, allow(jsii.String("*"), "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
			"ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"))
	}
	target := newFunction(stack, props, f)
	for _, s := range props.Sources {
		newIntakeMapping(stack, s, target, own[s.Name], q, props)
	}
	return nil
}

func intakeFunction(t tables, positions awsdynamodb.CfnTable, q queues, sources string) function {
	return function{
		name: intakeName, description: "Puts what comes from queues, buses and streams", memory: 256, timeout: intakeTimeout,
		environment: map[string]*string{
			settings.EventsTable:     t.events.Ref(),
			settings.PositionsTable:  positions.Ref(),
			settings.FailureQueueURL: q.failures.Ref(),
			settings.IntakeSources:   jsii.String(sources),
		},
		grants: []grant{
			allow(t.events.AttrArn(), "dynamodb:PutItem", "dynamodb:DeleteItem"),
			allow(positions.AttrArn(), "dynamodb:UpdateItem"),
			allow(q.failures.AttrArn(), "sqs:SendMessage"),
		},
	}
}

// id is the logical ID of what is declared for a source.
func (s Source) id(of string) string { return "IntakeFrom" + s.Name + of }

// newRuleQueue declares a rule, and the queue that it sends events to. The queue outlives the stack,
// because it may have events that nobody has read.
func newRuleQueue(stack awscdk.Stack, s Source, q queues) awssqs.CfnQueue {
	rule := &awsevents.CfnRuleProps{
		Description:  jsii.String("Sends events to intake"),
		EventPattern: s.Rule.Pattern,
	}
	if s.Rule.Bus != "" {
		rule.EventBusName = jsii.String(s.Rule.Bus)
	}
	declared := awsevents.NewCfnRule(stack, jsii.String(s.id("Rule")), rule)
	queue := newQueue(stack, s.id("Queue"), awscdk.RemovalPolicy_RETAIN, func(queue *string) map[string]any {
		return map[string]any{
			"Effect": "Allow", "Principal": map[string]any{"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue,
			"Condition": map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": declared.AttrArn()}},
		}
	})
	queue.SetMaximumMessageSize(jsii.Number(maxEventBytes))
	queue.SetVisibilityTimeout(jsii.Number((6 * intakeTimeout).Seconds())) // as Lambda advises
	queue.SetRedrivePolicy(map[string]any{"deadLetterTargetArn": q.failures.AttrArn(), "maxReceiveCount": intakeReceives})
	declared.SetTargets(&[]any{&awsevents.CfnRule_TargetProperty{Id: jsii.String("queue"), Arn: queue.AttrArn()}})
	return queue
}

// maxEventBytes is how large an event of a bus may be: 1 MB.
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
const maxEventBytes = 1 << 20

// grants are what Lambda needs to read a source for the function.
func (s Source) grants(own awssqs.CfnQueue) []grant {
	var grants []grant
	switch {
	case own != nil:
		grants = append(grants, allow(own.AttrArn(), queueActions()...))
	case s.Queue != "":
		grants = append(grants, allow(jsii.String(s.Queue), queueActions()...))
	case s.Stream != "":
		grants = append(grants, allow(jsii.String(s.Stream), "kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"))
	case s.Kafka != nil:
		grants = append(grants, s.Kafka.grants()...)
	}
	if s.KeyARN != "" {
		decrypt := allow(jsii.String(s.KeyARN), "kms:Decrypt")
		if s.Kafka != nil {
			decrypt = decrypt.when(throughSecretsManager())
		}
		grants = append(grants, decrypt)
	}
	return grants
}

func queueActions() []string {
	return []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
}

// grants are those that the pages on MSK and on Kafka elsewhere list.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/msk-permissions.html,
// https://docs.aws.amazon.com/lambda/latest/dg/kafka-permissions.html
func (k Kafka) grants() []grant {
	var grants []grant
	for _, access := range k.Access {
		if !access.network() {
			grants = append(grants, allow(jsii.String(access.URI), "secretsmanager:GetSecretValue"))
		}
	}
	if k.Cluster == "" {
		return grants
	}
	grants = append(grants, allow(jsii.String(k.Cluster), "kafka:DescribeCluster", "kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers"))
	if len(k.Access) > 0 {
		return grants
	}
	within := func(kind, name string) *string {
		return jsii.String(strings.Replace(k.Cluster, ":cluster/", ":"+kind+"/", 1) + "/" + name)
	}
	return append(grants,
		allow(jsii.String(k.Cluster), "kafka-cluster:Connect", "kafka-cluster:DescribeClusterDynamicConfiguration"),
		allow(within("topic", k.Topic), "kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"),
		allow(within("group", "*"), "kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup")) // Lambda makes up its name
}

// newIntakeMapping invokes intake with the messages of a source. What fails is tried again until the
// source drops it: no message is given up before, because an outage is no reason to lose one.
func newIntakeMapping(stack awscdk.Stack, s Source, target awslambda.CfnFunction, own awssqs.CfnQueue, q queues, props Props) {
	mapping := &awslambda.CfnEventSourceMappingProps{FunctionName: target.Ref()}
	switch {
	case own != nil:
		s.mapQueue(mapping, own.AttrArn(), props)
	case s.Queue != "":
		s.mapQueue(mapping, jsii.String(s.Queue), props)
	case s.Stream != "":
		s.mapStream(mapping, q)
	default:
		s.mapKafka(mapping)
	}
	awslambda.NewCfnEventSourceMapping(stack, jsii.String(s.id("Mapping")), mapping)
}

func (s Source) mapQueue(mapping *awslambda.CfnEventSourceMappingProps, arn *string, props Props) {
	mapping.EventSourceArn = arn
	mapping.BatchSize = jsii.Number(10)
	mapping.FunctionResponseTypes = jsii.Strings("ReportBatchItemFailures")
	mapping.ScalingConfig = &awslambda.CfnEventSourceMapping_ScalingConfigProperty{MaximumConcurrency: jsii.Number(float64(props.IntakeConcurrency))}
}

// mapStream leaves ParallelizationFactor at 1: a larger one keeps order by partition key alone, and a
// topic may have several. Of records that the stream drops, Lambda sends a pointer.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
func (s Source) mapStream(mapping *awslambda.CfnEventSourceMappingProps, q queues) {
	mapping.EventSourceArn = jsii.String(s.Stream)
	mapping.BatchSize = jsii.Number(intakeBatch)
	mapping.StartingPosition = s.startingPosition()
	mapping.ParallelizationFactor = jsii.Number(1)
	mapping.BisectBatchOnFunctionError = jsii.Bool(true)
	mapping.FunctionResponseTypes = jsii.Strings("ReportBatchItemFailures")
	mapping.MaximumRetryAttempts = jsii.Number(-1)
	mapping.MaximumRecordAgeInSeconds = jsii.Number(-1)
	mapping.DestinationConfig = &awslambda.CfnEventSourceMapping_DestinationConfigProperty{
		OnFailure: &awslambda.CfnEventSourceMapping_OnFailureProperty{Destination: q.failures.AttrArn()},
	}
}

// mapKafka has no failure destination: with one, Lambda would give up after ten attempts. It reports no
// single failures, because that needs pollers that cost by the hour.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html
func (s Source) mapKafka(mapping *awslambda.CfnEventSourceMappingProps) {
	mapping.Topics = jsii.Strings(s.Kafka.Topic)
	mapping.BatchSize = jsii.Number(intakeBatch)
	mapping.StartingPosition = s.startingPosition()
	if s.Kafka.Cluster != "" {
		mapping.EventSourceArn = jsii.String(s.Kafka.Cluster)
	} else {
		mapping.SelfManagedEventSource = &awslambda.CfnEventSourceMapping_SelfManagedEventSourceProperty{
			Endpoints: &awslambda.CfnEventSourceMapping_EndpointsProperty{KafkaBootstrapServers: jsii.Strings(s.Kafka.Brokers...)},
		}
	}
	var access []any
	for _, a := range s.Kafka.Access {
		access = append(access, &awslambda.CfnEventSourceMapping_SourceAccessConfigurationProperty{Type: jsii.String(a.Type), Uri: jsii.String(a.URI)})
	}
	if access != nil {
		mapping.SourceAccessConfigurations = &access
	}
}

func (s Source) startingPosition() *string {
	if s.FromNow {
		return jsii.String("LATEST")
	}
	return jsii.String("TRIM_HORIZON")
}
