package dynamo

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// publicationCounts is true if the item is not by a later publication of the same publisher.
// Publications of two connections are not ordered, and a removed item has nothing to compare.
const publicationCounts = "(attribute_not_exists(#stamp.#by) OR #stamp.#by <> :by OR #stamp.#order < :order)"

// stamp is the attribute that tells publications of an item apart: which one it is, of what
// content, by which publisher and in which order.
func stamp(p watch.Publication) *types.AttributeValueMemberM {
	return &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{
		"mark": str(p.Mark), "sum": str(digest(p)), "by": str(p.Publisher), "order": order(p.Order),
	}}
}

// digest is the same for the same content.
func digest(p watch.Publication) string {
	content := string(p.Item.Data)
	if p.ExpiresAt != nil {
		content += fmt.Sprint(" ", *p.ExpiresAt)
	}
	hash := sha256.Sum256([]byte(content))
	return base64.RawURLEncoding.EncodeToString(hash[:8])
}

// stampOf gives the stamp of an item, nil if there is none.
func stampOf(item map[string]types.AttributeValue) map[string]types.AttributeValue {
	return mapIn(item, events.PublicationAttribute)
}

// markOf gives the mark of the publication that has made a change. A change that leaves the
// stamp as it was is not by a publication.
func markOf(before, item map[string]types.AttributeValue) string {
	if now := stampOf(item); !reflect.DeepEqual(now, stampOf(before)) {
		return text(now, "mark")
	}
	return ""
}

// overtaken reports whether an item is by a later publication of the same publisher.
func overtaken(p watch.Publication, item map[string]types.AttributeValue) bool {
	there := stampOf(item)
	return p.Publisher != "" && text(there, "by") == p.Publisher && orderIn(there, "order") >= p.Order
}

// putting is an item that is being put.
type putting struct {
	watch.Publication
	row   map[string]types.AttributeValue
	there map[string]types.AttributeValue // the item in its place, as far as is known
}

// expiryAndStamp reads these two of an item; nil if it is not there.
func (s *Store) expiryAndStamp(ctx context.Context, p watch.Publication) (map[string]types.AttributeValue, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.tables.Events, Key: itemKey(p.Topic, p.Item.ID), ConsistentRead: aws.Bool(true),
		ProjectionExpression: aws.String("expiresAt, #stamp"), ExpressionAttributeNames: map[string]string{"#stamp": events.PublicationAttribute},
	})
	if err != nil {
		return nil, fmt.Errorf("get item of %s: %w", p.Topic, translate(err))
	}
	return out.Item, nil
}

// done reports whether the item is there, by this publication.
func (p putting) done() bool {
	there := stampOf(p.there)
	return p.Mark != "" && text(there, "mark") == p.Mark && text(there, "sum") == digest(p.Publication)
}

// taken reports whether there is an item in the place that readers see.
func (p putting) taken(now time.Time) bool { return p.there["id"] != nil && !expired(p.there, now) }

// put writes the item if nothing is in its way. If something is, it gives the item that is
// there.
func (s *Store) put(ctx context.Context, p putting) (there map[string]types.AttributeValue, err error) {
	input := &dynamodb.PutItemInput{
		TableName: &s.tables.Events, Item: p.row,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	s.guard(p, input)
	_, err = s.db.PutItem(ctx, input)
	var refused smithy.APIError
	switch failed := (*types.ConditionalCheckFailedException)(nil); {
	case errors.As(err, &failed) && failed.Item == nil: // it was deleted meanwhile
		return map[string]types.AttributeValue{}, nil
	case errors.As(err, &failed):
		return failed.Item, nil
	case errors.As(err, &refused) && refused.ErrorCode() == "ValidationException":
		return nil, fmt.Errorf("%w: %s", watch.ErrBadItem, refused.ErrorMessage())
	case err != nil:
		return nil, fmt.Errorf("put item of %s: %w", p.Topic, translate(err))
	}
	return nil, nil
}

// guard makes the condition of a put, and has the item keep its expiresAt.
func (s *Store) guard(p putting, input *dynamodb.PutItemInput) {
	names, values := map[string]string{}, map[string]types.AttributeValue{}
	var conditions []string
	if p.Publisher != "" {
		conditions = append(conditions, publicationCounts)
		names["#stamp"], names["#by"], names["#order"] = events.PublicationAttribute, "by", "order"
		values[":by"], values[":order"] = str(p.Publisher), order(p.Order)
		if text(stampOf(p.there), "mark") != p.Mark { // else it has other content
			conditions = append(conditions, "(attribute_not_exists(#stamp.#mark) OR #stamp.#mark <> :mark)")
			names["#mark"], values[":mark"] = "mark", str(p.Mark)
		}
	}
	kept := p.there["expiresAt"]
	switch {
	case p.OnlyNew && p.there["id"] == nil:
		conditions = append(conditions, "attribute_not_exists(#id)")
		names["#id"] = "id"
	case p.OnlyNew: // it has expired
		conditions = append(conditions, "expiresAt = :kept")
		values[":kept"] = kept
	}
	switch {
	case p.OnlyNew && p.ExpiresAt == nil:
	case p.ExpiresAt != nil && *p.ExpiresAt != 0:
		p.row["expiresAt"] = num(*p.ExpiresAt)
	case p.ExpiresAt != nil:
	case kept == nil:
		conditions = append(conditions, "attribute_not_exists(expiresAt)")
	default:
		conditions = append(conditions, "expiresAt = :kept")
		values[":kept"] = kept
		if !expired(p.there, s.now()) {
			p.row["expiresAt"] = kept
		}
	}
	if len(conditions) > 0 {
		input.ConditionExpression = aws.String(strings.Join(conditions, " AND "))
	}
	if len(names) > 0 {
		input.ExpressionAttributeNames = names
	}
	if len(values) > 0 {
		input.ExpressionAttributeValues = values
	}
}

// Remove deletes an item of the Events table, if it is there.
func (s *Store) Remove(ctx context.Context, p watch.Publication) error {
	deletion := &dynamodb.DeleteItemInput{TableName: &s.tables.Events, Key: itemKey(p.Topic, p.Item.ID)}
	if p.Publisher != "" {
		deletion.ConditionExpression = aws.String(publicationCounts)
		deletion.ExpressionAttributeNames = map[string]string{"#stamp": events.PublicationAttribute, "#by": "by", "#order": "order"}
		deletion.ExpressionAttributeValues = map[string]types.AttributeValue{":by": str(p.Publisher), ":order": order(p.Order)}
	}
	_, err := s.db.DeleteItem(ctx, deletion)
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		err = watch.ErrOvertaken
	}
	if err != nil {
		return fmt.Errorf("delete item of %s: %w", p.Topic, translate(err))
	}
	return nil
}
