package dynamo

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/watch"
)

// inEdition begins an update of the owner's row that is made together with another write of a destination.
// If that is declared, the update has to have editionCondition, and its value.
func (s *Store) inEdition(d delivery.Destination) *types.Update {
	u := &types.Update{TableName: &s.tables.Destinations, Key: ownerKey(d.Subject), ExpressionAttributeValues: map[string]types.AttributeValue{}}
	if d.Name != "" {
		u.ExpressionAttributeValues[":before"] = num(d.Edition - 1)
	}
	return u
}

// editionCondition holds while the edition of a declared destination has not ended. It is empty for a
// client's.
func editionCondition(d delivery.Destination, joined string) string {
	switch {
	case d.Name == "":
		return ""
	case d.Edition > 1:
		return joined + "edition = :before"
	}
	return joined + "(attribute_not_exists(edition) OR edition = :before)"
}

// Declaration reads what was declared last: a read unit.
func (s *Store) Declaration(ctx context.Context) (d delivery.Declaration, err error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.tables.Destinations, Key: ownerKey(watch.Deployer), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return d, fmt.Errorf("read the declaration: %w", translate(err))
	}
	d.Edition, _ = integer(out.Item, "edition") // 0 if there is none
	d.Digest, d.Pending, d.Since = text(out.Item, "declared"), text(out.Item, "pending"), instantMillis(out.Item, "since")
	return d, nil
}

// NoteDeclaration costs a write unit.
func (s *Store) NoteDeclaration(ctx context.Context, was, now delivery.Declaration) error {
	input := &dynamodb.UpdateItemInput{
		TableName: &s.tables.Destinations, Key: ownerKey(watch.Deployer),
		UpdateExpression: aws.String("SET declared = :declared, edition = :edition REMOVE pending, since"), ConditionExpression: aws.String("edition = :was"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":declared": str(now.Digest), ":edition": num(now.Edition), ":was": num(was.Edition)},
	}
	if was.Edition == 0 {
		input.ConditionExpression = aws.String("attribute_not_exists(edition) OR edition = :was")
	}
	if !now.Since.IsZero() {
		input.UpdateExpression = aws.String("SET declared = :declared, edition = :edition, pending = :pending, since = :since")
		input.ExpressionAttributeValues[":pending"], input.ExpressionAttributeValues[":since"] = str(now.Pending), millis(now.Since)
	}
	err := apart(ctx, func() error {
		_, err := s.db.UpdateItem(ctx, input)
		return err
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return fmt.Errorf("note the declaration: %w", delivery.ErrOvertaken)
	}
	if err != nil {
		return fmt.Errorf("note the declaration: %w", err)
	}
	return nil
}
