// Package sns is the only place that knows SNS: standard and FIFO topics and their subscriptions of
// SQS queues, over the AWS Query protocol, kept in memory.
//
// Offered: CreateTopic, Subscribe, Publish and PublishBatch. Messages arrive at once and in the
// order in which they are published, which standard topics do not promise. A message that a queue
// refuses is logged and dropped, as on AWS without a dead-letter queue. Filter policies, dead-letter
// queues and other protocols than sqs are refused.
//
// Source: https://docs.aws.amazon.com/sns/latest/api/
package sns

import (
	"cmp"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/awsquery"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

// Queues take messages; *sqs.Service is one.
type Queues interface {
	Deliver(queueARN string, m sqs.Message) error
}

// Options configure a service.
type Options struct {
	Account string // default "000000000000"
	Region  string // default "us-east-1"
	Queues  Queues
	Now     func() time.Time // default time.Now
	Logger  *slog.Logger     // default slog.Default()
}

// Service holds the topics of one account and Region. Safe for concurrent use.
type Service struct {
	options Options

	mu       sync.Mutex
	topics   map[string]*topic // by ARN
	requests int               // of Publish and PublishBatch
}

// New makes a service without topics.
func New(o Options) *Service {
	o.Account = cmp.Or(o.Account, "000000000000")
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.Logger = cmp.Or(o.Logger, slog.Default())
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{options: o, topics: map[string]*topic{}}
}

// Service gives the operations with their input as JSON; [Handler] gives them as they are spoken
// over HTTP.
func (s *Service) Service() *awsjson.Service {
	return &awsjson.Service{
		Target: "sns",
		Operations: map[string]awsjson.Operation{
			"CreateTopic":  awsjson.Typed(s.createTopic),
			"Subscribe":    awsjson.Typed(s.subscribe),
			"Publish":      awsjson.Typed(s.publish),
			"PublishBatch": awsjson.Typed(s.publishBatch),
		},
	}
}

// Handler gives operations of SNS as they are spoken over HTTP.
func Handler(operations *awsjson.Service) http.Handler {
	return &awsquery.Service{Operations: operations, Namespace: "http://sns.amazonaws.com/doc/2010-03-31/", Version: "2010-03-31"}
}

// find gives a topic by its ARN.
func (s *Service) find(arn string) (*topic, error) {
	if n := strings.Count(arn, ":") + 1; n < 6 {
		return nil, invalid("TopicArn Reason: An ARN must have at least 6 elements, not %d", n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.topics[arn]
	if t == nil {
		return nil, &awsjson.Error{Status: http.StatusNotFound, Type: "NotFound", Message: "Topic does not exist"}
	}
	return t, nil
}

// invalid makes the error of a parameter that SNS refuses.
func invalid(format string, args ...any) error {
	return awsjson.Errorf("InvalidParameter", "Invalid parameter: "+format, args...)
}
