package stack_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/infra/stack"
)

type functionProperties struct {
	Architectures []string
	Runtime       string
	Handler       string
	MemorySize    int
	Timeout       int
	Role          any
	Environment   struct{ Variables map[string]any }
	LoggingConfig struct {
		LogGroup                                       any
		LogFormat, ApplicationLogLevel, SystemLogLevel string
	}
	TracingConfig                any
	ReservedConcurrentExecutions int
}

func TestFunctions(t *testing.T) {
	functions := ofType[functionProperties](t, resources(t), "AWS::Lambda::Function")
	for id, want := range map[string]struct {
		memory, timeout int
		environment     string
	}{
		"Connect": {256, 10, "CALLBACK_URL=https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live " +
			"CONNECTIONS_TABLE=Connections EVENTS_TABLE=Events MAX_CONNECTIONS=100 MAX_SUBJECT_UNITS=120000 REVOCATIONS_TABLE=Revocations SUBSCRIPTIONS_TABLE=Subscriptions"},
		"Disconnect": {256, 10, "CONNECTIONS_TABLE=Connections EVENTS_TABLE=Events SUBSCRIPTIONS_TABLE=Subscriptions"},
		"Message": {256, 10, "CALLBACK_URL=https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live " +
			"CHANGES_TABLE=Changes CONNECTIONS_TABLE=Connections EVENTS_TABLE=Events MAX_MESSAGE_RATE=20 " +
			"MAX_PUBLISH_BYTES=126976 MAX_SNAPSHOT_ITEMS=2000 MAX_SUBJECT_UNITS=120000 MAX_SUBSCRIPTIONS=100 " +
			"SERVICE_SECRET_ARN=ServiceSecret SHARD_SIZE=1000 SUBSCRIPTIONS_TABLE=Subscriptions"},
		"Renew": {256, 10, "CALLBACK_URL=https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live " +
			"CONNECTIONS_TABLE=Connections EVENTS_TABLE=Events MAX_MESSAGE_RATE=20 MAX_SUBJECT_UNITS=120000 " +
			"REVOCATIONS_TABLE=Revocations SUBSCRIPTIONS_TABLE=Subscriptions TOKEN_SECRET_ARN=TokenSecret"},
		"Authorizer": {256, 10, "REFUSE_INSIDE=true REVOCATIONS_TABLE=Revocations TOKEN_IN_QUERY=true TOKEN_SECRET_ARN=TokenSecret"},
		"Revoke": {256, 60, "CALLBACK_URL=https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live " +
			"CONNECTIONS_TABLE=Connections EVENTS_TABLE=Events SUBSCRIPTIONS_TABLE=Subscriptions"},
		"Http": {128, 130, "CHANGES_TABLE=Changes CONNECTIONS_TABLE=Connections DELIVERIES_QUEUE_URL=DeliveriesQueue " +
			"DESTINATIONS_TABLE=Destinations EVENTS_TABLE=Events HTTP_THROTTLING_BURST=200 HTTP_THROTTLING_RATE=200 LOG_RETENTION=48h0m0s " +
			"MAX_CONNECTIONS=100 MAX_DESTINATIONS=10 MAX_HOLDS=80 MAX_MESSAGE_RATE=20 " +
			"MAX_PUBLISH_BYTES=126976 MAX_SNAPSHOT_ITEMS=2000 MAX_SUBJECT_HOLDS=6 MAX_SUBJECT_UNITS=120000 MAX_SUBSCRIPTIONS=100 REVOCATIONS_TABLE=Revocations " +
			"SERVICE_SECRET_ARN=ServiceSecret SOCKET_URL=wss://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live " +
			"STREAM_TIME=1m0s SUBSCRIPTIONS_TABLE=Subscriptions THROTTLING_BURST=500 THROTTLING_RATE=500 TOKEN_IN_QUERY=true"},
		"Push": {512, 10, "CALLBACK_URL=https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live " +
			"CHANGES_TABLE=Changes CONNECTIONS_TABLE=Connections DELIVERIES_QUEUE_URL=DeliveriesQueue DESTINATIONS_TABLE=Destinations EVENTS_TABLE=Events " +
			"PUSHES_QUEUE_URL=PushesQueue SHARD_SIZE=1000 SUBSCRIPTIONS_TABLE=Subscriptions"},
		"Deliver": {256, 60, "CHANGES_TABLE=Changes CONNECTIONS_TABLE=Connections DELIVERIES_QUEUE_URL=DeliveriesQueue " +
			"DESTINATIONS_TABLE=Destinations EVENTS_TABLE=Events EVENTS_TABLE_ARN=Events.Arn MAX_SNAPSHOT_ITEMS=2000 MAX_SUBJECT_UNITS=120000 " +
			"REVOCATIONS_TABLE=Revocations SERVICE_SECRET_ARN=ServiceSecret SUBSCRIPTIONS_TABLE=Subscriptions"},
		"Salvage": {256, 60, "FAILURE_QUEUE_URL=FailureQueue"},
		"Fanout": {512, 60, "CALLBACK_URL=https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live " +
			"CHANGES_TABLE=Changes CONNECTIONS_TABLE=Connections DELIVERIES_QUEUE_URL=DeliveriesQueue DESTINATIONS_TABLE=Destinations EVENTS_TABLE=Events " +
			"FAILURE_QUEUE_URL=FailureQueue LOG_RETENTION=48h0m0s " +
			"MAX_BATCH_POSTS=1000 PUSHES_QUEUE_URL=PushesQueue SHARD_SIZE=1000 " +
			"SUBSCRIPTIONS_TABLE=Subscriptions"},
	} {
		f := functions[id]
		if f.Runtime != "provided.al2023" || f.Handler != "bootstrap" || !slices.Equal(f.Architectures, []string{"arm64"}) {
			t.Errorf("%s runs %s in %s on %v", id, f.Handler, f.Runtime, f.Architectures)
		}
		if f.MemorySize != want.memory || f.Timeout != want.timeout {
			t.Errorf("%s has %d MB and %d s, want %d and %d", id, f.MemorySize, f.Timeout, want.memory, want.timeout)
		}
		if got := environment(t, f); got != want.environment {
			t.Errorf("%s has the environment\n%s, want\n%s", id, got, want.environment)
		}
		if f.TracingConfig != nil {
			t.Errorf("%s is traced", id)
		}
	}
}

func environment(t *testing.T, f functionProperties) string {
	t.Helper()
	var settings []string
	for _, name := range slices.Sorted(maps.Keys(f.Environment.Variables)) {
		settings = append(settings, name+"="+refer(t, f.Environment.Variables[name]))
	}
	return strings.Join(settings, " ")
}

func TestLogsAreKeptForATimeAndGoWithTheStack(t *testing.T) {
	all := resources(t)
	groups := ofType[struct{ RetentionInDays int }](t, all, "AWS::Logs::LogGroup")
	for id, group := range groups {
		if group.RetentionInDays != 14 || all[id].DeletionPolicy != "Delete" {
			t.Errorf("%s is kept for %d days and then, with the stack: %s", id, group.RetentionInDays, all[id].DeletionPolicy)
		}
	}
	for id, f := range ofType[functionProperties](t, all, "AWS::Lambda::Function") {
		if group := refer(t, f.LoggingConfig.LogGroup); group != id+"Logs" {
			t.Errorf("%s logs to %s", id, group)
		}
		if l := f.LoggingConfig; l.LogFormat != "JSON" || l.ApplicationLogLevel != "INFO" || l.SystemLogLevel != "WARN" {
			t.Errorf("%s logs %+v", id, l)
		}
	}
}

type roleProperties struct {
	AssumeRolePolicyDocument policyDocument
	ManagedPolicyArns        []any
	Policies                 []struct{ PolicyDocument policyDocument }
}

type policyDocument struct {
	Statement []struct {
		Effect    string
		Action    any
		Resource  any
		Principal map[string]string
		Condition any
	}
}

// TestGrants lists what each function may do, all of it: an action more or less
// is a decision.
func TestGrants(t *testing.T) {
	const post, disconnect, probe = "${Api}/live/POST/@connections/*", "${Api}/live/DELETE/@connections/*", "${Api}/live/GET/@connections/*"
	const ofPresence = "Events.Arn when ForAllValues:StringLike dynamodb:LeadingKeys @presence/*"
	want := map[string][]string{
		"Authorizer": {
			"dynamodb:BatchGetItem Revocations.Arn",
			"logs:CreateLogStream AuthorizerLogs.Arn", "logs:PutLogEvents AuthorizerLogs.Arn",
			"secretsmanager:GetSecretValue TokenSecret",
		},
		"Revoke": {
			"dynamodb:BatchWriteItem Subscriptions.Arn", "dynamodb:DeleteItem Connections.Arn", "dynamodb:DeleteItem " + ofPresence,
			"dynamodb:DescribeStream Revocations.StreamArn",
			"dynamodb:GetRecords Revocations.StreamArn", "dynamodb:GetShardIterator Revocations.StreamArn",
			"dynamodb:ListStreams *", "dynamodb:Query Connections.Arn",
			"dynamodb:UpdateItem " + ofPresence, "execute-api:ManageConnections " + disconnect, "execute-api:ManageConnections " + post,
			"logs:CreateLogStream RevokeLogs.Arn", "logs:PutLogEvents RevokeLogs.Arn",
			"sqs:SendMessage GivenUpQueue.Arn",
		},
		"Salvage": {
			"dynamodb:GetRecords ${Events.Arn}/stream/*", "dynamodb:GetRecords ${Revocations.Arn}/stream/*",
			"dynamodb:GetShardIterator ${Events.Arn}/stream/*", "dynamodb:GetShardIterator ${Revocations.Arn}/stream/*",
			"logs:CreateLogStream SalvageLogs.Arn", "logs:PutLogEvents SalvageLogs.Arn",
			"sqs:DeleteMessage GivenUpQueue.Arn", "sqs:GetQueueAttributes GivenUpQueue.Arn", "sqs:ReceiveMessage GivenUpQueue.Arn",
			"sqs:SendMessage FailureQueue.Arn",
		},
		"Connect": {
			"dynamodb:BatchGetItem Revocations.Arn", "dynamodb:BatchWriteItem Subscriptions.Arn",
			"dynamodb:DeleteItem Connections.Arn", "dynamodb:DeleteItem " + ofPresence, "dynamodb:PutItem Connections.Arn", "dynamodb:Query Connections.Arn",
			"dynamodb:UpdateItem Connections.Arn",
			"dynamodb:UpdateItem " + ofPresence, "execute-api:ManageConnections " + probe,
			"logs:CreateLogStream ConnectLogs.Arn", "logs:PutLogEvents ConnectLogs.Arn",
		},
		"Disconnect": {
			"dynamodb:BatchWriteItem Subscriptions.Arn", "dynamodb:DeleteItem Connections.Arn", "dynamodb:DeleteItem " + ofPresence,
			"dynamodb:UpdateItem " + ofPresence, "logs:CreateLogStream DisconnectLogs.Arn", "logs:PutLogEvents DisconnectLogs.Arn",
		},
		"Message": {
			"dynamodb:BatchGetItem Subscriptions.Arn",
			"dynamodb:DeleteItem Events.Arn", "dynamodb:DeleteItem Subscriptions.Arn",
			"dynamodb:GetItem Changes.Arn", "dynamodb:GetItem Connections.Arn", "dynamodb:GetItem Events.Arn", "dynamodb:GetItem Subscriptions.Arn",
			"dynamodb:PutItem Events.Arn", "dynamodb:PutItem Subscriptions.Arn",
			"dynamodb:Query Changes.Arn", "dynamodb:Query Events.Arn", "dynamodb:Query Subscriptions.Arn",
			"dynamodb:UpdateItem Connections.Arn", "dynamodb:UpdateItem " + ofPresence, "dynamodb:UpdateItem Subscriptions.Arn",
			"execute-api:ManageConnections " + disconnect, "execute-api:ManageConnections " + post,
			"logs:CreateLogStream MessageLogs.Arn", "logs:PutLogEvents MessageLogs.Arn",
			"secretsmanager:GetSecretValue ServiceSecret",
		},
		"Http": {
			"dynamodb:BatchGetItem Changes.Arn", "dynamodb:BatchGetItem Revocations.Arn",
			"dynamodb:DeleteItem Events.Arn", "dynamodb:DeleteItem Subscriptions.Arn",
			"dynamodb:GetItem Changes.Arn", "dynamodb:GetItem Destinations.Arn", "dynamodb:GetItem Events.Arn", "dynamodb:GetItem Subscriptions.Arn",
			"dynamodb:PutItem Connections.Arn", "dynamodb:PutItem Destinations.Arn", "dynamodb:PutItem Events.Arn", "dynamodb:PutItem Subscriptions.Arn",
			"dynamodb:Query Changes.Arn", "dynamodb:Query Destinations.Arn", "dynamodb:Query Events.Arn",
			"dynamodb:UpdateItem Connections.Arn", "dynamodb:UpdateItem Destinations.Arn",
			"logs:CreateLogStream HttpLogs.Arn", "logs:PutLogEvents HttpLogs.Arn",
			"secretsmanager:GetSecretValue ServiceSecret",
			"sqs:SendMessage DeliveriesQueue.Arn",
		},
		"Renew": {
			"dynamodb:BatchGetItem Revocations.Arn", "dynamodb:BatchGetItem Subscriptions.Arn",
			"dynamodb:BatchWriteItem Subscriptions.Arn",
			"dynamodb:DeleteItem Connections.Arn", "dynamodb:DeleteItem " + ofPresence, "dynamodb:DeleteItem Subscriptions.Arn",
			"dynamodb:GetItem Connections.Arn", "dynamodb:PutItem Subscriptions.Arn",
			"dynamodb:UpdateItem Connections.Arn",
			"dynamodb:UpdateItem " + ofPresence, "execute-api:ManageConnections " + disconnect, "execute-api:ManageConnections " + post,
			"logs:CreateLogStream RenewLogs.Arn", "logs:PutLogEvents RenewLogs.Arn",
			"secretsmanager:GetSecretValue TokenSecret",
		},
		"Push": {
			"dynamodb:BatchWriteItem Subscriptions.Arn", "dynamodb:DeleteItem Connections.Arn", "dynamodb:DeleteItem " + ofPresence,
			"dynamodb:GetItem Changes.Arn", "dynamodb:Query Changes.Arn", "dynamodb:Query Subscriptions.Arn",
			"dynamodb:UpdateItem Changes.Arn", "dynamodb:UpdateItem Destinations.Arn", "dynamodb:UpdateItem " + ofPresence, "dynamodb:UpdateItem Subscriptions.Arn",
			"execute-api:ManageConnections " + disconnect, "execute-api:ManageConnections " + post,
			"logs:CreateLogStream PushLogs.Arn", "logs:PutLogEvents PushLogs.Arn",
			"sqs:DeleteMessage PushesQueue.Arn", "sqs:GetQueueAttributes PushesQueue.Arn", "sqs:ReceiveMessage PushesQueue.Arn",
			"sqs:SendMessage DeliveriesQueue.Arn", "sqs:SendMessage PushesQueue.Arn",
		},
		"Deliver": {
			"dynamodb:BatchGetItem Revocations.Arn", "dynamodb:DeleteItem Destinations.Arn", "dynamodb:DeleteItem Events.Arn",
			"dynamodb:DeleteItem Subscriptions.Arn", "dynamodb:GetItem Changes.Arn", "dynamodb:GetItem Destinations.Arn", "dynamodb:PutItem Events.Arn",
			"dynamodb:Query ${Destinations.Arn}/index/due", "dynamodb:Query Changes.Arn", "dynamodb:Query Destinations.Arn", "dynamodb:Query Events.Arn",
			"dynamodb:UpdateItem Connections.Arn", "dynamodb:UpdateItem Destinations.Arn",
			"logs:CreateLogStream DeliverLogs.Arn", "logs:PutLogEvents DeliverLogs.Arn",
			"secretsmanager:GetSecretValue ServiceSecret",
			"sqs:DeleteMessage DeliveriesQueue.Arn", "sqs:GetQueueAttributes DeliveriesQueue.Arn",
			"sqs:ReceiveMessage DeliveriesQueue.Arn", "sqs:SendMessage DeliveriesQueue.Arn",
		},
		"Fanout": {
			"dynamodb:BatchGetItem Changes.Arn", "dynamodb:BatchWriteItem Changes.Arn",
			"dynamodb:BatchWriteItem Subscriptions.Arn", "dynamodb:DeleteItem Connections.Arn", "dynamodb:DeleteItem " + ofPresence,
			"dynamodb:DescribeStream Events.StreamArn", "dynamodb:GetItem Changes.Arn",
			"dynamodb:GetRecords Events.StreamArn", "dynamodb:GetShardIterator Events.StreamArn",
			"dynamodb:ListStreams *", "dynamodb:PutItem Changes.Arn",
			"dynamodb:Query Changes.Arn", "dynamodb:Query Subscriptions.Arn",
			"dynamodb:UpdateItem Changes.Arn", "dynamodb:UpdateItem Destinations.Arn", "dynamodb:UpdateItem " + ofPresence, "dynamodb:UpdateItem Subscriptions.Arn",
			"execute-api:ManageConnections " + disconnect, "execute-api:ManageConnections " + post,
			"logs:CreateLogStream FanoutLogs.Arn", "logs:PutLogEvents FanoutLogs.Arn",
			"sqs:SendMessage DeliveriesQueue.Arn", "sqs:SendMessage FailureQueue.Arn", "sqs:SendMessage GivenUpQueue.Arn", "sqs:SendMessage PushesQueue.Arn",
		},
	}
	all := resources(t)
	roles := ofType[roleProperties](t, all, "AWS::IAM::Role")
	for id, f := range ofType[functionProperties](t, all, "AWS::Lambda::Function") {
		if role := refer(t, f.Role); role != id+"Role.Arn" {
			t.Errorf("%s runs as %s", id, role)
		}
		if got := grants(t, roles[id+"Role"]); !slices.Equal(got, want[id]) {
			t.Errorf("%s may\n%s\nwant\n%s", id, strings.Join(got, "\n"), strings.Join(want[id], "\n"))
		}
	}
}

// grants lists "action resource" in alphabetical order, the start of an API's
// ARN left out.
func grants(t *testing.T, role roleProperties) []string {
	t.Helper()
	var granted []string
	for _, policy := range role.Policies {
		for _, statement := range policy.PolicyDocument.Statement {
			if statement.Effect != "Allow" {
				t.Errorf("statement is %s", statement.Effect)
			}
			resource := strings.TrimPrefix(refer(t, statement.Resource),
				"arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:")
			if when := condition(t, statement.Condition); strings.Contains(when, "LeadingKeys") { // others have tests of their own
				resource += " when " + when
			}
			for _, action := range statement.Action.([]any) {
				granted = append(granted, action.(string)+" "+resource)
			}
		}
	}
	slices.Sort(granted)
	return granted
}

// TestOneManagedPolicy: the account's log role needs AWS's own policy; nothing
// else has a managed one, and Lambda alone assumes the functions' roles.
func TestOneManagedPolicy(t *testing.T) {
	for id, role := range ofType[roleProperties](t, resourcesOf(t, stack.Props{SetAccountLogRole: true}), "AWS::IAM::Role") {
		service, managed := "lambda.amazonaws.com", []string(nil)
		if id == "AccountLogRole" {
			service = "apigateway.amazonaws.com"
			managed = []string{"arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}
		}
		var got []string
		for _, arn := range role.ManagedPolicyArns {
			got = append(got, refer(t, arn))
		}
		if !slices.Equal(got, managed) {
			t.Errorf("%s has the managed policies %v", id, got)
		}
		want := map[string]string{"Service": service}
		if trust := role.AssumeRolePolicyDocument.Statement; len(trust) != 1 || !reflect.DeepEqual(trust[0].Principal, want) {
			t.Errorf("%s trusts %v, want %v", id, trust, want)
		}
	}
}

// TestServicesActForThisAccountOnly: a role that a service may assume for whoever asks it
// would let another account use what the role grants.
func TestServicesActForThisAccountOnly(t *testing.T) {
	for id, role := range ofType[roleProperties](t, resourcesOf(t, stack.Props{SetAccountLogRole: true}), "AWS::IAM::Role") {
		want := "StringEquals aws:SourceAccount AWS::AccountId"
		if id == "AccountLogRole" {
			want = "StringEqualsIfExists aws:SourceAccount AWS::AccountId" // API Gateway may not say it
		}
		for _, statement := range role.AssumeRolePolicyDocument.Statement {
			if got := condition(t, statement.Condition); got != want {
				t.Errorf("%s is assumed when %q, want %q", id, got, want)
			}
		}
	}
}
