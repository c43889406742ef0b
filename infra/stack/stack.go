// Package stack is the only place that knows which AWS resources Watchroute is
// made of and what each of them may do.
//
// It is written in CloudFormation's own (L1) constructs. The synthesized
// template is a contract here: it is committed, the local stack runs it, and its
// logical IDs, IAM statements and routes stand in this package word for word,
// where the higher constructs would invent IDs and grant more than is used.
package stack

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// New declares the whole service as one stack. It fails, before it declares
// anything, if props are out of bounds or a function's executable is missing.
func New(scope constructs.Construct, id string, props Props) (awscdk.Stack, error) {
	props, err := props.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("stack %s: %w", id, err)
	}
	if err := findExecutables(props); err != nil {
		return nil, fmt.Errorf("stack %s: %w", id, err)
	}
	stack := awscdk.NewStack(scope, jsii.String(id), props.stackProps())
	tables := newTables(stack, props)
	queues := newQueues(stack)
	seals := newServiceSecret(stack)
	auth := newAuthentication(stack, props, tables)
	functions := newFunctions(stack, props, tables, queues, seals, auth)
	api := newAPI(stack)
	newRoutes(stack, api, functions, props)
	stages := []awscdk.CfnResource{newStage(stack, api, props)}
	if !props.WithoutHTTP {
		stages = append(stages, newHTTP(stack, functions, props))
	}
	if props.SetAccountLogRole {
		newAccountLogRole(stack, stages)
	}
	newStreamMapping(stack, "EventsToFanout", tables.events, functions[fanout], queues, 100)
	newStreamMapping(stack, "RevocationsToRevoke", tables.revocations, functions[revoke], queues, 10) // each may close many connections
	newGivenUpMapping(stack, functions[salvage], queues)
	newPushesMapping(stack, functions[push], queues, props)
	newDeliveriesMapping(stack, functions[deliver], queues, props)
	newSweep(stack, functions[deliver], props)
	if err := newIntake(stack, props, tables, queues); err != nil {
		return nil, fmt.Errorf("stack %s: %w", id, err)
	}
	newOutputs(stack, props, tables, queues.failures, seals, auth)
	return stack, nil
}

// sub resolves ${…} at deployment, as CloudFormation's Fn::Sub does: names are
// logical IDs of this stack or pseudo parameters.
func sub(text string) *string { return awscdk.Fn_Sub(jsii.String(text), nil) }
