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
