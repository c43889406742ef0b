package eventbridge

import (
	"context"
	"regexp"
	"strconv"
	"time"

	"github.com/watchroute/watchroute/events/exactjson"
	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/shared/pattern"
)

// rule is a rule of a bus. It is guarded by the service's mutex.
type rule struct {
	name, arn string
	enabled   bool
	pattern   *pattern.Pattern // nil if there is none
	targets   []target
	stop      context.CancelFunc // ends the schedule
}

type putRuleInput struct {
	Name               string
	EventBusName       string
	EventPattern       string
	ScheduleExpression string
	State              string
	RoleArn            string
}

type ruleOutput struct{ RuleArn string }

// putRule makes a rule, or gives one that exists another pattern, schedule and state. Its targets
// stay. A schedule begins when the rule is put: the first event comes after one interval.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rate-expressions.html
func (s *Service) putRule(_ context.Context, in putRuleInput) (any, error) {
	if err := checkName("name", in.Name, maxRuleName); err != nil {
		return nil, err
	}
	made, interval, err := in.rule()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.findBusLocked(in.EventBusName)
	switch {
	case b == nil:
		return nil, errNoBus(in.EventBusName)
	case interval > 0 && b.name != defaultBus:
		return nil, invalid("ScheduleExpression is supported only on the default event bus.")
	}
	r := b.findLocked(in.Name)
	if r == nil {
		made.name, made.arn = in.Name, s.arn("rule/"+b.ruleID(in.Name))
		r = &made
		b.rules = append(b.rules, r)
	} else {
		r.enabled, r.pattern = made.enabled, made.pattern
		r.stop()
	}
	var life context.Context
	life, r.stop = context.WithCancel(s.life)
	if interval > 0 && r.enabled && life.Err() == nil {
		began := s.options.Clock.Now()
		s.clocks.Go(func() { s.run(life, r, interval, began) })
	}
	return ruleOutput{r.arn}, nil
}

// rule reads what the input says of a rule; interval is 0 without a schedule.
func (in putRuleInput) rule() (r rule, interval time.Duration, err error) {
	switch in.State {
	case "", "ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS":
		r.enabled = true
	case "DISABLED":
	default:
		return r, 0, invalid("1 validation error detected: Value '%s' at 'state' failed to satisfy constraint: "+
			"Member must satisfy enum value set: [ENABLED, DISABLED, ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS]", in.State)
	}
	switch {
	case in.RoleArn != "":
		return r, 0, invalid("RoleArn is not supported here.")
	case in.EventPattern == "" && in.ScheduleExpression == "":
		return r, 0, invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	}
	if in.EventPattern != "" {
		if r.pattern, err = pattern.Parse(in.EventPattern); err != nil {
			return r, 0, awsjson.Errorf("InvalidEventPatternException", "Event pattern is not valid. Reason: %s", err)
		}
	}
	if in.ScheduleExpression != "" {
		interval, err = parseRate(in.ScheduleExpression)
	}
	return r, interval, err
}

// ruleID is how a rule is named beside those of other buses.
func (b *bus) ruleID(name string) string {
	if b.name == defaultBus {
		return name
	}
	return b.name + "/" + name
}

func (b *bus) findLocked(name string) *rule {
	for _, r := range b.rules {
		if r.name == name {
			return r
		}
	}
	return nil
}

var (
	rate = regexp.MustCompile(`^rate\(([1-9][0-9]{0,8}) (minute|hour|day)(s?)\)$`)
	cron = regexp.MustCompile(`^cron\(.*\)$`)
)

var units = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

// mostRate keeps an interval within what a time.Duration holds: 100 years.
const mostRate = 36_500 * 24 * time.Hour

// parseRate reads a rate expression: one minute, hour or day, or several.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
func parseRate(expression string) (time.Duration, error) {
	if cron.MatchString(expression) {
		return 0, invalid("ScheduleExpression %s is not supported here, only rates are.", expression)
	}
	errInvalid := invalid("Parameter ScheduleExpression is not valid.")
	parts := rate.FindStringSubmatch(expression)
	if parts == nil || (parts[1] == "1") != (parts[3] == "") {
		return 0, errInvalid
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	if unit := units[parts[2]]; err == nil && n <= int64(mostRate/unit) {
		return time.Duration(n) * unit, nil
	}
	return 0, errInvalid
}

// run lets a rule fire each time that an interval has passed.
func (s *Service) run(life context.Context, r *rule, interval time.Duration, began time.Time) {
	for due := began.Add(interval); ; due = due.Add(interval) {
		select {
		case <-s.options.Clock.After(due.Sub(s.options.Clock.Now())):
		case <-life.Done():
			return
		}
		s.fire(life, r, due)
	}
}

// fire delivers the event of a schedule.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html
func (s *Service) fire(life context.Context, r *rule, due time.Time) {
	s.mu.Lock()
	to, arn, ended := r.deliveryLocked(), r.arn, life.Err() != nil
	s.mu.Unlock()
	if ended {
		return
	}
	body, err := exactjson.Marshal(s.newEvent("aws.events", "Scheduled Event", due, []string{arn}, "{}"))
	if err != nil { // texts always encode
		s.options.Logger.Error("scheduled event not made", "rule", arn, "err", err)
		return
	}
	s.deliver(to, body)
}
