package dynamo

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/shared/watch"
)

// rowHolds is how many requests are kept in one row, which then has about 1 KB. There are as
// many rows as it takes; a subject's holds are all in one.
const rowHolds = 40

// holdAttempts bounds how often another name is tried after another hold has got the one.
const holdAttempts = 4

// Hold takes one of the subject's names in its row. It mostly costs one write unit for a row of up
// to 1 KB, and as much for each further attempt. Names whose time is over are free.
//
// Hold writes a number under the name that no other hold has: the time at which the hold ends, with
// random digits behind the point. If an answer is lost, the SDK repeats the call, and the
// repetition is refused because the name is taken. The number then shows that this hold has taken
// it.
func (s *Store) Hold(ctx context.Context, key watch.Key, until time.Time, limits watch.HoldLimits) (watch.Hold, error) {
	at, most := holdsOf(key, limits.Total)
	now, numbers := s.now().Unix(), rand.Perm(limits.Subject)
	var ended map[string]types.AttributeValue
	for range holdAttempts {
		if len(numbers) == 0 {
			break
		}
		hold := watch.Hold{Name: at.name(numbers[0]), Number: holdNumber(until)}
		held, err := s.putHold(ctx, hold, now, most, ended)
		_, name := splitName(hold.Name)
		if err == nil || number(held, name) == hold.Number {
			return hold, nil
		}
		if failed := (*types.ConditionalCheckFailedException)(nil); !errors.As(err, &failed) {
			return watch.Hold{}, fmt.Errorf("hold a request: %w", translate(err))
		}
		if held == nil {
			if err := s.createHolds(ctx, at.row); err != nil {
				return watch.Hold{}, err
			}
			continue
		}
		ended, numbers = freeNames(held, at, numbers, now)
		if len(held)-len(ended) >= most {
			break
		}
	}
	return watch.Hold{}, fmt.Errorf("hold a request: %w", watch.ErrTooManyHolds)
}

// putHold writes the hold into the row, and takes out those that are over. If the name is
// not free, or the row is full, it gives the row's holds; nil if there is no row.
func (s *Store) putHold(ctx context.Context, hold watch.Hold, now int64, most int, ended map[string]types.AttributeValue) (held map[string]types.AttributeValue, err error) {
	row, name := splitName(hold.Name)
	update := &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: holdsKey(row),
		UpdateExpression:                    aws.String("SET #holds.#name = :until"),
		ConditionExpression:                 aws.String("(attribute_not_exists(#holds.#name) OR #holds.#name < :now) AND size(#holds) < :most"),
		ExpressionAttributeNames:            map[string]string{"#holds": "holds", "#name": name},
		ExpressionAttributeValues:           map[string]types.AttributeValue{":until": &types.AttributeValueMemberN{Value: hold.Number}, ":now": num(now), ":most": num(int64(most + len(ended)))},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	var removed []string
	for i, other := range slices.Sorted(maps.Keys(ended)) {
		if other == name {
			continue
		}
		path := fmt.Sprint("#holds.#over", i)
		update.ExpressionAttributeNames[fmt.Sprint("#over", i)] = other
		update.ExpressionAttributeValues[fmt.Sprint(":over", i)] = ended[other]
		*update.ConditionExpression += fmt.Sprint(" AND ", path, " = :over", i) // or another has it by now
		removed = append(removed, path)
	}
	if len(removed) > 0 {
		*update.UpdateExpression += " REMOVE " + strings.Join(removed, ", ")
	}
	_, err = s.db.UpdateItem(ctx, update)
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) && failed.Item != nil {
		if m, ok := failed.Item["holds"].(*types.AttributeValueMemberM); ok {
			held = m.Value
		}
	}
	return held, err
}

// holdNumber makes the number of a hold: 10 digits and 12 behind the point, of the 38 that a number
// may have. It has no zeros at its end, as DynamoDB gives numbers back.
func holdNumber(until time.Time) string {
	return fmt.Sprintf("%d.%011d%d", until.Unix(), rand.Int64N(1e11), 1+rand.IntN(9))
}

// freeNames tells which holds of a row are over, and which names of a subject are free.
func freeNames(held map[string]types.AttributeValue, at holds, numbers []int, now int64) (ended map[string]types.AttributeValue, free []int) {
	ended = map[string]types.AttributeValue{}
	for name, value := range held {
		if until, err := strconv.ParseFloat(number(held, name), 64); err != nil || int64(until) < now {
			ended[name] = value
		}
	}
	return ended, slices.DeleteFunc(slices.Clone(numbers), func(n int) bool {
		_, name := splitName(at.name(n))
		_, taken := held[name]
		_, free := ended[name]
		return taken && !free
	})
}

// createHolds makes the row, unless another was faster.
func (s *Store) createHolds(ctx context.Context, row string) error {
	item := holdsKey(row)
	item["holds"] = &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{}}
	_, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.tables.Connections, Item: item, ConditionExpression: aws.String("attribute_not_exists(subject)")})
	if failed := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &failed) {
		return fmt.Errorf("make the row of holds: %w", translate(err))
	}
	return nil
}

// Release frees the hold's name, at the cost of Hold. It leaves a name that another hold has
// taken meanwhile.
func (s *Store) Release(ctx context.Context, hold watch.Hold) error {
	row, name := splitName(hold.Name)
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: holdsKey(row),
		UpdateExpression:          aws.String("REMOVE #holds.#name"),
		ConditionExpression:       aws.String("#holds.#name = :until"),
		ExpressionAttributeNames:  map[string]string{"#holds": "holds", "#name": name},
		ExpressionAttributeValues: map[string]types.AttributeValue{":until": &types.AttributeValueMemberN{Value: hold.Number}},
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); err != nil && !errors.As(err, &failed) {
		return fmt.Errorf("release a hold: %w", translate(err))
	}
	return nil
}

// holds is where a subject's holds are: the row, and what their names begin with there.
type holds struct{ row, prefix string }

// holdsOf finds the row of a subject, and how many holds a row may have if all rows together may
// have total.
func holdsOf(key watch.Key, total int) (holds, int) {
	rows := max(1, (total+rowHolds-1)/rowHolds)
	sum := sha256.Sum256([]byte(key.Subject + "\x00" + string(key.ID)))
	row := binary.BigEndian.Uint32(sum[:4]) % uint32(rows)
	return holds{strconv.Itoa(int(row)), base64.RawURLEncoding.EncodeToString(sum[4:10])}, (total + rows - 1) / rows
}

// name gives the nth name of the subject, with its row.
func (h holds) name(n int) string { return h.row + "/" + h.prefix + strconv.Itoa(n) }

// splitName reads what name has written.
func splitName(full string) (row, name string) {
	row, name, _ = strings.Cut(full, "/")
	return row, name
}

// holdsKey names a row of holds. It lies beside the rows of the allowances of those without a
// token, where no connection's row is.
func holdsKey(row string) map[string]types.AttributeValue {
	return connectionKey(watch.Key{Subject: watch.Anonymous, ID: watch.ConnectionID(pursePrefix + "holds/" + row)})
}
