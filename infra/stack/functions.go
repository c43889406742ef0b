package stack

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/build"
	settings "github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/watch"
)

// The functions, by their folder under functions/.
const (
	connect    = "connect"
	disconnect = "disconnect"
	message    = "message"
	renew      = "renew"
	fanout     = "fanout"
	revoke     = "revoke"
	salvage    = "salvage"
	push       = "push"
	deliver    = "deliver"
	authorizer = "authorizer"
	web        = "http"
	intakeName = "intake"
)

// Time limits of the functions. A client waits for the first; fanout may spend
// its own on a whole batch and the retries of its posts.
const (
	requestTimeout = watch.RequestTime
	fanoutTimeout  = 60 * time.Second
	salvageTimeout = 60 * time.Second
	pushTimeout    = 10 * time.Second
	deliverTimeout = 60 * time.Second // a webhook has 15 seconds
)

// function is what one Lambda function has of its own.
type function struct {
	name        string // folder under functions/
	description string
	memory      float64 // MB, which is also its share of CPU
	timeout     time.Duration
	environment map[string]*string
	grants      []grant
	reserved    int // executions that Lambda keeps for it alone, and gives it at most; 0 for neither
}

// logicalID is the function's name in the template.
func logicalID(name string) string {
	return strings.ToUpper(name[:1]) + name[1:]
}

// newFunctions declares the functions and gives them by name. Without authentication
// there is no authorizer.
func newFunctions(stack awscdk.Stack, props Props, t tables, q queues, seals awssecretsmanager.CfnSecret, auth *authentication) map[string]awslambda.CfnFunction {
	functions := []function{
		connectFunction(t, props), disconnectFunction(t), messageFunction(t, props, seals),
		fanoutFunction(t, q, props), pushFunction(t, q, props), deliverFunction(t, q, props, seals), revokeFunction(t, q, props), salvageFunction(q),
	}
	if auth != nil {
		functions = append(functions, authorizerFunction(*auth, props), renewFunction(t, props, *auth))
	}
	if !props.WithoutHTTP {
		functions = append(functions, httpFunction(t, q, props, seals))
	}
	declared := map[string]awslambda.CfnFunction{}
	for _, f := range functions {
		if props.Auth.OpenToEveryone && slices.Contains([]string{connect, disconnect, message, web}, f.name) {
			f.environment[settings.OpenToEveryone] = jsii.String("true")
		}
		declared[f.name] = newFunction(stack, props, f)
	}
	return declared
}

func newFunction(stack awscdk.Stack, props Props, f function) awslambda.CfnFunction {
	id := logicalID(f.name)
	logs := newLogGroup(stack, id+"Logs", props.LogDays)
	role := newRole(stack, id+"Role", lambdaService,
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
		Role:        role.AttrArn(),
		MemorySize:  jsii.Number(f.memory),
		Timeout:     jsii.Number(f.timeout.Seconds()),
		Environment: &awslambda.CfnFunction_EnvironmentProperty{Variables: f.environment},
		// In JSON the lines of Lambda and of the functions have the same fields, and levels
		// that filter them.
		// Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
		LoggingConfig: &awslambda.CfnFunction_LoggingConfigProperty{
			LogGroup: logs.Ref(), LogFormat: jsii.String("JSON"),
			ApplicationLogLevel: jsii.String(props.LogLevel), SystemLogLevel: jsii.String(props.SystemLogLevel),
		},
	})
	if f.reserved > 0 {
		declared.SetReservedConcurrentExecutions(jsii.Number(float64(f.reserved)))
	}
	// Source tells whoever runs the template elsewhere what to build.
	declared.AddMetadata(jsii.String("Source"), jsii.String("functions/"+f.name))
	return declared
}

func connectFunction(t tables, props Props) function {
	return function{
		name: connect, description: "Remembers a new connection", memory: 256, timeout: requestTimeout,
		environment: map[string]*string{
			settings.ConnectionsTable:   t.connections.Ref(),
			settings.SubscriptionsTable: t.subscriptions.Ref(),
			settings.RevocationsTable:   t.revocations.Ref(),
			settings.EventsTable:        t.events.Ref(),
			settings.CallbackURL:        sub(props.callbackURL()),
			settings.MaxConnections:     jsii.String(fmt.Sprint(props.MaxConnections)),
			settings.MaxSubjectUnits:    jsii.String(fmt.Sprint(props.MaxSubjectUnits)),
		},
		grants: []grant{
			allow(t.connections.AttrArn(), "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"),
			allow(t.revocations.AttrArn(), "dynamodb:BatchGetItem"),
			allow(t.subscriptions.AttrArn(), "dynamodb:BatchWriteItem"),
			leaveGrant(t),
			allow(sub(props.connectionsARN("GET")), "execute-api:ManageConnections"),
		},
	}
}

func disconnectFunction(t tables) function {
	return function{
		name: disconnect, description: "Forgets a connection and what it watched", memory: 256, timeout: requestTimeout,
		environment: map[string]*string{
			settings.EventsTable:        t.events.Ref(),
			settings.ConnectionsTable:   t.connections.Ref(),
			settings.SubscriptionsTable: t.subscriptions.Ref(),
		},
		grants: []grant{
			allow(t.connections.AttrArn(), "dynamodb:DeleteItem"),
			allow(t.subscriptions.AttrArn(), "dynamodb:BatchWriteItem"),
			leaveGrant(t),
		},
	}
}

func messageFunction(t tables, props Props, seals awssecretsmanager.CfnSecret) function {
	return function{
		name: message, description: "Answers what clients ask for", memory: 256, timeout: requestTimeout,
		environment: map[string]*string{
			settings.EventsTable:        t.events.Ref(),
			settings.ChangesTable:       t.changes.Ref(),
			settings.ConnectionsTable:   t.connections.Ref(),
			settings.SubscriptionsTable: t.subscriptions.Ref(),
			settings.CallbackURL:        sub(props.callbackURL()),
			settings.MaxMessageRate:     jsii.String(fmt.Sprint(props.MaxMessageRate)),
			settings.MaxSubjectUnits:    jsii.String(fmt.Sprint(props.MaxSubjectUnits)),
			settings.MaxSubscriptions:   jsii.String(fmt.Sprint(props.MaxSubscriptions)),
			settings.MaxPublishBytes:    jsii.String(fmt.Sprint(props.MaxPublishBytes)),
			settings.MaxSnapshotItems:   jsii.String(fmt.Sprint(props.MaxSnapshotItems)),
			settings.ShardSize:          jsii.String(fmt.Sprint(props.ShardSize)),
			settings.ServiceSecretARN:   seals.Ref(),
		},
		grants: []grant{
			allow(t.connections.AttrArn(), "dynamodb:GetItem", "dynamodb:UpdateItem"),
			allow(t.subscriptions.AttrArn(), "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem"),
			allow(t.changes.AttrArn(), "dynamodb:GetItem", "dynamodb:Query"),
			allow(t.events.AttrArn(), "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Query"),
			allow(t.events.AttrArn(), "dynamodb:UpdateItem").when(ofPresence),
			allow(seals.Ref(), "secretsmanager:GetSecretValue"),
			allow(sub(props.connectionsARN("POST")), "execute-api:ManageConnections"),
			allow(sub(props.connectionsARN("DELETE")), "execute-api:ManageConnections"),
		},
		reserved: props.MessageConcurrency,
	}
}

// pollTime is how long a long poll is held at most.
const pollTime = 25 * time.Second

// httpTime is how long an HTTP request may take, in whole seconds, as Lambda wants it: a long
// poll, or a stream twice its least time. With API Gateway's part that is at most 15 minutes.
func (p Props) httpTime() time.Duration {
	held := min(max(2*p.StreamTime, pollTime), MaxStreamTime)
	return (held + requestTimeout + time.Second - 1).Truncate(time.Second)
}

// httpHolds is how many requests are held at most, so that a fifth of the executions is left for
// requests that are answered at once.
func (p Props) httpHolds() int {
	return max(1, cmp.Or(p.HTTPConcurrency, recommendedHTTP)*4/5)
}

// recommendedHTTP is what the holds are counted from where nothing is reserved.
const recommendedHTTP = 100

// httpFunction has little memory, because a held request costs by memory and time, and mostly
// waits.
func httpFunction(t tables, q queues, props Props, seals awssecretsmanager.CfnSecret) function {
	return function{
		name: web, description: "Answers HTTP requests for topics", memory: 128, timeout: props.httpTime(),
		environment: merged(originSettings(props), toldSettings(props), map[string]*string{
			settings.EventsTable:        t.events.Ref(),
			settings.ChangesTable:       t.changes.Ref(),
			settings.ConnectionsTable:   t.connections.Ref(),
			settings.MaxSubjectUnits:    jsii.String(fmt.Sprint(props.MaxSubjectUnits)),
			settings.MaxSnapshotItems:   jsii.String(fmt.Sprint(props.MaxSnapshotItems)),
			settings.MaxPublishBytes:    jsii.String(fmt.Sprint(props.MaxPublishBytes)),
			settings.MaxSubjectHolds:    jsii.String(fmt.Sprint(props.MaxSubjectHolds)),
			settings.MaxHolds:           jsii.String(fmt.Sprint(props.httpHolds())),
			settings.StreamTime:         jsii.String(props.StreamTime.String()),
			settings.RevocationsTable:   t.revocations.Ref(),
			settings.ServiceSecretARN:   seals.Ref(),
			settings.SubscriptionsTable: t.subscriptions.Ref(),
			settings.DestinationsTable:  t.destinations.Ref(),
			settings.DeliveriesQueueURL: q.deliveries.Ref(),
			settings.MaxDestinations:    jsii.String(fmt.Sprint(props.MaxDestinations)),
		}),
		grants: []grant{
			allow(t.subscriptions.AttrArn(), "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"),
			allow(t.destinations.AttrArn(), "dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"),
			allow(q.deliveries.AttrArn(), "sqs:SendMessage"),
			allow(t.connections.AttrArn(), "dynamodb:PutItem", "dynamodb:UpdateItem"),
			allow(t.revocations.AttrArn(), "dynamodb:BatchGetItem"),
			allow(t.changes.AttrArn(), "dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"),
			allow(t.events.AttrArn(), "dynamodb:Query", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"),
			allow(seals.Ref(), "secretsmanager:GetSecretValue"),
		},
		reserved: props.HTTPConcurrency,
	}
}

// toldSettings are those that the service only tells of itself.
func toldSettings(props Props) map[string]*string {
	told := map[string]string{
		settings.SocketURL: props.WebSocketURL, settings.HTTPURL: props.HTTPURL,
		settings.TokenIssuer: props.Auth.Issuer, settings.TokenAudience: props.Auth.Audience,
		settings.MaxConnections: fmt.Sprint(props.MaxConnections), settings.MaxSubscriptions: fmt.Sprint(props.MaxSubscriptions),
		settings.MaxMessageRate: fmt.Sprint(props.MaxMessageRate), settings.LogRetention: props.ChangeRetention.String(),
		settings.ThrottlingRate: fmt.Sprint(props.ThrottlingRate), settings.ThrottlingBurst: fmt.Sprint(props.ThrottlingBurst),
		settings.HTTPThrottlingRate: fmt.Sprint(props.HTTPThrottlingRate), settings.HTTPThrottlingBurst: fmt.Sprint(props.HTTPThrottlingBurst),
	}
	if !props.Auth.OpenToEveryone {
		told[settings.TokenInQuery] = trueOrFalse(!props.Auth.RefuseQueryTokens)
	}
	environment := map[string]*string{}
	for name, value := range told {
		if value != "" {
			environment[name] = jsii.String(value)
		}
	}
	if props.WebSocketURL == "" {
		environment[settings.SocketURL] = sub(props.socketURL())
	}
	return environment
}

func renewFunction(t tables, props Props, auth authentication) function {
	return function{
		name: renew, description: "Lets open connections go by another token", memory: 256, timeout: requestTimeout,
		environment: merged(auth.environment, map[string]*string{
			settings.EventsTable:        t.events.Ref(),
			settings.ConnectionsTable:   t.connections.Ref(),
			settings.SubscriptionsTable: t.subscriptions.Ref(),
			settings.CallbackURL:        sub(props.callbackURL()),
			settings.MaxMessageRate:     jsii.String(fmt.Sprint(props.MaxMessageRate)),
			settings.MaxSubjectUnits:    jsii.String(fmt.Sprint(props.MaxSubjectUnits)),
		}),
		grants: append(slices.Clone(auth.grants),
			allow(t.connections.AttrArn(), "dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"),
			allow(t.subscriptions.AttrArn(), "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"),
			leaveGrant(t),
			allow(sub(props.connectionsARN("POST")), "execute-api:ManageConnections"),
			allow(sub(props.connectionsARN("DELETE")), "execute-api:ManageConnections"),
		),
	}
}

func revokeFunction(t tables, q queues, props Props) function {
	return function{
		name: revoke, description: "Cuts off connections whose tokens are taken back", memory: 256, timeout: fanoutTimeout,
		environment: map[string]*string{
			settings.EventsTable:        t.events.Ref(),
			settings.ConnectionsTable:   t.connections.Ref(),
			settings.SubscriptionsTable: t.subscriptions.Ref(),
			settings.CallbackURL:        sub(props.callbackURL()),
		},
		grants: append(streamGrants(t.revocations, q),
			allow(t.connections.AttrArn(), "dynamodb:Query", "dynamodb:DeleteItem"),
			allow(t.subscriptions.AttrArn(), "dynamodb:BatchWriteItem"),
			leaveGrant(t),
			allow(sub(props.connectionsARN("POST")), "execute-api:ManageConnections"),
			allow(sub(props.connectionsARN("DELETE")), "execute-api:ManageConnections"),
		),
	}
}

// streamGrants are what Lambda needs to read a table's stream for a function, and to
// say what it has given up.
func streamGrants(source awsdynamodb.CfnTable, q queues) []grant {
	return []grant{
		allow(q.givenUp.AttrArn(), "sqs:SendMessage"),
		allow(source.AttrStreamArn(), "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
		// ListStreams knows no resources: IAM takes it on * only.
		allow(jsii.String("*"), "dynamodb:ListStreams"),
	}
}

// ofPresence is the condition that a write of Events is one of who is present. In the topics of users a
// function that only forgets connections writes nothing.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
var ofPresence = map[string]any{"ForAllValues:StringLike": map[string]any{"dynamodb:LeadingKeys": string(events.PresenceTopic) + "/*"}}

// leaveGrant allows a function that ends subscriptions to end the presence that goes with them.
func leaveGrant(t tables) grant {
	return allow(t.events.AttrArn(), "dynamodb:UpdateItem", "dynamodb:DeleteItem").when(ofPresence)
}

// audienceGrants allow a function to read the watchers of a topic, to post to them, and to forget
// those that are gone.
func audienceGrants(t tables, props Props) []grant {
	return []grant{
		allow(t.subscriptions.AttrArn(), "dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem"),
		allow(t.connections.AttrArn(), "dynamodb:DeleteItem"),
		leaveGrant(t),
		allow(sub(props.connectionsARN("POST")), "execute-api:ManageConnections"),
		allow(sub(props.connectionsARN("DELETE")), "execute-api:ManageConnections"),
	}
}

func fanoutFunction(t tables, q queues, props Props) function {
	return function{
		name: fanout, description: "Numbers changes and pushes them to who watches", memory: 512, timeout: fanoutTimeout,
		environment: map[string]*string{
			settings.EventsTable:        t.events.Ref(),
			settings.ChangesTable:       t.changes.Ref(),
			settings.ConnectionsTable:   t.connections.Ref(),
			settings.SubscriptionsTable: t.subscriptions.Ref(),
			settings.FailureQueueURL:    q.failures.Ref(),
			settings.CallbackURL:        sub(props.callbackURL()),
			settings.LogRetention:       jsii.String(props.ChangeRetention.String()),
			settings.ShardSize:          jsii.String(fmt.Sprint(props.ShardSize)),
			settings.MaxBatchPosts:      jsii.String(fmt.Sprint(props.MaxBatchPosts)),
			settings.PushesQueueURL:     q.pushes.Ref(),
			settings.DestinationsTable:  t.destinations.Ref(),
			settings.DeliveriesQueueURL: q.deliveries.Ref(),
		},
		grants: slices.Concat(streamGrants(t.events, q), wakeGrants(t, q), []grant{
			allow(q.failures.AttrArn(), "sqs:SendMessage"),
			allow(q.pushes.AttrArn(), "sqs:SendMessage"),
			allow(t.changes.AttrArn(), "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem"),
		}, audienceGrants(t, props)),
		reserved: props.FanoutConcurrency,
	}
}

// pushFunction may send to its own queue, to hand on the work that it has no time for.
func pushFunction(t tables, q queues, props Props) function {
	return function{
		name: push, description: "Pushes changes to large audiences", memory: 512, timeout: pushTimeout,
		environment: map[string]*string{
			settings.EventsTable:        t.events.Ref(),
			settings.ChangesTable:       t.changes.Ref(),
			settings.ConnectionsTable:   t.connections.Ref(),
			settings.SubscriptionsTable: t.subscriptions.Ref(),
			settings.PushesQueueURL:     q.pushes.Ref(),
			settings.DestinationsTable:  t.destinations.Ref(),
			settings.DeliveriesQueueURL: q.deliveries.Ref(),
			settings.CallbackURL:        sub(props.callbackURL()),
			settings.ShardSize:          jsii.String(fmt.Sprint(props.ShardSize)),
		},
		grants: slices.Concat(wakeGrants(t, q), []grant{
			allow(q.pushes.AttrArn(), "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage"),
			allow(t.changes.AttrArn(), "dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"),
		}, audienceGrants(t, props)),
	}
}

// salvageFunction reads any stream that the tables have or had: a record may be given up
// after its table has got another one.
func salvageFunction(q queues) function {
	function := function{
		name: salvage, description: "Copies what was given up to the failure queue", memory: 256, timeout: salvageTimeout,
		environment: map[string]*string{settings.FailureQueueURL: q.failures.Ref()},
		grants: []grant{
			allow(q.givenUp.AttrArn(), "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
			allow(q.failures.AttrArn(), "sqs:SendMessage"),
		},
	}
	for _, table := range []string{"Events", "Revocations"} {
		function.grants = append(function.grants, allow(sub("${"+table+".Arn}/stream/*"), "dynamodb:GetShardIterator", "dynamodb:GetRecords"))
	}
	return function
}

// findExecutables reports the first function that has not been built.
func findExecutables(props Props) error {
	names := []string{connect, disconnect, message, renew, fanout, push, deliver, revoke, salvage, authorizer, web}
	if len(props.Sources) > 0 {
		names = append(names, intakeName)
	}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(props.Code, name, build.Executable)); err != nil {
			return fmt.Errorf("function %s is not built: %w", name, err)
		}
	}
	return nil
}
