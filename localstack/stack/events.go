package stack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/template"
)

// gatheredRule is a rule of EventBridge whose targets must let EventBridge in.
type gatheredRule struct {
	logicalID, arn string
	targets        []struct{ Arn string }
}

// createEventBus makes an event bus, named as createTable names a table.
func (d *deployment) createEventBus(r template.Resource) (template.Physical, error) {
	var p struct{ Name, EventSourceName string }
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	if p.EventSourceName != "" {
		return template.Physical{}, fmt.Errorf("event buses of partners do not run locally")
	}
	name := cmp.Or(p.Name, r.LogicalID)
	var created struct{ EventBusArn string }
	if err := d.eventbridge("CreateEventBus", map[string]any{"Name": name}, &created); err != nil {
		return template.Physical{}, err
	}
	return template.Physical{Ref: name, Attributes: map[string]string{"Arn": created.EventBusArn, "Name": name}}, nil
}

// createRule makes a rule with its targets, which may be functions that come later. The schedule of
// a rule begins now.
func (d *deployment) createRule(r template.Resource) (template.Physical, error) {
	var p struct {
		Name               string
		EventBusName       string
		EventPattern       json.RawMessage
		RoleArn            string
		ScheduleExpression string
		State              string
		Targets            json.RawMessage
	}
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	name := cmp.Or(p.Name, r.LogicalID)
	var made struct{ RuleArn string }
	err := d.eventbridge("PutRule", map[string]any{
		"Name": name, "EventBusName": p.EventBusName, "EventPattern": string(p.EventPattern), "RoleArn": p.RoleArn,
		"ScheduleExpression": p.ScheduleExpression, "State": p.State,
	}, &made)
	if err != nil {
		return template.Physical{}, err
	}
	gathered := gatheredRule{logicalID: r.LogicalID, arn: made.RuleArn}
	if p.Targets != nil {
		if err := d.eventbridge("PutTargets", map[string]any{"Rule": name, "EventBusName": p.EventBusName, "Targets": p.Targets}, nil); err != nil {
			return template.Physical{}, err
		}
		if err := json.Unmarshal(p.Targets, &gathered.targets); err != nil {
			return template.Physical{}, err
		}
	}
	d.rules = append(d.rules, gathered)
	_, id, _ := strings.Cut(made.RuleArn, ":rule/")
	return template.Physical{Ref: strings.Replace(id, "/", "|", 1), Attributes: map[string]string{"Arn": made.RuleArn}}, nil
}

// eventbridge calls an operation of the stack's own EventBridge.
func (d *deployment) eventbridge(operation string, input, output any) error {
	return call(d.ctx, d.stack.buses.Service(), operation, input, output)
}

// authorizeRules refuses a rule whose function does not let EventBridge in. On AWS such a rule is
// made, and its events are lost.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
func (d *deployment) authorizeRules() error {
	const service = "events.amazonaws.com"
	for _, rule := range d.rules {
		for _, target := range rule.targets {
			if strings.HasPrefix(target.Arn, "arn:aws:lambda:") && !d.apis.Permits(service, target.Arn, rule.arn) {
				return fmt.Errorf("%s: EventBridge may not invoke %s: the template needs an AWS::Lambda::Permission for %s", rule.logicalID, target.Arn, service)
			}
		}
	}
	return nil
}
