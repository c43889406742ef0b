package stack_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/watchroute/watchroute/infra/stack"
	"github.com/watchroute/watchroute/shared/intake"
)

// goldenSources has what sources of each kind add to the template. Tests of the local stack run it.
const goldenSources = "../testdata/sources.resources.json"

// withSources has a source of each kind that runs locally.
func withSources() stack.Props {
	return stack.Props{Sources: []stack.Source{
		{Name: "Orders", Queue: "arn:aws:sqs:us-east-1:000000000000:orders.fifo", Topics: []string{"orders/**"}},
		{Name: "Trades", Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/trades", Topics: []string{"trades/*"}},
		{Name: "Shop", Rule: &stack.Rule{Bus: "shop", Pattern: map[string]any{"source": []any{"shop"}}}, Mapping: &intake.Mapping{
			Topic: "shop/{detail.customer}", ID: "{detail.id}", Data: "detail", Version: "{detail.version}",
			Remove: json.RawMessage(`{"detail-type":["Order Deleted"]}`),
		}},
		{Name: "Sensors", Kafka: &stack.Kafka{Brokers: []string{"127.0.0.1:9092"}, Topic: "sensors"}, Mapping: &intake.Mapping{Topic: "sensors/{$key}", ID: "latest"}},
	}}
}

// sourcesTemplate is the template with these sources, made once.
func sourcesTemplate(t *testing.T) []byte {
	t.Helper()
	needsNode(t)
	template, err := synthesizeSources()
	if err != nil {
		t.Fatal(err)
	}
	return template
}

var synthesizeSources = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "watchroute-infra")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // only litter if it fails
	return makeTemplate(dir, withSources())
})

func sourceResources(t *testing.T) map[string]resource {
	t.Helper()
	return decode[struct{ Resources map[string]resource }](t, sourcesTemplate(t)).Resources
}

// TestGoldenSources: sources add to the stack and change nothing else. What they add is committed.
func TestGoldenSources(t *testing.T) {
	with, without := decode[map[string]any](t, normalize(t, sourcesTemplate(t))), decode[map[string]any](t, normalize(t, defaultTemplate(t)))
	resources := with["Resources"].(map[string]any)
	for id, resource := range without["Resources"].(map[string]any) {
		if !reflect.DeepEqual(resource, resources[id]) {
			t.Errorf("%s is %v, without sources %v", id, resources[id], resource)
		}
		delete(resources, id)
	}
	if with["Resources"], without["Resources"] = nil, nil; !reflect.DeepEqual(with, without) {
		t.Errorf("beside resources, sources change the template: %v, %v", with, without)
	}
	added, err := json.MarshalIndent(resources, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	holdTo(t, goldenSources, append(added, '\n'))
}

// TestWhatSourcesAdd.
func TestWhatSourcesAdd(t *testing.T) {
	without, with := resources(t), sourceResources(t)
	var added []string
	for id, r := range with {
		if _, there := without[id]; !there {
			added = append(added, r.Type+" "+id)
		}
	}
	slices.Sort(added)
	want := []string{
		"AWS::DynamoDB::Table Positions", "AWS::Events::Rule IntakeFromShopRule", "AWS::IAM::Role IntakeRole", "AWS::Lambda::EventSourceMapping IntakeFromOrdersMapping",
		"AWS::Lambda::EventSourceMapping IntakeFromSensorsMapping", "AWS::Lambda::EventSourceMapping IntakeFromShopMapping", "AWS::Lambda::EventSourceMapping IntakeFromTradesMapping",
		"AWS::Lambda::Function Intake", "AWS::Logs::LogGroup IntakeLogs", "AWS::SQS::Queue IntakeFromShopQueue", "AWS::SQS::QueuePolicy IntakeFromShopQueuePolicy",
	}
	if !slices.Equal(added, want) {
		t.Errorf("added are %q\nwant %q", added, want)
	}
}

// sourceMapping is a mapping of a source.
type sourceMapping struct {
	EventSourceArn            any
	Topics                    []string
	StartingPosition          string
	BatchSize                 int
	FunctionResponseTypes     []string
	MaximumRetryAttempts      *int
	MaximumRecordAgeInSeconds *int
	ParallelizationFactor     int
	DestinationConfig         *struct{ OnFailure struct{ Destination any } }
	SelfManagedEventSource    *struct {
		Endpoints struct{ KafkaBootstrapServers []string }
	}
	SourceAccessConfigurations []struct{ Type, URI string }
	ScalingConfig              *struct{ MaximumConcurrency int }
}

// TestEachSourceHasItsMapping, which gives nothing up.
func TestEachSourceHasItsMapping(t *testing.T) {
	mappings := ofType[sourceMapping](t, sourceResources(t), "AWS::Lambda::EventSourceMapping")
	for id, source := range map[string]string{"Orders": "arn:aws:sqs:us-east-1:000000000000:orders.fifo", "Shop": "IntakeFromShopQueue.Arn"} {
		m := mappings["IntakeFrom"+id+"Mapping"]
		if refer(t, m.EventSourceArn) != source || m.BatchSize != 10 || m.ScalingConfig.MaximumConcurrency != 10 || !slices.Equal(m.FunctionResponseTypes, []string{"ReportBatchItemFailures"}) {
			t.Errorf("%s is mapped by %+v", id, m)
		}
	}
	trades := mappings["IntakeFromTradesMapping"]
	if trades.BatchSize != 100 || trades.StartingPosition != "TRIM_HORIZON" || *trades.MaximumRetryAttempts != -1 || *trades.MaximumRecordAgeInSeconds != -1 || trades.ParallelizationFactor != 1 ||
		refer(t, trades.DestinationConfig.OnFailure.Destination) != "FailureQueue.Arn" || !slices.Equal(trades.FunctionResponseTypes, []string{"ReportBatchItemFailures"}) {
		t.Errorf("Trades is mapped by %+v", trades)
	}
	sensors := mappings["IntakeFromSensorsMapping"]
	if !slices.Equal(sensors.SelfManagedEventSource.Endpoints.KafkaBootstrapServers, []string{"127.0.0.1:9092"}) || !slices.Equal(sensors.Topics, []string{"sensors"}) ||
		sensors.FunctionResponseTypes != nil || sensors.DestinationConfig != nil || sensors.EventSourceArn != nil {
		t.Errorf("Sensors is mapped by %+v", sensors)
	}
}

// TestIntakeMayReadItsSourcesAlone, and write items and their positions.
func TestIntakeMayReadItsSourcesAlone(t *testing.T) {
	props := withSources()
	props.Sources = append(props.Sources,
		stack.Source{Name: "Safe", Queue: "arn:aws:sqs:us-east-1:000000000000:safe", KeyARN: "arn:aws:kms:us-east-1:000000000000:key/k"},
		stack.Source{Name: "Cluster", FromNow: true, Kafka: &stack.Kafka{Cluster: "arn:aws:kafka:us-east-1:000000000000:cluster/c/u-1", Topic: "t"}},
		stack.Source{Name: "Scram", Kafka: &stack.Kafka{Cluster: "arn:aws:kafka:us-east-1:000000000000:cluster/d/u-2", Topic: "t", Access: []stack.KafkaAccess{
			{Type: "SASL_SCRAM_512_AUTH", URI: "arn:aws:secretsmanager:us-east-1:000000000000:secret:AmazonMSK_d"},
		}}},
		stack.Source{Name: "Inside", KeyARN: "arn:aws:kms:us-east-1:000000000000:key/s", Kafka: &stack.Kafka{Brokers: []string{"b:9092", "c:9092", "d:9092", "e:9092", "f:9092", "g:9092"}, Topic: "t", Access: []stack.KafkaAccess{
			{Type: "VPC_SUBNET", URI: "subnet:s"}, {Type: "SASL_SCRAM_512_AUTH", URI: "arn:aws:secretsmanager:us-east-1:000000000000:secret:s"},
		}}})
	props.Region, props.IntakeConcurrency = "us-east-1", 11
	all := resourcesOf(t, props)
	got := grants(t, ofType[roleProperties](t, all, "AWS::IAM::Role")["IntakeRole"])
	var want []string
	for resource, actions := range map[string]string{
		"Events.Arn":       "dynamodb:DeleteItem dynamodb:PutItem",
		"Positions.Arn":    "dynamodb:UpdateItem",
		"FailureQueue.Arn": "sqs:SendMessage",
		"arn:aws:sqs:us-east-1:000000000000:orders.fifo":                   "sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage",
		"IntakeFromShopQueue.Arn":                                          "sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage",
		"arn:aws:kinesis:us-east-1:000000000000:stream/trades":             "kinesis:DescribeStream kinesis:DescribeStreamSummary kinesis:GetRecords kinesis:GetShardIterator kinesis:ListShards",
		"arn:aws:kms:us-east-1:000000000000:key/k":                         "kms:Decrypt",
		"arn:aws:kms:us-east-1:000000000000:key/s":                         "kms:Decrypt",
		"arn:aws:kafka:us-east-1:000000000000:cluster/c/u-1":               "kafka:DescribeCluster kafka:DescribeClusterV2 kafka:GetBootstrapBrokers kafka-cluster:Connect kafka-cluster:DescribeClusterDynamicConfiguration",
		"arn:aws:kafka:us-east-1:000000000000:cluster/d/u-2":               "kafka:DescribeCluster kafka:DescribeClusterV2 kafka:GetBootstrapBrokers",
		"arn:aws:secretsmanager:us-east-1:000000000000:secret:AmazonMSK_d": "secretsmanager:GetSecretValue",
		"arn:aws:kafka:us-east-1:000000000000:topic/c/u-1/t":               "kafka-cluster:DescribeTopic kafka-cluster:ReadData",
		"arn:aws:kafka:us-east-1:000000000000:group/c/u-1/*":               "kafka-cluster:AlterGroup kafka-cluster:DescribeGroup",
		"arn:aws:secretsmanager:us-east-1:000000000000:secret:s":           "secretsmanager:GetSecretValue",
		"IntakeLogs.Arn": "logs:CreateLogStream logs:PutLogEvents",
		"arn:aws:sqs:us-east-1:000000000000:safe": "sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage",
		"*": "ec2:CreateNetworkInterface ec2:DeleteNetworkInterface ec2:DescribeNetworkInterfaces ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs",
	} {
		for _, action := range strings.Fields(actions) {
			want = append(want, action+" "+resource)
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("intake may do\n%q, want\n%q", got, want)
	}
	decrypts := conditions(t, ofType[roleProperties](t, all, "AWS::IAM::Role")["IntakeRole"], "kms:Decrypt")
	slices.Sort(decrypts)
	if !slices.Equal(decrypts, []string{"", "StringEquals kms:ViaService secretsmanager.${AWS::Region}.amazonaws.com"}) {
		t.Errorf("intake decrypts when %q: messages always, secrets through Secrets Manager", decrypts)
	}
	if m := ofType[sourceMapping](t, all, "AWS::Lambda::EventSourceMapping")["IntakeFromClusterMapping"]; refer(t, m.EventSourceArn) != "arn:aws:kafka:us-east-1:000000000000:cluster/c/u-1" || m.StartingPosition != "LATEST" {
		t.Errorf("Cluster is mapped by %+v", m)
	}
	if m := ofType[sourceMapping](t, all, "AWS::Lambda::EventSourceMapping")["IntakeFromSafeMapping"]; m.ScalingConfig.MaximumConcurrency != 11 {
		t.Errorf("Safe is mapped by %+v", m)
	}
	if m := ofType[sourceMapping](t, all, "AWS::Lambda::EventSourceMapping")["IntakeFromInsideMapping"]; len(m.SourceAccessConfigurations) != 2 {
		t.Errorf("Inside is mapped by %+v", m)
	}
}

// TestTheFunctionIsToldOfItsSources as it reads them.
func TestTheFunctionIsToldOfItsSources(t *testing.T) {
	f := ofType[functionProperties](t, sourceResources(t), "AWS::Lambda::Function")["Intake"]
	join, _ := f.Environment.Variables["INTAKE_SOURCES"].(map[string]any)["Fn::Join"].([]any)
	if f.Timeout != 30 || len(join) != 2 {
		t.Fatalf("intake is %+v", f)
	}
	text := ""
	for _, part := range join[1].([]any) {
		text += refer(t, part)
	}
	sources, err := intake.ParseSources(text)
	if err != nil || len(sources) != 4 {
		t.Fatalf("%s is read as %+v, %v", text, sources, err)
	}
	if !sources[2].Bus || sources[2].From != "IntakeFromShopQueue.Arn" || sources[2].Mapping.ID != "{detail.id}" || !sources[3].Is("127.0.0.1:9092", "sensors") || sources[0].Topics[0] != "orders/**" {
		t.Errorf("sources are %+v", sources)
	}
}

// TestEventsOfTheRuleReachItsQueueAlone: the bus may send for this rule, and what fails for hours is
// for people.
func TestEventsOfTheRuleReachItsQueueAlone(t *testing.T) {
	all := sourceResources(t)
	rule := ofType[struct {
		EventBusName string
		EventPattern map[string]any
		Targets      []struct{ Arn any }
	}](t, all, "AWS::Events::Rule")["IntakeFromShopRule"]
	if rule.EventBusName != "shop" || fmt.Sprint(rule.EventPattern) != "map[source:[shop]]" || len(rule.Targets) != 1 || refer(t, rule.Targets[0].Arn) != "IntakeFromShopQueue.Arn" {
		t.Errorf("rule is %+v", rule)
	}
	policy := string(all["IntakeFromShopQueuePolicy"].Properties)
	for _, want := range []string{`"Service": "events.amazonaws.com"`, `"aws:SourceArn"`, `"IntakeFromShopRule"`, `"aws:SecureTransport": "false"`} {
		if !strings.Contains(policy, want) {
			t.Errorf("the queue's policy has no %s: %s", want, policy)
		}
	}
	queue := ofType[struct {
		VisibilityTimeout int
		RedrivePolicy     struct {
			DeadLetterTargetArn any
			MaxReceiveCount     int
		}
	}](t, all, "AWS::SQS::Queue")["IntakeFromShopQueue"]
	if queue.VisibilityTimeout != 180 || queue.RedrivePolicy.MaxReceiveCount != 100 || refer(t, queue.RedrivePolicy.DeadLetterTargetArn) != "FailureQueue.Arn" || all["IntakeFromShopQueue"].DeletionPolicy != "Retain" {
		t.Errorf("queue is %+v, %s", queue, all["IntakeFromShopQueue"].DeletionPolicy)
	}
}

// TestSourcesThatCannotWorkAreRefused before anything is declared.
func TestSourcesThatCannotWorkAreRefused(t *testing.T) {
	queue := func(change func(*stack.Source)) []stack.Source {
		s := stack.Source{Name: "A", Queue: "arn:aws:sqs:us-east-1:000000000000:a"}
		change(&s)
		return []stack.Source{s}
	}
	kafka := func(k stack.Kafka) []stack.Source { return []stack.Source{{Name: "A", Kafka: &k}} }
	for want, sources := range map[string][]stack.Source{
		`the name is not a capital letter and up to 39 letters and digits`:    queue(func(s *stack.Source) { s.Name = "a" }),
		`source "A" is there twice`:                                           append(queue(func(*stack.Source) {}), queue(func(*stack.Source) {})...),
		`it has 0 of Queue, Stream, Rule and Kafka, and must have one`:        queue(func(s *stack.Source) { s.Queue = "" }),
		`it has 2 of Queue, Stream, Rule and Kafka, and must have one`:        queue(func(s *stack.Source) { s.Stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s" }),
		`Queue is "orders", not the ARN of a queue`:                           queue(func(s *stack.Source) { s.Queue = "orders" }),
		`Stream is "s", not the ARN of a stream of Kinesis`:                   queue(func(s *stack.Source) { s.Queue, s.Stream = "", "s" }),
		`it is in eu-west-1, where the functions in us-east-1 do not find it`: queue(func(s *stack.Source) { s.Queue = "arn:aws:sqs:eu-west-1:000000000000:a" }),
		`sources "A" and "B" read the same, and a function can read it once`:  append(queue(func(*stack.Source) {}), queue(func(s *stack.Source) { s.Name = "B" })...),
		`sources "A" and "C" read the same, and a function can`:               append(kafka(stack.Kafka{Brokers: []string{"a:1", "b:1"}, Topic: "t"}), stack.Source{Name: "C", Kafka: &stack.Kafka{Brokers: []string{"b:1", "a:1"}, Topic: "t"}}),
		`source "A": it has no order, so its Mapping needs a Version`:         queue(func(s *stack.Source) { s.Mapping = &intake.Mapping{Topic: "a", ID: "{b}"} }),
		`source "R": it has no order, so its Mapping needs a Version`:         {{Name: "R", Rule: &stack.Rule{Pattern: map[string]any{"source": []any{"s"}}}, Mapping: &intake.Mapping{Topic: "a", ID: "{b}"}}},
		`its rule has no Pattern`:                                             queue(func(s *stack.Source) { s.Queue, s.Rule = "", &stack.Rule{} }),
		`KeyARN is "k", not the ARN of a key`:                                 queue(func(s *stack.Source) { s.KeyARN = "k" }),
		`FromNow is set, which is for a stream or Kafka`:                      queue(func(s *stack.Source) { s.FromNow = true }),
		`topic "@presence/a" is reserved`:                                     queue(func(s *stack.Source) { s.Topics = []string{"@presence/a"} }),
		`mapping: id is missing`:                                              queue(func(s *stack.Source) { s.Mapping = &intake.Mapping{Topic: "a"} }),
		`the variables of intake have 3`:                                      queue(func(s *stack.Source) { s.Mapping = &intake.Mapping{Topic: "a", ID: strings.Repeat("x", 3400)} }),
		`Kafka has a Cluster or Brokers, and must have one of them`:           kafka(stack.Kafka{Topic: "t"}),
		`Cluster is "c", not the ARN of a cluster of MSK`:                     kafka(stack.Kafka{Cluster: "c", Topic: "t"}),
		`broker "b" is not host:port`:                                         kafka(stack.Kafka{Brokers: []string{"b"}, Topic: "t"}),
		`Kafka's topic is "", not 1 to 249 letters, digits and . _ -`:         kafka(stack.Kafka{Brokers: []string{"b:1"}}),
		`Access needs a Type and a URI`:                                       kafka(stack.Kafka{Brokers: []string{"b:1"}, Topic: "t", Access: []stack.KafkaAccess{{Type: "VPC_SUBNET"}}}),
		`KeyARN is set, which is for a queue, a stream, or a secret`:          {{Name: "A", KeyARN: "arn:aws:kms:us-east-1:000000000000:key/k", Kafka: &stack.Kafka{Brokers: []string{"b:1"}, Topic: "t"}}},
	} {
		if _, err := synthesize(t, t.TempDir(), stack.Props{Sources: sources, Region: "us-east-1"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("gives %v, want %s", err, want)
		}
	}
}
