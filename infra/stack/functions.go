package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/watchroute/watchroute/shared/build"
)

// The functions, by their folder under functions/.
const (
	connect    = "connect"
	disconnect = "disconnect"
	message    = "message"
	fanout     = "fanout"
)

// Time limits of the functions. A client waits for the first; fanout may spend
// its own on a whole batch and the retries of its posts.
const (
	requestTimeout = 10 * time.Second
	fanoutTimeout  = 60 * time.Second
)

// function is what one Lambda function has of its own.
type function struct {
	name        string // folder under functions/
	description string
	memory      float64 // MB, which is also its share of CPU
	timeout     time.Duration
	environment map[string]*string
	grants      []grant
}

// logicalID is the function's name in the template.
func logicalID(name string) string {
	return strings.ToUpper(name[:1]) + name[1:]
}

// newFunctions declares the functions and gives them by name.
func newFunctions(stack awscdk.Stack, props Props, t tables, failures awssqs.CfnQueue) map[string]awslambda.CfnFunction {
	declared := map[string]awslambda.CfnFunction{}
	for _, f := range []function{
		connectFunction(t), disconnectFunction(t), messageFunction(t), fanoutFunction(t, failures, props),
	} {
		declared[f.name] = newFunction(stack, props, f)
	}
	return declared
}

func newFunction(stack awscdk.Stack, props Props, f function) awslambda.CfnFunction {
	id := logicalID(f.name)
	logs := newLogGroup(stack, id+"Logs", props.LogDays)
	role := newRole(stack, id+"Role", "lambda.amazonaws.com",
		append(f.grants, allow(logs.AttrArn(), "logs:CreateLogStream", "logs:PutLogEvents"))...)
	code := awss3assets.NewAsset(stack, jsii.String(id+"Code"), &awss3assets.AssetProps{
		Path: jsii.String(filepath.Join(props.Code, f.name)),
	})
	declared := awslambda.NewCfnFunction(stack, jsii.String(id), &awslambda.CfnFunctionProps{
		Description:   jsii.String(f.description),
		Architectures: jsii.Strings(string(props.Architecture)),
		Runtime:       jsii.String("provided.al2023"),
		Handler:       jsii.String(build.Executable),
		Code: &awslambda.CfnFunction_CodeProperty{
			S3Bucket: code.S3BucketName(), S3Key: code.S3ObjectKey(),
		},
		Role:          role.AttrArn(),
		MemorySize:    jsii.Number(f.memory),
		Timeout:       jsii.Number(f.timeout.Seconds()),
		Environment:   &awslambda.CfnFunction_EnvironmentProperty{Variables: f.environment},
		LoggingConfig: &awslambda.CfnFunction_LoggingConfigProperty{LogGroup: logs.Ref()},
	})
	// Source tells whoever runs the template elsewhere what to build.
	declared.AddMetadata(jsii.String("Source"), jsii.String("functions/"+f.name))
	return declared
}

func connectFunction(t tables) function {
	return function{
		name: connect, description: "Remembers a new connection", memory: 256, timeout: requestTimeout,
		environment: map[string]*string{"CONNECTIONS_TABLE": t.connections.Ref()},
		grants:      []grant{allow(t.connections.AttrArn(), "dynamodb:PutItem")},
	}
}

func disconnectFunction(t tables) function {
	return function{
		name: disconnect, description: "Forgets a connection and what it watched", memory: 256, timeout: requestTimeout,
		environment: map[string]*string{
			"CONNECTIONS_TABLE":   t.connections.Ref(),
			"SUBSCRIPTIONS_TABLE": t.subscriptions.Ref(),
		},
		grants: []grant{
			allow(t.connections.AttrArn(), "dynamodb:DeleteItem"),
			allow(t.subscriptions.AttrArn(), "dynamodb:BatchWriteItem"),
		},
	}
}

func messageFunction(t tables) function {
	return function{
		name: message, description: "Answers what clients ask for", memory: 256, timeout: requestTimeout,
		environment: map[string]*string{
			"EVENTS_TABLE":        t.events.Ref(),
			"CHANGES_TABLE":       t.changes.Ref(),
			"CONNECTIONS_TABLE":   t.connections.Ref(),
			"SUBSCRIPTIONS_TABLE": t.subscriptions.Ref(),
			"CALLBACK_URL":        sub(callbackURL),
		},
		grants: []grant{
			allow(t.connections.AttrArn(), "dynamodb:GetItem", "dynamodb:UpdateItem"),
			allow(t.subscriptions.AttrArn(), "dynamodb:PutItem", "dynamodb:DeleteItem"),
			allow(t.changes.AttrArn(), "dynamodb:GetItem", "dynamodb:Query"),
			allow(t.events.AttrArn(), "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Query"),
			allow(sub(postToConnectionARN), "execute-api:ManageConnections"),
		},
	}
}

func fanoutFunction(t tables, failures awssqs.CfnQueue, props Props) function {
	return function{
		name: fanout, description: "Numbers changes and pushes them to who watches", memory: 512, timeout: fanoutTimeout,
		environment: map[string]*string{
			"CHANGES_TABLE":       t.changes.Ref(),
			"CONNECTIONS_TABLE":   t.connections.Ref(),
			"SUBSCRIPTIONS_TABLE": t.subscriptions.Ref(),
			"FAILURE_QUEUE_URL":   failures.Ref(),
			"CALLBACK_URL":        sub(callbackURL),
			"LOG_RETENTION":       jsii.String(fmt.Sprintf("%gh", props.ChangeRetention.Hours())),
		},
		grants: []grant{
			allow(t.changes.AttrArn(), "dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"),
			allow(t.subscriptions.AttrArn(), "dynamodb:Query", "dynamodb:BatchWriteItem"),
			allow(t.connections.AttrArn(), "dynamodb:DeleteItem"),
			allow(failures.AttrArn(), "sqs:SendMessage"),
			allow(sub(postToConnectionARN), "execute-api:ManageConnections"),
			allow(t.events.AttrStreamArn(), "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
			// ListStreams knows no resources: IAM takes it on * only.
			allow(jsii.String("*"), "dynamodb:ListStreams"),
		},
	}
}

// findExecutables reports the first function that has not been built.
func findExecutables(code string) error {
	for _, name := range []string{connect, disconnect, message, fanout} {
		if _, err := os.Stat(filepath.Join(code, name, build.Executable)); err != nil {
			return fmt.Errorf("function %s is not built: %w", name, err)
		}
	}
	return nil
}
