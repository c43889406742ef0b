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

// holdAttempts bounds how often another place is tried after somebody has taken the one.
const holdAttempts = 4

// Hold takes one of the subject's places in its row. It mostly costs one write unit for a row of up
// to 1 KB, and as much for each further attempt. Places whose time is over are free.
//
// Hold writes a number into the place that no other hold has: the time at which the hold ends, with
// random digits behind the point. If an answer is lost, the SDK repeats the call, and the
// repetition is refused because the place is taken. The number then shows that this hold has taken
// it.
func (s *Store) Hold(ctx context.Context, key watch.Key, until time.Time, limits watch.HoldLimits) (watch.Hold, error) {
	at, most := holdsOf(key, limits.Total)
	now, places := s.now().Unix(), rand.Perm(limits.Subject)
	var over map[string]types.AttributeValue
	for range holdAttempts {
		if len(places) == 0 {
			break
		}
		hold := watch.Hold{Place: at.place(places[0]), Mark: holdMark(until)}
		held, err := s.takePlace(ctx, hold, now, most, over)
		_, name := placed(hold.Place)
		if err == nil || number(held, name) == hold.Mark {
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
		over, places = placesOf(held, at, places, now)
		if len(held)-len(over) >= most {
			break
		}
	}
	return watch.Hold{}, fmt.Errorf("hold a request: %w", watch.ErrTooManyHolds)
}

// takePlace writes the hold into the row, and takes out those that are over. If the place is
// not free, or the row is full, it gives the row's holds; nil if there is no row.
func (s *Store) takePlace(ctx context.Context, hold watch.Hold, now int64, most int, over map[string]types.AttributeValue) (held map[string]types.AttributeValue, err error) {
	row, name := placed(hold.Place)
	update := &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: holdsKey(row),
		UpdateExpression:                    aws.String("SET #holds.#place = :until"),
		ConditionExpression:                 aws.String("(attribute_not_exists(#holds.#place) OR #holds.#place < :now) AND size(#holds) < :most"),
		ExpressionAttributeNames:            map[string]string{"#holds": "holds", "#place": name},
		ExpressionAttributeValues:           map[string]types.AttributeValue{":until": &types.AttributeValueMemberN{Value: hold.Mark}, ":now": num(now), ":most": num(int64(most + len(over)))},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	var removed []string
	for i, other := range slices.Sorted(maps.Keys(over)) {
		if other == name {
			continue
		}
		place := fmt.Sprint("#holds.#over", i)
		update.ExpressionAttributeNames[fmt.Sprint("#over", i)] = other
		update.ExpressionAttributeValues[fmt.Sprint(":over", i)] = over[other]
		*update.ConditionExpression += fmt.Sprint(" AND ", place, " = :over", i) // or another has it by now
		removed = append(removed, place)
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

// holdMark makes the number of a hold: 10 digits and 12 behind the point, of the 38 that a number
// may have. It has no zeros at its end, as DynamoDB gives numbers back.
func holdMark(until time.Time) string {
	return fmt.Sprintf("%d.%011d%d", until.Unix(), rand.Int64N(1e11), 1+rand.IntN(9))
}

// placesOf tells which holds of a row are over, and which places of a subject are free.
func placesOf(held map[string]types.AttributeValue, at holds, places []int, now int64) (over map[string]types.AttributeValue, free []int) {
	over = map[string]types.AttributeValue{}
	for place, value := range held {
		if until, err := strconv.ParseFloat(number(held, place), 64); err != nil || int64(until) < now {
			over[place] = value
		}
	}
	return over, slices.DeleteFunc(slices.Clone(places), func(n int) bool {
		_, name := placed(at.place(n))
		_, taken := held[name]
		_, free := over[name]
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

// Release frees the hold's place, at the cost of Hold. It leaves a place that another hold has
// taken meanwhile.
func (s *Store) Release(ctx context.Context, hold watch.Hold) error {
	row, name := placed(hold.Place)
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.tables.Connections, Key: holdsKey(row),
		UpdateExpression:          aws.String("REMOVE #holds.#place"),
		ConditionExpression:       aws.String("#holds.#place = :until"),
		ExpressionAttributeNames:  map[string]string{"#holds": "holds", "#place": name},
		ExpressionAttributeValues: map[string]types.AttributeValue{":until": &types.AttributeValueMemberN{Value: hold.Mark}},
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

// place names the nth place of the subject, row and all.
func (h holds) place(n int) string { return h.row + "/" + h.prefix + strconv.Itoa(n) }

// placed reads what place has written.
func placed(place string) (row, name string) {
	row, name, _ = strings.Cut(place, "/")
	return row, name
}

// holdsKey names a row of holds. It lies beside the rows of the allowances of those without a
// token, where no connection's row is.
func holdsKey(row string) map[string]types.AttributeValue {
	return connectionKey(watch.Key{Subject: watch.Anonymous, ID: watch.ConnectionID(pursePrefix + "holds/" + row)})
}
