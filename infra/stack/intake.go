package stack

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/watchroute/watchroute/events"
	settings "github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/intake"
)

// Source is where messages come from that become items. It has exactly one of Queue, Stream, Rule and
// Kafka. Package intake says which forms of messages there are, and what redelivery does.
type Source struct {
	// Name tells the source from others: a capital letter, and up to 39 letters and digits. The
	// positions of items are kept by it. Give a source that is made anew, such as a topic of Kafka that
	// was deleted, another name, because its offsets begin again. Required.
	Name string `json:"name"`

	// Queue is the ARN of a queue of SQS. Its visibility timeout must be at least 30 seconds, the
	// function's timeout; six times as long is better. A FIFO queue has an order. In any other, each
	// message needs a version.
	Queue string `json:"queue,omitempty"`

	// Stream is the ARN of a stream of Kinesis. All messages of a topic should have the same partition
	// key, because order is that of a shard.
	Stream string `json:"stream,omitempty"`

	// Rule has events of a bus sent to a queue of the stack's own.
	Rule *Rule `json:"rule,omitempty"`

	// Kafka is a topic of Kafka.
	Kafka *Kafka `json:"kafka,omitempty"`

	// KeyARN is the customer's key of KMS by which the queue, the stream, or the secrets in Kafka's Access
	// are encrypted. MSK takes no secret without one. Default: none.
	// Source: https://docs.aws.amazon.com/msk/latest/developerguide/msk-password.html
	KeyARN string `json:"key,omitempty"`

	// FromNow leaves out what is in a stream or in Kafka when the stack is deployed. Default: from the
	// oldest message that is there.
	FromNow bool `json:"fromNow,omitempty"`

	// Topics are the topics and patterns that the source may publish to, such as orders/**. Default: all
	// but reserved ones.
	Topics []string `json:"topics,omitempty"`

	// Mapping turns JSON of the source's own into items. Default: messages are CloudEvents, or in our
	// own form.
	Mapping *intake.Mapping `json:"mapping,omitempty"`
}

// Rule says which events of a bus become items. Each needs a version, because a bus has no order.
type Rule struct {
	// Bus is the name or the ARN of the event bus. Default: the account's own bus, default.
	Bus string `json:"bus,omitempty"`
	// Pattern is EventBridge's event pattern. Required.
	Pattern map[string]any `json:"pattern"`
}

// Kafka is a topic of Kafka, of MSK or of other brokers. Order is that of a partition, so all messages
// of a topic of ours should have the same key.
type Kafka struct {
	// Cluster is the ARN of a cluster of MSK. Without Access, Lambda signs in by IAM.
	Cluster string `json:"cluster,omitempty"`
	// Brokers are the addresses of brokers elsewhere, host:port.
	Brokers []string `json:"brokers,omitempty"`
	// Topic is the topic of Kafka. Required.
	Topic string `json:"topic"`
	// Access is how Lambda reaches the brokers and signs in. Default: over the internet, without a
	// password.
	// Source: https://docs.aws.amazon.com/lambda/latest/api/API_SourceAccessConfiguration.html
	Access []KafkaAccess `json:"access,omitempty"`
}

// KafkaAccess is one part of the way to brokers.
type KafkaAccess struct {
	Type string `json:"type"` // such as SASL_SCRAM_512_AUTH or VPC_SUBNET
	URI  string `json:"uri"`  // the ARN of a secret, or subnet:… or security_group:…
}

// What names and ARNs AWS takes.
//
// Source: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
var (
	sourceNames = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,39}$`)
	queueARN    = regexp.MustCompile(`^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}(\.fifo)?$`)
	streamARN   = regexp.MustCompile(`^arn:aws[a-z-]*:kinesis:[a-z0-9-]+:[0-9]{12}:stream/[A-Za-z0-9_.-]{1,128}$`)
	clusterARN  = regexp.MustCompile(`^arn:aws[a-z-]*:kafka:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9-]+/[A-Za-z0-9-]+$`)
	brokerNames = regexp.MustCompile(`^[A-Za-z0-9.-]+:[0-9]{1,5}$`)
	kafkaTopics = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)
)

// maxSourcesBytes bounds what the function is told of its sources. Lambda takes 4 KB of variables in
// all, and the other ones take some. An ARN that only the deployment knows counts as 100 bytes.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
const (
	maxSourcesBytes = 3_400
	unknownARNBytes = 100
)

// intakeTimeout is at most the 30 seconds for which a queue hides its messages by default.
const intakeTimeout = 30 * time.Second

// intakeBatch is how many records of a stream or of Kafka intake gets at once.
const intakeBatch = 100

// intakeReceives is how often intake gets a message of its own queue before that goes to the failure
// queue. What can never become an item goes there at once, so what is left is throttling and outages.
const intakeReceives = 100

func (p Props) sourceFaults() []error {
	var faults []error
	names := map[string]bool{}
	for _, s := range p.Sources {
		for _, fault := range append(s.faults(), p.elsewhere(s)...) {
			faults = append(faults, fmt.Errorf("source %q: %w", s.Name, fault))
		}
		if names[s.Name] {
			faults = append(faults, fmt.Errorf("source %q is there twice", s.Name))
		}
		names[s.Name] = true
	}
	for i, s := range p.Sources {
		if j := slices.IndexFunc(p.Sources[:i], s.sameAs); j >= 0 {
			faults = append(faults, fmt.Errorf("sources %q and %q read the same, and a function can read it once: make them one", p.Sources[j].Name, s.Name))
		}
	}
	if text, err := p.sourcesText(func(s Source) string { return s.from(strings.Repeat("x", unknownARNBytes)) }); err != nil {
		faults = append(faults, err)
	} else if len(text) > maxSourcesBytes {
		faults = append(faults, fmt.Errorf("the variables of intake have %d bytes of Sources, at most %d are allowed: make mappings shorter", len(text), maxSourcesBytes))
	}
	return faults
}

// elsewhere refuses what is in another Region than the function, where Lambda does not look.
func (p Props) elsewhere(s Source) []error {
	from := s.from("")
	of := regionOf(from)
	if of == "" || !strings.HasPrefix(from, "arn:") || !regions.MatchString(p.Region) || of == p.Region {
		return nil
	}
	return []error{fmt.Errorf("it is in %s, where the functions in %s do not find it", of, p.Region)}
}

func (s Source) faults() []error {
	var faults []error
	refuse := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !sourceNames.MatchString(s.Name) {
		refuse("the name is not a capital letter and up to 39 letters and digits")
	}
	kinds := 0
	for _, given := range []bool{s.Queue != "", s.Stream != "", s.Rule != nil, s.Kafka != nil} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		refuse("it has %d of Queue, Stream, Rule and Kafka, and must have one", kinds)
	}
	if s.Queue != "" && !unresolved(s.Queue) && !queueARN.MatchString(s.Queue) {
		refuse("Queue is %q, not the ARN of a queue", s.Queue)
	}
	if s.Stream != "" && !unresolved(s.Stream) && !streamARN.MatchString(s.Stream) {
		refuse("Stream is %q, not the ARN of a stream of Kinesis", s.Stream)
	}
	if s.Rule != nil && len(s.Rule.Pattern) == 0 {
		refuse("its rule has no Pattern")
	}
	if s.KeyARN != "" && !unresolved(s.KeyARN) && !keyARN.MatchString(s.KeyARN) {
		refuse("KeyARN is %q, not the ARN of a key", s.KeyARN)
	}
	if s.KeyARN != "" && s.Queue == "" && s.Stream == "" && !s.Kafka.hasSecrets() {
		refuse("KeyARN is set, which is for a queue, a stream, or a secret in Kafka's Access")
	}
	if s.Mapping != nil && s.Mapping.Version == "" && !s.ordered() {
		refuse("it has no order, so its Mapping needs a Version")
	}
	if s.FromNow && s.Stream == "" && s.Kafka == nil {
		refuse("FromNow is set, which is for a stream or Kafka")
	}
	if s.Kafka != nil {
		faults = append(faults, s.Kafka.faults()...)
	}
	if err := s.toldAs("x").Check(); err != nil {
		faults = append(faults, err)
	}
	return faults
}

// ordered tells whether messages have a location in the source. Of a queue whose ARN only the deployment
// knows it may be so.
func (s Source) ordered() bool {
	return s.Rule == nil && (s.Queue == "" || unresolved(s.Queue) || strings.HasSuffix(s.Queue, ".fifo"))
}

func (k Kafka) faults() []error {
	var faults []error
	refuse := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if (k.Cluster != "") == (len(k.Brokers) > 0) {
		refuse("Kafka has a Cluster or Brokers, and must have one of them")
	}
	if k.Cluster != "" && !clusterARN.MatchString(k.Cluster) {
		refuse("Cluster is %q, not the ARN of a cluster of MSK", k.Cluster)
	}
	for _, broker := range k.Brokers {
		if !unresolved(broker) && !brokerNames.MatchString(broker) {
			refuse("broker %q is not host:port", broker)
		}
	}
	if !kafkaTopics.MatchString(k.Topic) {
		refuse("Kafka's topic is %q, not 1 to 249 letters, digits and . _ -", k.Topic)
	}
	for _, access := range k.Access {
		if access.Type == "" || access.URI == "" {
			refuse("Access needs a Type and a URI")
		}
	}
	return faults
}

// from is where the function sees messages come from. queue is that of a rule.
func (s Source) from(queue string) string {
	switch {
	case s.Rule != nil:
		return queue
	case s.Kafka != nil && s.Kafka.Cluster != "":
		return s.Kafka.Cluster
	case s.Kafka != nil:
		return strings.Join(s.Kafka.Brokers, ",")
	case s.Queue != "":
		return s.Queue
	}
	return s.Stream
}

// sameAs tells whether the messages of two sources are the same.
func (s Source) sameAs(other Source) bool {
	told := other.toldAs(other.from(""))
	return s.from("") != "" && told.Is(s.from(""), s.toldAs("").KafkaTopic)
}

// toldAs is what the function is told of a source.
func (s Source) toldAs(from string) intake.Source {
	told := intake.Source{Name: s.Name, From: from, Bus: s.Rule != nil, Mapping: s.Mapping}
	if s.Kafka != nil {
		told.KafkaTopic = s.Kafka.Topic
	}
	for _, topic := range s.Topics {
		told.Topics = append(told.Topics, events.Topic(topic))
	}
	return told
}

func (p Props) sourcesText(from func(Source) string) (string, error) {
	told := []intake.Source{}
	for _, s := range p.Sources {
		told = append(told, s.toldAs(from(s)))
	}
	text, err := events.Marshal(told)
	if err != nil {
		return "", fmt.Errorf("write Sources: %w", err)
	}
	return string(text), nil
}

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

// network tells whether it says where the brokers are, and not how Lambda signs in.
func (a KafkaAccess) network() bool { return strings.HasPrefix(a.Type, "VPC_") }

// hasSecrets tells whether Lambda signs in by a secret.
func (k *Kafka) hasSecrets() bool {
	return k != nil && slices.ContainsFunc(k.Access, func(a KafkaAccess) bool { return !a.network() })
}

// inVPC tells whether Lambda reaches the brokers through network interfaces in a VPC.
func (s Source) inVPC() bool {
	return s.Kafka != nil && (s.Kafka.Cluster != "" || slices.ContainsFunc(s.Kafka.Access, KafkaAccess.network))
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
