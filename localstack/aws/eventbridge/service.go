// Package eventbridge is the only place that knows EventBridge: event buses, rules with patterns and
// schedules, and their targets, over the AWS JSON protocol, kept in memory.
//
//	PutEvents ─► bus ─► rules whose pattern matches ──► targets: SQS queues, Lambda functions
//	clock ────────────► rules with a schedule ────────┘
//
// Offered: PutEvents, CreateEventBus, PutRule and PutTargets. Nothing can be changed or deleted but
// rules and targets, which can be put again. Patterns are those of package pattern. Schedules are
// rate expressions. Targets get the event or a constant input.
//
// Events arrive at once and in the order in which they are put, which EventBridge does not promise.
// An event that a target refuses is logged and dropped, as on AWS without a dead-letter queue. The
// targets here never fail for a while only, so nothing is tried again.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/
package eventbridge

import (
	"cmp"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"sync"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

// Queues take events; *sqs.Service is one.
type Queues interface {
	Deliver(queueARN string, m sqs.Message) error
}

// Functions take events and run later; *lambda.Service is one.
type Functions interface {
	InvokeEvent(function string, event []byte) error
}

// Options configure a service.
type Options struct {
	Account   string // default "000000000000"
	Region    string // default "us-east-1"
	Queues    Queues
	Functions Functions
	Clock     Clock        // of schedules, and of events that come without a time; default the machine's
	Logger    *slog.Logger // default slog.Default()
}

// defaultBus is the bus that every account has.
const defaultBus = "default"

// Service holds the buses and rules of one account and Region. Safe for concurrent use.
type Service struct {
	options Options
	life    context.Context // until Close
	end     context.CancelFunc
	clocks  sync.WaitGroup // the schedules that run

	mu    sync.Mutex
	buses map[string]*bus // by name
	usage Usage
}

// bus is an event bus. It is guarded by the service's mutex.
type bus struct {
	name, arn string
	rules     []*rule // in the order in which they were put first
}

// New makes a service with the default bus.
func New(o Options) *Service {
	o.Account = cmp.Or(o.Account, "000000000000")
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.Logger = cmp.Or(o.Logger, slog.Default())
	if o.Clock == nil {
		o.Clock = machine{}
	}
	s := &Service{options: o, buses: map[string]*bus{}}
	s.life, s.end = context.WithCancel(context.Background())
	s.buses[defaultBus] = s.newBus(defaultBus)
	s.ResetUsage()
	return s
}

// Close stops the schedules and waits for that.
func (s *Service) Close() {
	s.mu.Lock()
	s.end() // under the lock, so that no schedule begins after it
	s.mu.Unlock()
	s.clocks.Wait()
}

// Service gives the operations as they are spoken over HTTP.
func (s *Service) Service() *awsjson.Service {
	return &awsjson.Service{
		Target:    "AWSEvents",
		Namespace: "com.amazonaws.events#",
		Version:   "1.1",
		Operations: map[string]awsjson.Operation{
			"PutEvents":      awsjson.Typed(s.putEvents),
			"CreateEventBus": awsjson.Typed(s.createEventBus),
			"PutRule":        awsjson.Typed(s.putRule),
			"PutTargets":     awsjson.Typed(s.putTargets),
		},
	}
}

// arn is that of a part of EventBridge.
func (s *Service) arn(resource string) string {
	return "arn:aws:events:" + s.options.Region + ":" + s.options.Account + ":" + resource
}

func (s *Service) newBus(name string) *bus { return &bus{name: name, arn: s.arn("event-bus/" + name)} }

// findBusLocked gives a bus by its name or ARN, "" for the default bus. It is nil if there is none,
// or the ARN is of another account or Region.
func (s *Service) findBusLocked(reference string) *bus {
	reference = cmp.Or(reference, defaultBus)
	b := s.buses[reference[strings.LastIndexByte(reference, '/')+1:]]
	if b == nil || reference != b.name && reference != b.arn {
		return nil
	}
	return b
}

func errNoBus(name string) error {
	return awsjson.Errorf("ResourceNotFoundException", "Event bus %s does not exist.", name)
}

// name matches the names of buses, rules and targets.
var name = regexp.MustCompile(`^[.\-_A-Za-z0-9]+$`)

// Lengths of names.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html,
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateEventBus.html
const (
	maxRuleName = 64 // and of a target's id
	maxBusName  = 256
)

// checkName refuses a name that has other characters or is too long.
func checkName(member, value string, most int) error {
	switch {
	case value == "":
		return invalid("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", member)
	case len(value) > most:
		return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", value, member, most)
	case !name.MatchString(value):
		return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+", value, member)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return awsjson.Errorf("ValidationException", format, args...)
}

type createBusInput struct{ Name string }

type busOutput struct{ EventBusArn string }

// createEventBus makes a bus of our own. Buses of partners, whose names have slashes, are refused.
func (s *Service) createEventBus(_ context.Context, in createBusInput) (any, error) {
	if err := checkName("name", in.Name, maxBusName); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buses[in.Name] != nil {
		return nil, awsjson.Errorf("ResourceAlreadyExistsException", "Event bus %s already exists.", in.Name)
	}
	b := s.newBus(in.Name)
	s.buses[b.name] = b
	return busOutput{b.arn}, nil
}
