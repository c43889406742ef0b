package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/watchroute/watchroute/shared/watch"
)

// streams reads DynamoDB streams by sequence numbers.
type streams struct {
	client *dynamodbstreams.Client
}

// read gives each record of a batch to take, in order, until that fails. whole is false if
// some of the records, or all, are not in the stream any more: it keeps them for 24 hours.
func (s streams) read(ctx context.Context, b batch, visit func(types.Record) error) (whole bool, err error) {
	at, whole, err := s.start(ctx, b)
	for err == nil && at != nil {
		var page *dynamodbstreams.GetRecordsOutput
		if page, err = s.client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: at}); err != nil {
			break
		}
		for _, record := range page.Records {
			after := watch.Position(*record.Dynamodb.SequenceNumber).Compare(watch.Position(b.End))
			if after <= 0 {
				if err := visit(record); err != nil {
					return whole, err
				}
			}
			if after >= 0 {
				return whole, nil
			}
		}
		at = page.NextShardIterator // nil at the end of a closed shard
	}
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return whole, fmt.Errorf("read %s from %s of %s: %w", b.ShardID, b.Start, b.StreamARN, err)
	}
	return whole, nil
}

// start gives an iterator at the first record of a batch. If that is trimmed, it is at the
// oldest record that the shard has, and whole is false; if the last is trimmed too, that is
// the error.
func (s streams) start(ctx context.Context, b batch) (at *string, whole bool, err error) {
	if at, err = s.iterator(ctx, b, types.ShardIteratorTypeAtSequenceNumber, &b.Start); !gone(err) {
		return at, true, err
	}
	if _, err = s.iterator(ctx, b, types.ShardIteratorTypeAtSequenceNumber, &b.End); err != nil {
		return nil, false, err
	}
	at, err = s.iterator(ctx, b, types.ShardIteratorTypeTrimHorizon, nil)
	return at, false, err
}

func (s streams) iterator(ctx context.Context, b batch, kind types.ShardIteratorType, number *string) (*string, error) {
	out, err := s.client.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
		StreamArn: aws.String(b.StreamARN), ShardId: aws.String(b.ShardID), ShardIteratorType: kind, SequenceNumber: number,
	})
	if err != nil {
		return nil, err
	}
	return out.ShardIterator, nil
}

// gone tells whether an error says that records, their shard or their stream are not there
// any more.
func gone(err error) bool {
	var trimmed *types.TrimmedDataAccessException
	var missing *types.ResourceNotFoundException
	return errors.As(err, &trimmed) || errors.As(err, &missing)
}
