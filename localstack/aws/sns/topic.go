package sns

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/watchroute/watchroute/localstack/aws/recent"
	"github.com/watchroute/watchroute/localstack/aws/uuid"
)

// Sizes of messages in bytes, attributes included.
//
// Source: https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
const (
	MaxMessageBytes   = 256 << 10 // unless a topic allows more or less
	leastMessageBytes = 1 << 10
	mostMessageBytes  = 1 << 20
)

// fifoSuffix ends the names of all FIFO topics, and of no others.
const fifoSuffix = ".fifo"

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// topic is one topic.
type topic struct {
	name, arn  string
	attributes map[string]string // as they were given
	settings   settings

	mu            sync.Mutex
	subscriptions []*subscription
	sequence      uint64 // the last one that was given
	accepted      recent.Memory[deduplication, published]
	usage         TopicUsage
}

// settings are what is set of a topic.
type settings struct {
	fifo         bool
	contentBased bool // ContentBasedDeduplication
	perGroup     bool // FifoThroughputScope: a deduplication id counts within its group
	mostBytes    int
}

// deduplication is the key by which a FIFO topic recognises repeated messages.
type deduplication struct{ group, id string } // group is "" if the id counts in the whole topic

// published is a message that was accepted, as a client gets to know it.
type published struct{ id, sequence string }

// subscription is a queue that gets a topic's messages.
type subscription struct {
	arn, queue string
	raw        bool // RawMessageDelivery
}

type createTopicInput struct {
	Name       string
	Attributes map[string]string
}

type topicOutput struct{ TopicArn string }

// createTopic makes a topic; one that exists with the same attributes is given again.
func (s *Service) createTopic(_ context.Context, in createTopicInput) (any, error) {
	set, err := readSettings(in.Attributes)
	if err != nil {
		return nil, err
	}
	if err := checkName(in.Name, set.fifo); err != nil {
		return nil, err
	}
	arn := "arn:aws:sns:" + s.options.Region + ":" + s.options.Account + ":" + in.Name
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.topics[arn]; t != nil && !maps.Equal(t.attributes, in.Attributes) {
		return nil, invalid("Attributes Reason: Topic already exists with different attributes")
	} else if t == nil {
		s.topics[arn] = &topic{name: in.Name, arn: arn, attributes: in.Attributes, settings: set}
	}
	return topicOutput{arn}, nil
}

// checkName refuses a name that this kind of topic may not have.
func checkName(name string, fifo bool) error {
	const rest = "ust be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long."
	stem, suffixed := strings.CutSuffix(name, fifoSuffix)
	switch {
	case fifo && !(suffixed && topicName.MatchString(stem) && len(name) <= 256):
		return invalid("Fifo Topic names must end with .fifo and m" + rest)
	case !fifo && !topicName.MatchString(name):
		return invalid("Topic names m" + rest)
	}
	return nil
}

// kept are attributes without an effect here.
var kept = []string{"DisplayName", "Policy", "KmsMasterKeyId", "TracingConfig"}

// readSettings reads the attributes of a topic. It refuses those that it does not know.
func readSettings(attributes map[string]string) (settings, error) {
	set := settings{mostBytes: MaxMessageBytes}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		value := attributes[name]
		var err error
		switch {
		case name == "FifoTopic":
			set.fifo, err = boolean(name, value)
		case name == "ContentBasedDeduplication":
			set.contentBased, err = boolean(name, value)
		case name == "FifoThroughputScope" && (value == "Topic" || value == "MessageGroup"):
			set.perGroup = value == "MessageGroup"
		case name == "MaximumMessageSize":
			set.mostBytes, err = strconv.Atoi(value)
			if err != nil || set.mostBytes < leastMessageBytes || set.mostBytes > mostMessageBytes {
				err = invalid("Attributes Reason: MaximumMessageSize: Invalid value [%s]. Must be from %d to %d.", value, leastMessageBytes, mostMessageBytes)
			}
		case slices.Contains(kept, name):
		default:
			err = invalid("Attributes Reason: %s with the value [%s] is not supported here.", name, value)
		}
		if err != nil {
			return set, err
		}
	}
	if (set.contentBased || set.perGroup) && !set.fifo {
		return set, invalid("Attributes Reason: ContentBasedDeduplication and FifoThroughputScope are for FIFO topics only.")
	}
	return set, nil
}

func boolean(name, value string) (bool, error) {
	if value != "true" && value != "false" {
		return false, invalid("Attributes Reason: %s: Invalid value [%s]. Must be true or false.", name, value)
	}
	return value == "true", nil
}

type subscribeInput struct {
	TopicArn              string
	Protocol              string
	Endpoint              string
	Attributes            map[string]string
	ReturnSubscriptionArn string // has no effect: subscriptions of queues need no confirmation
}

type subscriptionOutput struct{ SubscriptionArn string }

// protocols are those of SNS that are not offered here.
var protocols = []string{"http", "https", "email", "email-json", "sms", "application", "lambda", "firehose"}

// subscribe lets a queue get a topic's messages. A subscription that exists with the same attributes
// is given again.
func (s *Service) subscribe(_ context.Context, in subscribeInput) (any, error) {
	t, err := s.find(in.TopicArn)
	if err != nil {
		return nil, err
	}
	made, err := in.subscription(t)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, other := range t.subscriptions {
		if other.queue != made.queue {
			continue
		}
		if other.raw != made.raw {
			return nil, invalid("Attributes Reason: Subscription already exists with different attributes")
		}
		return subscriptionOutput{other.arn}, nil
	}
	made.arn = t.arn + ":" + uuid.New()
	t.subscriptions = append(t.subscriptions, made)
	return subscriptionOutput{made.arn}, nil
}

// subscription reads the input.
func (in subscribeInput) subscription(t *topic) (*subscription, error) {
	switch {
	case slices.Contains(protocols, in.Protocol):
		return nil, invalid("The protocol %s is not supported here, only sqs is.", in.Protocol)
	case in.Protocol != "sqs":
		return nil, invalid("Amazon SNS does not support this protocol string: %s", in.Protocol)
	case !strings.HasPrefix(in.Endpoint, "arn:aws:sqs:"):
		return nil, invalid("SQS endpoint ARN")
	case strings.HasSuffix(in.Endpoint, fifoSuffix) && !t.settings.fifo:
		return nil, invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
	}
	made := &subscription{queue: in.Endpoint}
	for _, name := range slices.Sorted(maps.Keys(in.Attributes)) {
		if name != "RawMessageDelivery" {
			return nil, invalid("Attributes Reason: %s is not supported here.", name)
		}
		var err error
		if made.raw, err = boolean(name, in.Attributes[name]); err != nil {
			return nil, err
		}
	}
	return made, nil
}
