package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// table is what a table's definition and its description have in common.
type table struct {
	AttributeDefinitions  []attribute
	KeySchema             []keyElement
	LocalSecondaryIndexes []struct {
		IndexName  string
		KeySchema  []keyElement
		Projection struct{ ProjectionType string }
	} `json:",omitempty"`
	StreamSpecification       *struct{ StreamViewType string }
	DeletionProtectionEnabled bool
}

type attribute struct{ AttributeName, AttributeType string }

type keyElement struct{ AttributeName, KeyType string }

// tablesAsDeclared compares keys, index, stream and protection of the five tables.
func (d *deployment) tablesAsDeclared(ctx context.Context) error {
	var faults []error
	ids := d.Template.IDs("AWS::DynamoDB::Table")
	for _, id := range ids {
		var got, want table
		described, err := d.dynamodb.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(d.physical[id])})
		if err != nil {
			return err
		}
		if err := errors.Join(recode(described.Table, &got), d.want(id, &want)); err != nil {
			return err
		}
		faults = append(faults, same(id, got, want))
	}
	return errors.Join(append(faults, same("number of tables", len(ids), 5))...)
}

// recode takes a struct of the SDK into one of ours with the same names.
func recode(from, into any) error {
	data, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// expiryIsLeftOut is true of an emulator that ignores TimeToLiveSpecification,
// which the template has for every table.
func (d *deployment) expiryIsLeftOut(ctx context.Context) error {
	for _, id := range d.Template.IDs("AWS::DynamoDB::Table") {
		var want struct {
			TimeToLiveSpecification struct {
				AttributeName string
				Enabled       bool
			}
		}
		if err := d.want(id, &want); err != nil {
			return err
		}
		if ttl := want.TimeToLiveSpecification; ttl.AttributeName != "expiresAt" || !ttl.Enabled {
			return fmt.Errorf("our template lets %s expire by %+v", id, ttl)
		}
		got, err := d.dynamodb.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(d.physical[id])})
		if err != nil {
			return err
		}
		if got.TimeToLiveDescription.TimeToLiveStatus != types.TimeToLiveStatusDisabled {
			return fmt.Errorf("%s: expiry is now on: check it as ok", id)
		}
	}
	return nil
}

// recoveryIsLeftOut is true of an emulator that ignores
// PointInTimeRecoverySpecification, which the template has for the tables of user data.
func (d *deployment) recoveryIsLeftOut(ctx context.Context) error {
	for _, id := range d.Template.IDs("AWS::DynamoDB::Table") {
		var want struct {
			PointInTimeRecoverySpecification struct{ PointInTimeRecoveryEnabled bool }
		}
		if err := d.want(id, &want); err != nil {
			return err
		}
		throwAway := id == "Connections" || id == "Subscriptions"
		if want.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled == throwAway {
			return fmt.Errorf("our template backs %s up: %t", id, !throwAway)
		}
		got, err := d.dynamodb.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: aws.String(d.physical[id])})
		if err != nil {
			return err
		}
		if got.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != types.PointInTimeRecoveryStatusDisabled {
			return fmt.Errorf("%s: recovery is now on: check it as ok", id)
		}
	}
	return nil
}
