package iam

import (
	"cmp"
	"slices"
	"strings"
)

// Scope is where calls are made: what the ARNs of their resources begin with.
type Scope struct {
	Region  string
	Account string
	// PartitionKey gives the name of the attribute that is a table's partition key; empty if there is
	// no such table. Without it, calls have no Key.
	PartitionKey func(table string) string
}

func (s Scope) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + s.Region + ":" + s.Account + ":" + resource
}

// add adds a call unless it is there: a transaction of a hundred puts is one call.
func add(calls []Call, action, resource string) []Call {
	if c := (Call{Action: action, Resource: resource}); !slices.Contains(calls, c) {
		calls = append(calls, c)
	}
	return calls
}

// SQS gives the calls that an operation is. Its batches have no actions of their
// own, and its errors name actions in lower case.
//
// Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
func (s Scope) SQS(operation string, body []byte) []Call {
	action := "sqs:" + strings.ToLower(strings.TrimSuffix(operation, "Batch"))
	if operation == "ListQueues" {
		return []Call{{Action: action, Resource: "*"}}
	}
	var calls []Call
	members(body, func(name string, value []byte) {
		switch name {
		case "QueueUrl", "QueueName":
			queue := unquote(value)
			calls = add(calls, action, s.arn("sqs", queue[strings.LastIndexByte(queue, '/')+1:]))
		}
	})
	return calls
}

// EventBridge gives the calls that an operation is: of PutEvents one for each bus. Buses and rules may
// be named by their ARNs.
//
// Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
func (s Scope) EventBridge(operation string, body []byte) []Call {
	action := "events:" + operation
	var calls []Call
	bus, rule := "", ""
	members(body, func(name string, value []byte) {
		switch {
		case name == "Entries":
			elements(value, func(entry []byte) { calls = add(calls, action, s.eventBus(eventBusName(entry))) })
		case name == "EventBusName":
			bus = unquote(value)
		case name == "Name" && operation == "CreateEventBus":
			calls = add(calls, action, s.eventBus(unquote(value)))
		case name == "Name", name == "Rule":
			rule = unquote(value)
		}
	})
	if rule != "" {
		_, rest, _ := strings.Cut(s.eventBus(bus), ":event-bus/")
		calls = add(calls, action, s.arn("events", "rule/"+strings.TrimPrefix(rest+"/", "default/")+rule))
	}
	return calls
}

// eventBusName is the name in an entry of PutEvents.
func eventBusName(entry []byte) (bus string) {
	members(entry, func(name string, value []byte) {
		if name == "EventBusName" {
			bus = unquote(value)
		}
	})
	return bus
}

// eventBus gives the ARN of a bus, by its name or ARN.
func (s Scope) eventBus(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return s.arn("events", "event-bus/"+cmp.Or(name, "default"))
}

// SNS gives the calls that an operation is, from its input as JSON. Its batches have no actions of
// their own, and its errors name the service in upper case.
//
// Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
func (s Scope) SNS(operation string, body []byte) []Call {
	action := "SNS:" + strings.TrimSuffix(operation, "Batch")
	var calls []Call
	members(body, func(name string, value []byte) {
		switch name {
		case "TopicArn", "TargetArn":
			calls = add(calls, action, unquote(value))
		case "Name":
			calls = add(calls, action, s.arn("sns", unquote(value)))
		}
	})
	return calls
}

// Kinesis gives the calls that an operation is. streamOf gives the name of the stream that a shard
// iterator is of, "" if it is none.
//
// Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonkinesisdatastreams.html
func (s Scope) Kinesis(operation string, body []byte, streamOf func(iterator string) string) []Call {
	action := "kinesis:" + operation
	var calls []Call
	members(body, func(name string, value []byte) {
		switch name {
		case "StreamARN":
			calls = add(calls, action, unquote(value))
		case "StreamName":
			calls = add(calls, action, s.arn("kinesis", "stream/"+unquote(value)))
		case "ShardIterator":
			if stream := streamOf(unquote(value)); stream != "" {
				calls = add(calls, action, s.arn("kinesis", "stream/"+stream))
			}
		}
	})
	return calls
}

// SecretsManager gives the call that an operation is. arn gives the ARN of the secret
// that a request names, "" if there is none: then the call is on the name itself, which
// a grant for all secrets alone allows.
//
// Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
func (s Scope) SecretsManager(operation string, body []byte, arn func(id string) string) []Call {
	var calls []Call
	members(body, func(name string, value []byte) {
		switch name {
		case "SecretId", "Name":
			id := unquote(value)
			calls = add(calls, "secretsmanager:"+operation, cmp.Or(arn(id), id))
		}
	})
	return calls
}

// ManageConnections gives the call that a request to
// /{stage}/@connections/{connection} is.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-control-access-iam.html
func (s Scope) ManageConnections(api, stage, method, connection string) Call {
	return Call{
		Action:   "execute-api:ManageConnections",
		Resource: s.arn("execute-api", api+"/"+stage+"/"+method+"/@connections/"+connection),
	}
}
