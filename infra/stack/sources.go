package stack

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/events"
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
