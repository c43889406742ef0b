package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchroute/watchroute/localstack/deploy"
)

// outputs are what the stack tells its user.
func (d *deployment) outputs(ctx context.Context) (map[string]string, error) {
	var described struct {
		Stacks []struct {
			Outputs []struct{ OutputKey, OutputValue string }
		}
	}
	if err := d.runAWS(ctx, &described, "cloudformation", "describe-stacks", "--stack-name", deploy.StackName); err != nil {
		return nil, err
	}
	got := map[string]string{}
	for _, stack := range described.Stacks {
		for _, output := range stack.Outputs {
			got[output.OutputKey] = output.OutputValue
		}
	}
	return got, same("number of stacks", len(described.Stacks), 1)
}

// outputsAsDeclared compares them with the template's.
func (d *deployment) outputsAsDeclared(ctx context.Context) error {
	got, err := d.outputs(ctx)
	want := map[string]string{}
	for name, output := range d.Template.Outputs {
		want[name] = fmt.Sprint(d.resolve(output.Value))
	}
	return errors.Join(err, same("outputs", got, want))
}
