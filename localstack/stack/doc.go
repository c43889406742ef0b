// Package stack is the only place that knows how the emulated services make one
// running stack out of a CloudFormation template, on one port.
//
//	template ─► tables, queues, secrets, topics, buses, rules, streams, functions, APIs, mappings
//
//	POST /            X-Amz-Target   ─► DynamoDB, Streams, SQS, Secrets Manager, EventBridge, Kinesis
//	POST /            form           ─► SNS
//	GET  /{stage}     Upgrade        ─► API Gateway ─► authorizer, connect, message, disconnect
//	     /{stage}/@connections/{id}  ─► API Gateway
//	     /{stage}/{path}             ─► API Gateway's REST API ─► authorizer, http
//	     /_aws/execute-api/{id}/{stage}/{path}   the same, as in LocalStack
//	GET  /_localstack/health, /_localstack/usage
//	     Events' stream              ─► event source mapping ─► fanout
//
// What the template declares is what runs. A resource of a type that is not known
// here is an error, not silence. Functions may do what their roles grant; whoever
// else calls may do everything. What [Options].Faults break, they break by the hooks of
// the services, or on the way to these.
package stack
