package stack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/template"
)

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
	if p.Targets != nil {
		if err := d.eventbridge("PutTargets", map[string]any{"Rule": name, "EventBusName": p.EventBusName, "Targets": p.Targets}, nil); err != nil {
			return template.Physical{}, err
		}
		var targets []struct{ Arn string }
		if err := json.Unmarshal(p.Targets, &targets); err != nil {
			return template.Physical{}, err
		}
		for _, t := range targets {
			d.deliveries = append(d.deliveries, delivery{r.LogicalID, "events.amazonaws.com", made.RuleArn, t.Arn})
		}
	}
	_, id, _ := strings.Cut(made.RuleArn, ":rule/")
	return template.Physical{Ref: strings.Replace(id, "/", "|", 1), Attributes: map[string]string{"Arn": made.RuleArn}}, nil
}

// eventbridge calls an operation of the stack's own EventBridge.
func (d *deployment) eventbridge(operation string, input, output any) error {
	return call(d.ctx, d.stack.buses.Service(), operation, input, output)
}
