package dynamo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// headSeq is the sort key of a topic's head. Changes are numbered from 1.
const headSeq = 0

// Head reads a topic's head with one consistent read of less than 4 KB: one read
// unit. A topic without one has the zero Head.
func (s *Store) Head(ctx context.Context, topic events.Topic) (watch.Head, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.tables.Changes, Key: rowKey(topic, headSeq), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return watch.Head{}, fmt.Errorf("get head of %s: %w", topic, translate(err))
	}
	return headIn(topic, out.Item)
}

// headIn reads a topic's head from its row, which may be missing.
func headIn(topic events.Topic, row map[string]types.AttributeValue) (watch.Head, error) {
	if row == nil {
		return watch.Head{}, nil
	}
	last, err := integer(row, "last")
	if err != nil {
		return watch.Head{}, fmt.Errorf("read head of %s: %w", topic, err)
	}
	lanes, _ := integer(row, "lanes") // 0 if there are none
	wanted, _ := integer(row, "wanted")
	return watch.Head{
		Lanes: int(lanes), Wanted: int(wanted),
		Cursor:   events.Cursor{Epoch: text(row, "epoch"), Seq: last},
		Stream:   watch.Stream(text(row, "stream")),
		Position: watch.Position(text(row, "position")),
		First:    flag(row, "first"),
	}, nil
}

// Heads reads the heads of topics, up to maxGets with one call: one read unit for each of them. A
// topic without one has the zero Head.
func (s *Store) Heads(ctx context.Context, topics []events.Topic) (map[events.Topic]watch.Head, error) {
	rows, err := s.headRows(ctx, topics, true)
	if err != nil {
		return nil, fmt.Errorf("get the heads of %d topics: %w", len(topics), translate(err))
	}
	heads := make(map[events.Topic]watch.Head, len(topics))
	for _, topic := range topics {
		if heads[topic], err = headIn(topic, rows[topic]); err != nil {
			return nil, err
		}
	}
	return heads, nil
}

// headRows reads the rows of topics' heads.
func (s *Store) headRows(ctx context.Context, topics []events.Topic, consistent bool) (map[events.Topic]map[string]types.AttributeValue, error) {
	found := make(map[events.Topic]map[string]types.AttributeValue, len(topics))
	for some := range slices.Chunk(topics, maxGets) {
		keys := make([]map[string]types.AttributeValue, len(some))
		for i, topic := range some {
			keys[i] = rowKey(topic, headSeq)
		}
		rows, err := s.batchGet(ctx, s.tables.Changes, types.KeysAndAttributes{Keys: keys, ConsistentRead: aws.Bool(consistent)})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			found[events.Topic(text(row, "topic"))] = row
		}
	}
	return found, nil
}

// Glance reads the cursors of topics' heads: half a read unit for each of them.
func (s *Store) Glance(ctx context.Context, topics []events.Topic) (map[events.Topic]events.Cursor, error) {
	rows, err := s.headRows(ctx, topics, false)
	if err != nil {
		return nil, fmt.Errorf("glance at the heads of %d topics: %w", len(topics), translate(err))
	}
	stands := make(map[events.Topic]events.Cursor, len(rows))
	for topic, row := range rows {
		head, err := headIn(topic, row)
		if err != nil {
			return nil, err
		}
		stands[topic] = head.Cursor
	}
	return stands, nil
}

// ChangedAt reads when the change with a number was made; kept is false if its row is not there, or its
// time to live has passed. It costs a read unit for every 4 KB of the row, whatever is asked of it.
func (s *Store) ChangedAt(ctx context.Context, topic events.Topic, seq int64) (at time.Time, kept bool, err error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.tables.Changes, Key: rowKey(topic, seq), ConsistentRead: aws.Bool(true),
		ProjectionExpression: aws.String("#at, expiresAt"), ExpressionAttributeNames: map[string]string{"#at": "at"},
	})
	if err != nil {
		return at, false, fmt.Errorf("get change %d of %s: %w", seq, topic, translate(err))
	}
	if out.Item == nil || expired(out.Item, s.now()) {
		return at, false, nil
	}
	n, err := integer(out.Item, "at")
	if err != nil {
		return at, false, fmt.Errorf("get change %d of %s: %w", seq, topic, err)
	}
	return time.UnixMilli(n), true, nil
}

func (s *Store) moveHead(topic events.Topic, from, to watch.Head) *types.Update {
	update := &types.Update{
		TableName: &s.tables.Changes, Key: rowKey(topic, headSeq),
		UpdateExpression:         aws.String("SET #last = :last, epoch = :epoch, #stream = :stream, #position = :position, #first = :first"),
		ConditionExpression:      aws.String("attribute_not_exists(topic)"),
		ExpressionAttributeNames: map[string]string{"#last": "last", "#stream": "stream", "#position": "position", "#first": "first"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":last": num(to.Seq), ":epoch": str(to.Epoch), ":stream": str(string(to.Stream)), ":position": str(string(to.Position)),
			":first": &types.AttributeValueMemberBOOL{Value: to.First},
		},
	}
	if from.Epoch != "" {
		condition, lanes := lanesCondition(from.Lanes)
		if lanes != nil {
			update.ExpressionAttributeValues[":lanes"] = lanes
		}
		update.ConditionExpression = aws.String("#last = :fromLast AND epoch = :fromEpoch AND " + condition)
		update.ExpressionAttributeValues[":fromLast"] = num(from.Seq)
		update.ExpressionAttributeValues[":fromEpoch"] = str(from.Epoch)
	}
	return update
}

func (s *Store) entryRow(e watch.Entry) map[string]types.AttributeValue {
	row := rowKey(e.Topic, e.Seq)
	row["epoch"] = str(e.Epoch)
	row["id"] = str(e.ID)
	row["op"] = str(string(e.Op))
	row["at"] = num(time.Time(e.Time).UnixMilli())
	row["position"] = str(string(e.Position))
	row["lapse"] = str(cmp.Or(string(e.Lapse), noLapse))
	row["expiresAt"] = unix(s.now().Add(s.Retention))
	if e.Data != nil {
		row["data"] = str(string(e.Data))
	}
	if e.Before != nil {
		putBefore(row, e)
	}
	if e.Mark != "" {
		row["mark"] = str(e.Mark)
	}
	if e.High != e.Position {
		row["high"] = str(string(e.High))
	}
	if e.Expired {
		row["expired"] = &types.AttributeValueMemberBOOL{Value: true}
	}
	if e.Large {
		row["large"] = &types.AttributeValueMemberBOOL{Value: true}
	}
	return row
}

// putBefore keeps the state before: as a difference from the data if that is smaller, else the
// whole state.
func putBefore(row map[string]types.AttributeValue, e watch.Entry) {
	if e.Data != nil {
		if text := differing(e.Before, e.Data); text != "" {
			row["undo"] = str(text)
			return
		}
	}
	row["before"] = str(string(e.Before))
}

// noLapse stands for the zero Lapse in a row, in as many bytes as the others: the size of a row
// must not tell whether an item that a view hides has expired.
const noLapse = "-"

// Before reads log rows backwards. It gives at most 1 MB of them, so it may stop
// short of limit while there are more.
func (s *Store) Before(ctx context.Context, topic events.Topic, seq int64, limit int) ([]watch.Entry, error) {
	query := s.logQuery(topic, headSeq+1, seq)
	query.ScanIndexForward, query.Limit = aws.Bool(false), aws.Int32(int32(limit))
	out, err := s.db.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read log of %s before %d: %w", topic, seq, translate(err))
	}
	entries := make([]watch.Entry, len(out.Items))
	for i, row := range out.Items {
		if entries[i], err = entry(topic, row); err != nil {
			return nil, fmt.Errorf("read log of %s before %d: %w", topic, seq, err)
		}
	}
	return entries, nil
}

// Since reads up to 1 MB of the log rows with from < seq <= to, in order. It costs at most one read
// unit for every 4 KB. It leaves out rows whose time to live has passed, even if DynamoDB has not
// deleted them yet.
//
// Each row counts as if it held the whole state before, both for the end of the page and for the
// cost reported to the meter. A reader therefore cannot learn how much an item has changed in
// members that its view hides.
func (s *Store) Since(ctx context.Context, topic events.Topic, from, to int64) ([]watch.Entry, error) {
	now := s.now()
	out, err := s.db.Query(ctx, s.logQuery(topic, from+1, to))
	if err != nil {
		return nil, fmt.Errorf("read log of %s since %d: %w", topic, from, translate(err))
	}
	entries := make([]watch.Entry, 0, len(out.Items))
	bytes := 0
	for _, row := range out.Items {
		e, err := entry(topic, row)
		if err != nil {
			return nil, fmt.Errorf("read log of %s since %d: %w", topic, from, err)
		}
		if !expired(row, now) {
			entries = append(entries, e)
		}
		if bytes += wholeBytes(row, e); bytes >= pageBytes {
			break
		}
	}
	read := max(1, (bytes+readUnitBytes-1)/readUnitBytes)
	watch.MeterOf(ctx).Spend(float64(read)-units(out.ConsumedCapacity), 0)
	return entries, nil
}

// A read unit covers readUnitBytes. A query ends with the row that reaches pageBytes.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
const (
	readUnitBytes = 4 << 10
	pageBytes     = 1 << 20
)

// wholeBytes is the size of a row that holds the whole state before, or a little more, because
// numbers may take fewer bytes.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func wholeBytes(row map[string]types.AttributeValue, e watch.Entry) (bytes int) {
	for name, value := range row {
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			bytes += len(name) + len(v.Value)
		case *types.AttributeValueMemberN:
			bytes += len(name) + (len(v.Value)+1)/2 + 1
		default:
			bytes += len(name) + 1
		}
	}
	if difference := text(row, "undo"); difference != "" {
		bytes += len("before") + len(e.Before) - len("undo") - len(difference)
	}
	return bytes
}

// logQuery reads the log rows from first to last, both included.
func (s *Store) logQuery(topic events.Topic, first, last int64) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName:              &s.tables.Changes,
		KeyConditionExpression: aws.String("topic = :topic AND seq BETWEEN :first AND :last"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":topic": str(string(topic)), ":first": num(first), ":last": num(last),
		},
		ConsistentRead: aws.Bool(true),
	}
}

// entry reads what entryRow wrote.
func entry(topic events.Topic, row map[string]types.AttributeValue) (watch.Entry, error) {
	seq, err := integer(row, "seq")
	if err != nil {
		return watch.Entry{}, err
	}
	at, err := integer(row, "at")
	if err != nil {
		return watch.Entry{}, err
	}
	e := watch.Entry{
		Change: events.Change{
			Topic: topic, Epoch: text(row, "epoch"), Seq: seq, Op: events.Op(text(row, "op")), ID: text(row, "id"),
			Time: events.Time(time.UnixMilli(at)), Expired: flag(row, "expired"), Large: flag(row, "large"), Mark: text(row, "mark"),
		},
		Lapse:    grant.Lapse(strings.TrimPrefix(text(row, "lapse"), noLapse)),
		Position: watch.Position(text(row, "position")),
		High:     watch.Position(text(row, "high")),
	}
	if data := text(row, "data"); data != "" {
		e.Data = json.RawMessage(data)
	}
	if before := text(row, "before"); before != "" {
		e.Before = json.RawMessage(before)
	}
	if difference := text(row, "undo"); difference != "" {
		if e.Before, err = undo(e.Data, difference); err != nil {
			return watch.Entry{}, fmt.Errorf("undo change %d: %w", seq, err)
		}
	}
	if e.High == "" {
		e.High = e.Position
	}
	return e, nil
}
