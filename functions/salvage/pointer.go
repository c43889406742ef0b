package main

import (
	"encoding/json"
	"errors"
	"fmt"
)

// pointer is what Lambda sends to the failure destination of a stream's mapping: it names
// the records that were given up, and does not carry them.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
type pointer struct {
	Request struct {
		FunctionARN string `json:"functionArn"`
		Condition   string `json:"condition"` // RetryAttemptsExhausted, RecordAgeExceeded
		Invocations int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	Batch batch `json:"DDBStreamBatchInfo"`
}

// batch is where the records are: all those of a shard from the first to the last.
type batch struct {
	StreamARN string `json:"streamArn"`
	ShardID   string `json:"shardId"`
	Start     string `json:"startSequenceNumber"`
	End       string `json:"endSequenceNumber"`
	Size      int    `json:"batchSize"`
}

func parsePointer(body string) (pointer, error) {
	var p pointer
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		return p, fmt.Errorf("read pointer: %w", err)
	}
	if b := p.Batch; b.StreamARN == "" || b.ShardID == "" || b.Start == "" || b.End == "" {
		return p, errors.New("message is no pointer to records of a DynamoDB stream")
	}
	return p, nil
}
