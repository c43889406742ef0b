package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// Connect keeps a connection's row: one write unit. Doing so twice is no error.
func (s *Store) Connect(ctx context.Context, c watch.Connection) error {
	row := connectionKey(c.Key)
	row["expiresAt"] = unix(c.Ends())
	row["connectedAt"] = num(c.Connected.UnixMilli())
	row[watchesMap], row[leftMap] = &types.AttributeValueMemberM{}, &types.AttributeValueMemberM{}
	maps.Copy(row, tokenRow(c.Access))
	if _, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.tables.Connections, Item: row}); err != nil {
		return fmt.Errorf("put connection %s: %w", c.ID, translate(err))
	}
	return nil
}

// Connections reads the connections of a subject, as far as they are not to have ended
// long ago: one read unit for every 4 KB of their rows, which are some forty, or an eighth of one
// that watches a hundred topics with long names.
func (s *Store) Connections(ctx context.Context, subject string) ([]watch.Connection, error) {
	pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
		TableName:                 &s.tables.Connections,
		KeyConditionExpression:    aws.String("subject = :subject AND connectionId > :purses"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":subject": str(subject), ":purses": str(pursesEnd)},
		ConsistentRead:            aws.Bool(true),
	})
	now := s.now()
	var all []watch.Connection
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read connections of a subject: %w", translate(err))
		}
		for _, row := range page.Items {
			if expired(row, now) {
				continue
			}
			c, err := connection(row)
			if err != nil {
				return nil, fmt.Errorf("read connections of a subject: %w", err)
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// connection reads what Connect wrote. The grant is not in it.
func connection(row map[string]types.AttributeValue) (watch.Connection, error) {
	connected, err := integer(row, "connectedAt")
	if err != nil {
		return watch.Connection{}, err
	}
	return watch.Connection{
		Key:       watch.Key{Subject: text(row, "subject"), ID: watch.ConnectionID(text(row, "connectionId"))},
		Connected: time.UnixMilli(connected),
		Access:    tokenOf(row),
	}, nil
}

// tokenRow is what is kept of every token, for revocations: times in seconds, as tokens
// have them.
func tokenRow(a watch.Access) map[string]types.AttributeValue {
	row := map[string]types.AttributeValue{}
	if a.TokenID != "" {
		row["tokenId"] = str(a.TokenID)
	}
	if !a.Issued.IsZero() {
		row["issuedAt"] = unix(a.Issued)
	}
	return row
}

func tokenOf(row map[string]types.AttributeValue) watch.Access {
	return watch.Access{TokenID: text(row, "tokenId"), Issued: instant(row, "issuedAt")}
}

// Session reads a connection's row: one read unit for every 4 KB of topic names.
func (s *Store) Session(ctx context.Context, key watch.Key) (watch.Session, error) {
	now := s.now()
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(key), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return watch.Session{}, fmt.Errorf("get connection %s: %w", key.ID, translate(err))
	}
	if out.Item == nil || expired(out.Item, now) {
		return watch.Session{}, fmt.Errorf("get connection %s: %w", key.ID, watch.ErrNotConnected)
	}
	subscribes, _ := integer(out.Item, "subscribes") // there is none before the first
	session := watch.Session{Topics: topicsOf(out.Item), Orders: ordersOf(out.Item), Shards: shardsIn(out.Item), Subscribes: int(subscribes)}
	if _, refreshed := out.Item["grant"]; refreshed { // with the empty text if it grants nothing
		access := tokenOf(out.Item)
		access.Expires = instant(out.Item, "tokenExpiresAt")
		if out.Item["auth"] != nil {
			access.Order = orderIn(out.Item, "auth")
		}
		if access.Grant, err = grant.Decode(text(out.Item, "grant")); err != nil {
			return watch.Session{}, fmt.Errorf("get connection %s: %w", key.ID, err)
		}
		session.Access = &access
	}
	return session, nil
}

// Refresh keeps the grant of another token in the connection's row, unless that of a later auth
// is there: one write unit for every 1 KB of the row.
func (s *Store) Refresh(ctx context.Context, key watch.Key, a watch.Access) error {
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(key),
		UpdateExpression:         aws.String("SET #grant = :grant, tokenExpiresAt = :expires, issuedAt = :issued, tokenId = :id, #auth = :auth"),
		ConditionExpression:      aws.String("attribute_exists(connectionId) AND (attribute_not_exists(#auth) OR #auth <= :auth)"),
		ExpressionAttributeNames: map[string]string{"#grant": "grant", "#auth": "auth"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":grant": str(a.Grant.String()), ":expires": unix(a.Expires), ":issued": unix(a.Issued), ":id": str(a.TokenID), ":auth": order(cmp.Or(a.Order, watch.Unordered)),
		},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	failed := (*types.ConditionalCheckFailedException)(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed) && failed.Item != nil:
		err = watch.ErrOvertaken
	case failed != nil:
		err = watch.ErrNotConnected
	default:
		err = translate(err)
	}
	return fmt.Errorf("refresh connection %s: %w", key.ID, err)
}

// Forget deletes the connection's row, which lists its topics, and then its subscriptions. It costs
// one write unit, and one for each subscription and each presence, without a read. It deletes subs even
// if the row does not list them. Forgetting twice is no error.
func (s *Store) Forget(ctx context.Context, key watch.Key, subs []watch.Subscription) error {
	out, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &s.tables.Connections, Key: connectionKey(key), ReturnValues: types.ReturnValueAllOld,
	})
	if err != nil {
		return fmt.Errorf("delete connection %s: %w", key.ID, translate(err))
	}
	locations := map[location]bool{} // a pattern may be given for each of its topics
	presences := map[presence]bool{}
	for _, sub := range subs {
		locations[location{sub.Topic, sub.Shard}] = true
		if sub.Presence != "" {
			presences[presence{key, sub.Topic, sub.Order}] = true
		}
	}
	for topic := range ordersOf(out.Attributes) {
		locations[location{topic, shardIn(out.Attributes, topic)}] = true
		if at := presentBy(out.Attributes, topic); at != watch.Unordered {
			presences[presence{key, topic, at}] = true
		}
	}
	subs = nil
	for at := range locations {
		subs = append(subs, watch.Subscription{Key: key, Topic: at.topic, Shard: at.shard})
	}
	if err = s.deleteSubscriptions(ctx, subs); err != nil {
		err = fmt.Errorf("delete subscriptions of %s: %w", key.ID, translate(err))
	}
	return errors.Join(err, s.leavePresences(ctx, presences))
}

// location is where a subscription is in the table.
type location struct {
	topic events.Topic
	shard int
}

func connectionKey(key watch.Key) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"subject": str(key.Subject), "connectionId": str(string(key.ID))}
}
