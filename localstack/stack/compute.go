package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/lambda"
	"github.com/watchroute/watchroute/localstack/aws/template"
	"github.com/watchroute/watchroute/localstack/aws/uuid"
	"github.com/watchroute/watchroute/shared/build"
)

// createFunction runs the executable that was built from the folder in the
// resource's metadata, whatever code the template would deploy.
func (d *deployment) createFunction(r template.Resource) (template.Physical, error) {
	var p struct {
		FunctionName string
		Handler      string
		Role         string
		Timeout      int
		MemorySize   int
		// ReservedConcurrentExecutions is nil if nothing is reserved.
		ReservedConcurrentExecutions *int
		Environment                  struct{ Variables map[string]string }

		LoggingConfig struct{ LogFormat, ApplicationLogLevel, SystemLogLevel string }
	}
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	if l := p.LoggingConfig; l.LogFormat != "JSON" && (l.ApplicationLogLevel != "" || l.SystemLogLevel != "") {
		return template.Physical{}, errors.New("levels of logs need the LogFormat JSON")
	}
	source, ok := r.Metadata["Source"].(string)
	if !ok {
		return template.Physical{}, errors.New("metadata has no Source, the folder that the function is built from")
	}
	name := cmp.Or(p.FunctionName, r.LogicalID)
	arn := "arn:aws:lambda:" + Region + ":" + Account + ":function:" + name
	if p.Environment.Variables == nil {
		p.Environment.Variables = map[string]string{}
	}
	d.functions = append(d.functions, lambda.Function{
		Name: name, ARN: arn, Binary: d.stack.executable(source), Handler: p.Handler, Environment: p.Environment.Variables,
		Timeout: time.Duration(cmp.Or(p.Timeout, 3)) * time.Second, MemoryMB: cmp.Or(p.MemorySize, 128),
		LogFormat: p.LoggingConfig.LogFormat, LogLevel: p.LoggingConfig.ApplicationLogLevel,
		Reserved: p.ReservedConcurrentExecutions,
	})
	d.stack.sources[name] = source
	d.roles.ofFunction[name] = p.Role
	return template.Physical{Ref: name, Attributes: map[string]string{"Arn": arn}}, nil
}

// executable is where the function of a source folder is built to.
func (s *Stack) executable(source string) string {
	return filepath.Join(s.o.BuildDir, filepath.Base(source), build.Executable)
}

// mappingProperties are those of AWS::Lambda::EventSourceMapping.
type mappingProperties struct {
	EventSourceArn                 string
	FunctionName                   string
	BatchSize                      int
	MaximumBatchingWindowInSeconds int
	FunctionResponseTypes          []string
	FilterCriteria                 struct{ Filters []struct{ Pattern string } }
	streamProperties
	// For queues.
	ScalingConfig           struct{ MaximumConcurrency int }
	ProvisionedPollerConfig map[string]any
	kafkaProperties
	logicalID string
}

// streamProperties are those that a mapping from a stream alone may have.
type streamProperties struct {
	ParallelizationFactor      int
	BisectBatchOnFunctionError bool
	MaximumRetryAttempts       *int
	MaximumRecordAgeInSeconds  *int
	StartingPosition           string
	DestinationConfig          struct{ OnFailure struct{ Destination string } }
}

// kafkaProperties are those that a mapping from Kafka alone may have.
type kafkaProperties struct {
	Topics                 []string
	SelfManagedEventSource *struct {
		Endpoints struct{ KafkaBootstrapServers []string }
	}
	SourceAccessConfigurations []any
}

// ofKafka tells whether the source is a topic of Kafka.
func (p mappingProperties) ofKafka() bool {
	return len(p.Topics) > 0 || p.SelfManagedEventSource != nil
}

// window is how long a batch is waited for.
func (p mappingProperties) window() time.Duration {
	return time.Duration(p.MaximumBatchingWindowInSeconds) * time.Second
}

// reports tells whether the function reports what failed of a batch.
func (p mappingProperties) reports() bool {
	return slices.Contains(p.FunctionResponseTypes, "ReportBatchItemFailures")
}

// ofQueue tells whether the source is a queue; otherwise it is a stream.
func (p mappingProperties) ofQueue() bool { return strings.HasPrefix(p.EventSourceArn, "arn:aws:sqs:") }

// ofKinesis tells whether the source is a stream of Kinesis.
func (p mappingProperties) ofKinesis() bool {
	return strings.HasPrefix(p.EventSourceArn, "arn:aws:kinesis:")
}

// function is the function's name.
func (p mappingProperties) function() string {
	return p.FunctionName[strings.LastIndexByte(p.FunctionName, ':')+1:]
}

func (d *deployment) createMapping(r template.Resource) (template.Physical, error) {
	p := mappingProperties{logicalID: r.LogicalID}
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	d.mappings = append(d.mappings, p)
	return template.Physical{Ref: r.LogicalID}, nil
}

// startMapping begins to read the stream or the queue, if the function's role may.
func (d *deployment) startMapping(p mappingProperties) error {
	start := d.startStreamMapping
	switch {
	case p.ofQueue():
		start = d.startQueueMapping
	case p.ofKafka():
		start = d.startKafkaMapping
	}
	err := d.authorizeMapping(p)
	if err == nil {
		err = start(p)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.logicalID, err)
	}
	return nil
}

// startStreamMapping refuses what Lambda refuses for streams.
func (d *deployment) startStreamMapping(p mappingProperties) error {
	if p.ScalingConfig.MaximumConcurrency != 0 {
		return errors.New("the mapping of a stream has a ScalingConfig, which those of queues have only")
	}
	m := lambda.Mapping{
		UUID: p.logicalID, StreamARN: p.EventSourceArn, Function: p.FunctionName,
		BatchSize: p.BatchSize, Window: p.window(), ReportBatchItemFailures: p.reports(),
		ParallelizationFactor: p.ParallelizationFactor, Bisect: p.BisectBatchOnFunctionError,
		MaxRetries: -1, MaxRecordAge: -1, StartingPosition: p.StartingPosition,
	}
	if p.MaximumRetryAttempts != nil {
		m.MaxRetries = *p.MaximumRetryAttempts
	}
	if p.MaximumRecordAgeInSeconds != nil && *p.MaximumRecordAgeInSeconds > 0 {
		m.MaxRecordAge = time.Duration(*p.MaximumRecordAgeInSeconds) * time.Second
	}
	for _, filter := range p.FilterCriteria.Filters {
		m.Filters = append(m.Filters, filter.Pattern)
	}
	if destination := p.DestinationConfig.OnFailure.Destination; destination != "" {
		m.OnFailure = func(ctx context.Context, body []byte) error {
			return d.stack.queues.Send(ctx, destination, string(body))
		}
	}
	if p.ofKinesis() {
		return d.stack.functions.Map(m, d.stack.kinesis.Reader(d.roles.ofFunction[p.function()]))
	}
	return d.stack.functions.Map(m, d.stack.streams)
}

// startKafkaMapping maps a topic of brokers that take everybody in. Like a new mapping of Lambda, each
// start of the stack is another group of consumers, because its tables are empty, too. It refuses what does not run
// locally, and what Lambda refuses for Kafka.
func (d *deployment) startKafkaMapping(p mappingProperties) error {
	switch {
	case p.SelfManagedEventSource == nil:
		return errors.New("MSK does not run locally: the mapping needs a SelfManagedEventSource")
	case len(p.Topics) != 1:
		return fmt.Errorf("there are %d topics in Topics, a mapping of Kafka has one", len(p.Topics))
	case p.SourceAccessConfigurations != nil || p.ProvisionedPollerConfig != nil || len(p.FilterCriteria.Filters) > 0:
		return errors.New("the SourceAccessConfigurations, ProvisionedPollerConfig and FilterCriteria of Kafka do not run locally")
	case p.reports() || p.streamProperties != (streamProperties{StartingPosition: p.StartingPosition}):
		return errors.New("the mapping of Kafka handles errors in a way that needs the provisioned mode, which does not run locally")
	}
	return d.stack.functions.MapKafka(lambda.KafkaMapping{
		UUID: uuid.New(), Brokers: p.SelfManagedEventSource.Endpoints.KafkaBootstrapServers, Topic: p.Topics[0], Function: p.FunctionName,
		BatchSize: p.BatchSize, StartingPosition: p.StartingPosition,
	})
}

// startQueueMapping refuses what Lambda refuses for queues. It also refuses filters and provisioned
// pollers, which do not run locally.
func (d *deployment) startQueueMapping(p mappingProperties) error {
	if p.streamProperties != (streamProperties{}) {
		return errors.New("the mapping of a queue has properties that those of streams have only")
	}
	if len(p.FilterCriteria.Filters) > 0 {
		return errors.New("FilterCriteria of a queue do not run locally")
	}
	if p.ProvisionedPollerConfig != nil {
		return errors.New("ProvisionedPollerConfig does not run locally")
	}
	return d.stack.functions.MapQueue(lambda.QueueMapping{
		UUID: p.logicalID, QueueARN: p.EventSourceArn, Function: p.FunctionName,
		BatchSize: p.BatchSize, Window: p.window(), ReportBatchItemFailures: p.reports(),
		Concurrency: p.ScalingConfig.MaximumConcurrency,
	}, d.stack.queues)
}
