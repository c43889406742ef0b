package main

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// configuration is what a function's definition and its description have in common.
type configuration struct {
	Runtime, Handler string
	Architectures    []string
	MemorySize       int
	Timeout          int
	Role             string
	Environment      struct{ Variables map[string]string }
	LoggingConfig    struct{ LogGroup string }
}

// functionsAsDeclared compares runtime, size, role and environment.
func (d *deployment) functionsAsDeclared(ctx context.Context) error {
	var faults []error
	ids := d.Template.IDs("AWS::Lambda::Function")
	for _, id := range ids {
		var got, want configuration
		if err := d.want(id, &want); err != nil {
			return err
		}
		for name, value := range want.Environment.Variables {
			want.Environment.Variables[name] = d.rewritten(value)
		}
		if err := d.runAWS(ctx, &got, "lambda", "get-function-configuration", "--function-name", d.physical[id]); err != nil {
			return err
		}
		faults = append(faults, same(id, got, want), same("architecture of "+id, got.Architectures, []string{d.cdk.Architecture}))
	}
	return errors.Join(append(faults, same("number of functions", len(ids), 11))...)
}

// mapping is what an event source mapping's definition and description have in
// common, but for the function, which one names and the other gives as ARN.
type mapping struct {
	EventSourceArn                 string
	StartingPosition               string
	BatchSize                      int
	MaximumBatchingWindowInSeconds int
	ParallelizationFactor          int
	BisectBatchOnFunctionError     bool
	MaximumRetryAttempts           int
	FunctionResponseTypes          []string
	DestinationConfig              struct{ OnFailure struct{ Destination string } }
	ScalingConfig                  struct{ MaximumConcurrency int }
}

// mappingsAsDeclared compares the ways from streams and queues to their functions.
func (d *deployment) mappingsAsDeclared(ctx context.Context) error {
	var faults []error
	ids := d.Template.IDs("AWS::Lambda::EventSourceMapping")
	for _, id := range ids {
		var want struct {
			mapping
			FunctionName string
		}
		if err := d.want(id, &want); err != nil {
			return err
		}
		got, err := d.mapping(ctx, id)
		if err != nil {
			return err
		}
		if slices.Contains(queueMappings, id) {
			got.StartingPosition = "" // see queueHasAStartingPosition
		}
		faults = append(faults,
			same(id, got.mapping, want.mapping),
			same("state of "+id, got.State, "Enabled"),
			same("function of "+id, got.FunctionArn, "arn:aws:lambda:"+region+":"+account+":function:"+want.FunctionName),
		)
	}
	return errors.Join(append(faults, same("number of mappings", len(ids), 5))...)
}

// queueMappings are the mappings from queues.
var queueMappings = []string{"GivenUpToSalvage", "PushesToPush", "DeliveriesToDeliver"}

// madeMapping is a mapping as the emulator describes it.
type madeMapping struct {
	mapping
	FunctionArn, State string
}

func (d *deployment) mapping(ctx context.Context, id string) (got madeMapping, err error) {
	err = d.runAWS(ctx, &got, "lambda", "get-event-source-mapping", "--uuid", d.physical[id])
	return got, err
}

func (d *deployment) queueHasNoStartingPosition(ctx context.Context) error {
	got, err := d.mapping(ctx, queueMappings[0])
	return errors.Join(err, same("starting position", got.StartingPosition, ""))
}

// queueHasAStartingPosition is true of an emulator that describes the mapping of a queue as
// if it were one of a stream.
func (d *deployment) queueHasAStartingPosition(ctx context.Context) error {
	got, err := d.mapping(ctx, queueMappings[0])
	if err == nil && got.StartingPosition == "" {
		err = errors.New("the mapping has no starting position now: check it as ok")
	}
	return err
}

// permissionsAsDeclared looks for every Lambda permission in its function's policy.
func (d *deployment) permissionsAsDeclared(ctx context.Context) error {
	var faults []error
	for _, id := range d.Template.IDs("AWS::Lambda::Permission") {
		var want struct{ FunctionName, SourceArn, Principal string }
		if err := d.want(id, &want); err != nil {
			return err
		}
		var got struct{ Policy string }
		if err := d.runAWS(ctx, &got, "lambda", "get-policy", "--function-name", want.FunctionName); err != nil {
			return err
		}
		if !strings.Contains(got.Policy, `"`+want.SourceArn+`"`) || !strings.Contains(got.Policy, want.Principal) {
			faults = append(faults, errors.New(id+": the function's policy does not let "+want.SourceArn+" in: "+got.Policy))
		}
	}
	return errors.Join(faults...)
}
