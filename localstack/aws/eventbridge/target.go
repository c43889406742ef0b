package eventbridge

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

// maxTargets is how many targets a rule has at most.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
const maxTargets = 5

// target is where a rule sends events.
type target struct {
	Id  string
	Arn string // of a queue or a function
	// Input is JSON that is sent instead of the event.
	Input         *string
	SqsParameters *struct{ MessageGroupId string } // for FIFO queues
	// RetryPolicy is checked and has no effect: the targets here take an event or refuse it for good.
	RetryPolicy *retryPolicy

	// Read to be refused.
	InputPath        *string
	InputTransformer json.RawMessage
	DeadLetterConfig json.RawMessage
	RoleArn          *string
}

// retryPolicy says how often, and for how many seconds, an event is tried to be delivered.
type retryPolicy struct{ MaximumRetryAttempts, MaximumEventAgeInSeconds *int }

// check refuses a policy that is out of bounds.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RetryPolicy.html
func (p *retryPolicy) check() error {
	if p == nil {
		return nil
	}
	if n := p.MaximumRetryAttempts; n != nil && (*n < 0 || *n > 185) {
		return invalid("MaximumRetryAttempts is %d, it must be from 0 to 185.", *n)
	}
	if n := p.MaximumEventAgeInSeconds; n != nil && (*n < 60 || *n > 86_400) {
		return invalid("MaximumEventAgeInSeconds is %d, it must be from 60 to 86400.", *n)
	}
	return nil
}

// ofQueue tells whether the target is a queue; otherwise it is a function.
func (t target) ofQueue() bool { return strings.HasPrefix(t.Arn, "arn:aws:sqs:") }

// check gives what is wrong with a target, or does not run here.
func (t target) check() error {
	if err := checkName("targets.id", t.Id, maxRuleName); err != nil {
		return err
	}
	switch {
	case t.InputPath != nil:
		return invalid("InputPath of target %s is not supported here.", t.Id)
	case t.InputTransformer != nil:
		return invalid("InputTransformer of target %s is not supported here.", t.Id)
	case t.DeadLetterConfig != nil:
		return invalid("DeadLetterConfig of target %s is not supported here.", t.Id)
	case t.RoleArn != nil:
		return invalid("RoleArn of target %s is not supported here.", t.Id)
	case !strings.HasPrefix(t.Arn, "arn:"):
		return invalid("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", t.Arn)
	case !t.ofQueue() && !strings.HasPrefix(t.Arn, "arn:aws:lambda:"):
		return invalid("Target %s is not supported here, only SQS queues and Lambda functions are.", t.Arn)
	case t.ofQueue() && strings.HasSuffix(t.Arn, ".fifo") && (t.SqsParameters == nil || t.SqsParameters.MessageGroupId == ""):
		return invalid("Parameter(s) SqsParameters must be specified for target: %s.", t.Id)
	case t.Input != nil && !json.Valid([]byte(*t.Input)):
		return invalid("Parameter Input of target %s is not valid JSON.", t.Id)
	}
	return t.RetryPolicy.check()
}

type putTargetsInput struct {
	Rule         string
	EventBusName string
	Targets      []target
}

type putTargetsOutput struct {
	FailedEntryCount int
	FailedEntries    []struct{}
}

// putTargets adds targets to a rule. A target with the id of another takes its place.
func (s *Service) putTargets(_ context.Context, in putTargetsInput) (any, error) {
	if len(in.Targets) == 0 {
		return nil, invalid("1 validation error detected: Value '[]' at 'targets' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	for _, t := range in.Targets {
		if err := t.check(); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.findBusLocked(in.EventBusName)
	if b == nil {
		return nil, errNoBus(in.EventBusName)
	}
	r := b.findLocked(in.Rule)
	if r == nil {
		return nil, awsjson.Errorf("ResourceNotFoundException", "Rule %s does not exist on EventBus %s.", in.Rule, b.name)
	}
	next := slices.Clone(r.targets) // deliveries have the old list
	for _, t := range in.Targets {
		if at := slices.IndexFunc(next, func(other target) bool { return other.Id == t.Id }); at >= 0 {
			next[at] = t
			continue
		}
		next = append(next, t)
	}
	if len(next) > maxTargets {
		return nil, awsjson.Errorf("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
	}
	r.targets = next
	return putTargetsOutput{FailedEntries: []struct{}{}}, nil
}

// delivery is what it takes to deliver an event without the service's lock.
type delivery struct {
	rule    string // its ARN
	targets []target
}

func (r *rule) deliveryLocked() delivery { return delivery{r.arn, r.targets} }

// deliver sends an event to all targets of a rule.
func (s *Service) deliver(to delivery, body []byte) {
	failed := 0
	for _, t := range to.targets {
		if err := s.send(t, body); err != nil {
			failed++
			s.options.Logger.Warn("event not delivered", "rule", to.rule, "target", t.Arn, "err", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.usage.Rules[to.rule]
	u.Fired++
	u.Delivered += len(to.targets) - failed
	u.Failed += failed
	s.usage.Rules[to.rule] = u
}

// send sends an event to a target. A FIFO queue must deduplicate by content, because events have no
// deduplication id.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_SqsParameters.html
func (s *Service) send(t target, body []byte) error {
	if t.Input != nil {
		body = []byte(*t.Input)
	}
	if !t.ofQueue() {
		return s.options.Functions.InvokeEvent(t.Arn, body)
	}
	m := sqs.Message{Body: string(body)}
	if t.SqsParameters != nil {
		m.GroupID = t.SqsParameters.MessageGroupId
	}
	return s.options.Queues.Deliver(t.Arn, m)
}
