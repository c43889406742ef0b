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
	GlobalSecondaryIndexes []struct {
		IndexName  string
		KeySchema  []keyElement
		Projection struct{ ProjectionType string }
	} `json:",omitempty"`
	StreamSpecification *struct{ StreamViewType string }
}

type attribute struct{ AttributeName, AttributeType string }

type keyElement struct{ AttributeName, KeyType string }

// tablesAsDeclared compares keys, indexes and stream of the six tables.
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
	return errors.Join(append(faults, same("number of tables", len(ids), 6))...)
}

// recode takes a struct of the SDK into one of ours with the same names.
func recode(from, into any) error {
	data, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// ttl is how the template lets a table's items expire.
type ttl struct {
	TimeToLiveSpecification struct {
		AttributeName string
		Enabled       bool
	}
}

// eachExpiry gives each table with how its items expire; the template lets all do so.
func (d *deployment) eachExpiry(ctx context.Context, check func(id string, got *types.TimeToLiveDescription) error) error {
	var faults []error
	for _, id := range d.Template.IDs("AWS::DynamoDB::Table") {
		var want ttl
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
		faults = append(faults, check(id, got.TimeToLiveDescription))
	}
	return errors.Join(faults...)
}

func (d *deployment) expiryAsDeclared(ctx context.Context) error {
	return d.eachExpiry(ctx, func(id string, got *types.TimeToLiveDescription) error {
		return errors.Join(same("expiry of "+id, got.TimeToLiveStatus, types.TimeToLiveStatusEnabled),
			same("the attribute of "+id, aws.ToString(got.AttributeName), "expiresAt"))
	})
}

// expiryIsLeftOut is true of an emulator that ignores TimeToLiveSpecification.
func (d *deployment) expiryIsLeftOut(ctx context.Context) error {
	return d.eachExpiry(ctx, func(id string, got *types.TimeToLiveDescription) error {
		if got.TimeToLiveStatus != types.TimeToLiveStatusDisabled {
			return fmt.Errorf("%s: expiry is now on: check it as ok", id)
		}
		return nil
	})
}

// eachRecovery gives each table with what the template says of its point-in-time recovery, which it sets
// for the tables of user data, and with what there is.
func (d *deployment) eachRecovery(ctx context.Context, check func(id string, want bool, got types.PointInTimeRecoveryStatus) error) error {
	var faults []error
	for _, id := range d.Template.IDs("AWS::DynamoDB::Table") {
		var want struct {
			PointInTimeRecoverySpecification struct{ PointInTimeRecoveryEnabled bool }
		}
		if err := d.want(id, &want); err != nil {
			return err
		}
		backed := want.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled
		if throwAway := id == "Connections" || id == "Subscriptions"; backed == throwAway {
			return fmt.Errorf("our template backs %s up: %t", id, backed)
		}
		got, err := d.dynamodb.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: aws.String(d.physical[id])})
		if err != nil {
			return err
		}
		faults = append(faults, check(id, backed, got.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus))
	}
	return errors.Join(faults...)
}

func (d *deployment) recoveryAsDeclared(ctx context.Context) error {
	return d.eachRecovery(ctx, func(id string, want bool, got types.PointInTimeRecoveryStatus) error {
		return same("recovery of "+id, got == types.PointInTimeRecoveryStatusEnabled, want)
	})
}

// recoveryIsLeftOut is true of an emulator that ignores PointInTimeRecoverySpecification.
func (d *deployment) recoveryIsLeftOut(ctx context.Context) error {
	return d.eachRecovery(ctx, func(id string, _ bool, got types.PointInTimeRecoveryStatus) error {
		if got != types.PointInTimeRecoveryStatusDisabled {
			return fmt.Errorf("%s: recovery is now on: check it as ok", id)
		}
		return nil
	})
}

// eachProtection gives each table with whether the template protects it from deletion, and whether it is.
func (d *deployment) eachProtection(ctx context.Context, check func(id string, want, got bool) error) error {
	var faults []error
	protected := 0
	for _, id := range d.Template.IDs("AWS::DynamoDB::Table") {
		var want struct{ DeletionProtectionEnabled bool }
		described, err := d.dynamodb.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(d.physical[id])})
		if err := errors.Join(err, d.want(id, &want)); err != nil {
			return err
		}
		if want.DeletionProtectionEnabled {
			protected++
		}
		faults = append(faults, check(id, want.DeletionProtectionEnabled, aws.ToBool(described.Table.DeletionProtectionEnabled)))
	}
	return errors.Join(append(faults, same("tables that our template protects", protected, protectedTables))...)
}

// protectedTables is how many tables the template protects: those of user data.
const protectedTables = 4

func (d *deployment) protectionAsDeclared(ctx context.Context) error {
	return d.eachProtection(ctx, func(id string, want, got bool) error { return same("protection of "+id, got, want) })
}

// protectionIsLeftOut is true of an emulator that ignores DeletionProtectionEnabled.
func (d *deployment) protectionIsLeftOut(ctx context.Context) error {
	return d.eachProtection(ctx, func(id string, _, got bool) error {
		if got {
			return errors.New(id + " is protected now: check it as ok")
		}
		return nil
	})
}
