package iam

import "strings"

// DynamoDB gives the calls that an operation of DynamoDB or DynamoDB Streams is. A
// request that names no resource is none: the service refuses it anyway.
//
// Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
func (s Scope) DynamoDB(operation string, body []byte) []Call {
	action := "dynamodb:" + operation
	switch operation {
	case "TransactWriteItems", "TransactGetItems":
		return s.transaction(body)
	case "BatchWriteItem", "BatchGetItem":
		return s.batch(action, body)
	case "ListTables", "ListStreams", "DescribeLimits":
		return []Call{{Action: action, Resource: "*"}}
	}
	if resource := s.named(body); resource != "" {
		return []Call{{Action: action, Resource: resource, Key: s.key(body)}}
	}
	return nil
}

// key gives the value of the partition key in a request about one item; empty if there is none.
func (s Scope) key(body []byte) (key string) {
	if s.PartitionKey == nil {
		return ""
	}
	var table string
	var item []byte
	members(body, func(name string, value []byte) {
		switch name {
		case "TableName":
			table = unquote(value)
		case "Key", "Item":
			item = value
		}
	})
	if item == nil {
		return ""
	}
	partition := s.PartitionKey(table)
	members(item, func(name string, typed []byte) {
		if name != partition {
			return
		}
		members(typed, func(kind string, value []byte) {
			if kind == "S" {
				key = unquote(value)
			}
		})
	})
	return key
}

// named gives the ARN of the table, index or stream that a request is about.
func (s Scope) named(body []byte) string {
	var resource, index string
	members(body, func(name string, value []byte) {
		switch name {
		case "TableName":
			resource = s.table(unquote(value))
		case "IndexName":
			index = unquote(value)
		case "ResourceArn", "StreamArn":
			resource = unquote(value)
		case "ShardIterator":
			resource = streamOf(unquote(value))
		}
	})
	if resource != "" && index != "" {
		return resource + "/index/" + index
	}
	return resource
}

// table gives the ARN of a table, which requests may also name by its ARN.
func (s Scope) table(name string) string {
	if name == "" || strings.HasPrefix(name, "arn:") {
		return name
	}
	return s.arn("dynamodb", "table/"+name)
}

// streamOf takes the stream's ARN out of a shard iterator, which begins with it.
func streamOf(iterator string) string {
	arn, _, _ := strings.Cut(iterator, "|")
	return arn
}

// batch gives one call for each table: batches have actions of their own.
func (s Scope) batch(action string, body []byte) []Call {
	var calls []Call
	members(body, func(name string, requests []byte) {
		if name == "RequestItems" {
			members(requests, func(table string, _ []byte) { calls = add(calls, action, s.table(table)) })
		}
	})
	return calls
}

// actionOf names the actions that the elements of transactions need: transactions
// have none of their own.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
func actionOf(element string) string {
	switch element {
	case "Put", "Update", "Delete", "Get":
		return "dynamodb:" + element + "Item"
	case "ConditionCheck":
		return "dynamodb:ConditionCheckItem"
	}
	return ""
}

// transaction gives the calls of a transaction's elements.
func (s Scope) transaction(body []byte) []Call {
	var calls []Call
	members(body, func(name string, items []byte) {
		if name == "TransactItems" {
			elements(items, func(item []byte) { calls = s.element(calls, item) })
		}
	})
	return calls
}

func (s Scope) element(calls []Call, item []byte) []Call {
	members(item, func(kind string, request []byte) {
		action, table := actionOf(kind), s.named(request)
		if action != "" && table != "" {
			calls = add(calls, action, table)
		}
	})
	return calls
}
