package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchroute/watchroute/localstack/deploy"
)

// outputsAsDeclared compares what the stack tells its user.
func (d *deployment) outputsAsDeclared(ctx context.Context) error {
	var described struct {
		Stacks []struct {
			Outputs []struct{ OutputKey, OutputValue string }
		}
	}
	if err := d.runAWS(ctx, &described, "cloudformation", "describe-stacks", "--stack-name", deploy.StackName); err != nil {
		return err
	}
	if err := same("number of stacks", len(described.Stacks), 1); err != nil {
		return err
	}
	got, want := map[string]string{}, map[string]string{}
	for _, output := range described.Stacks[0].Outputs {
		got[output.OutputKey] = output.OutputValue
	}
	for name, output := range d.Template.Outputs {
		want[name] = fmt.Sprint(d.resolve(output.Value))
	}
	return errors.Join(same("outputs", got, want), same("number of outputs", len(got), 10))
}
