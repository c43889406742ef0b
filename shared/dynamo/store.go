package dynamo

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// Tables are the names of the tables. A function needs those that it uses.
type Tables struct {
	Events, Changes, Connections, Subscriptions, Revocations, Destinations, Positions string
}

// Store keeps the state of watching in DynamoDB. Safe for concurrent use.
type Store struct {
	db     *dynamodb.Client
	tables Tables
	// Retention is how long the log keeps a change; set it before use.
	Retention time.Duration
	// ShardSize is how many subscriptions to a topic may lie in one shard before the number of
	// shards doubles; set it before use.
	ShardSize int
	// Now tells the time; time.Now if nil.
	Now func() time.Time
}

// DefaultRetention is how long the log keeps a change unless told otherwise.
// It must stay above the 24 hours of a DynamoDB stream, so that a write that is
// delivered again always finds its entry.
const DefaultRetention = 48 * time.Hour

// Open makes a store of the tables. It makes no call. Without an HTTP client in cfg it uses
// [HTTPClient].
func Open(cfg aws.Config, tables Tables) *Store {
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = HTTPClient()
	}
	db := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, meterCalls) })
	return &Store{db: db, tables: tables, Retention: DefaultRetention, ShardSize: DefaultShardSize}
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// translate turns errors of the service into those of package watch.
func translate(err error) error {
	if cancelled := (*types.TransactionCanceledException)(nil); errors.As(err, &cancelled) {
		return fmt.Errorf("%w: %w", cancellation(cancelled), err)
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err
	}
	switch api.ErrorCode() {
	case "TransactionInProgressException", "TransactionConflictException":
		return fmt.Errorf("%w: %w", watch.ErrConflict, err)
	}
	if slices.Contains(unavailable, api.ErrorCode()) || api.ErrorFault() == smithy.FaultServer {
		return fmt.Errorf("%w: %w", watch.ErrUnavailable, err)
	}
	return err
}

// unavailable are the codes that pass by themselves.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
var unavailable = []string{"ProvisionedThroughputExceededException", "ProvisionedThroughputExceeded",
	"RequestLimitExceeded", "ThrottlingException", "ThrottlingError", "InternalServerError", "ServiceUnavailable"}

// cancellation says why a transaction was cancelled: that the head had moved or is
// moving counts before a throttled row.
func cancellation(err *types.TransactionCanceledException) error {
	cause := errors.New("transaction cancelled")
	for _, reason := range err.CancellationReasons {
		switch code := aws.ToString(reason.Code); {
		case code == "ConditionalCheckFailed" || code == "TransactionConflict":
			return watch.ErrConflict
		case slices.Contains(unavailable, code):
			cause = watch.ErrUnavailable
		}
	}
	return cause
}

// The few attribute values that our own rows are made of.

func str(s string) *types.AttributeValueMemberS { return &types.AttributeValueMemberS{Value: s} }

func num(n int64) *types.AttributeValueMemberN {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func unix(t time.Time) *types.AttributeValueMemberN { return num(t.Unix()) }

// text and number give a string or the digits of a number; "" if there is none.

func text(item map[string]types.AttributeValue, name string) string {
	s, _ := item[name].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

func number(item map[string]types.AttributeValue, name string) string {
	n, _ := item[name].(*types.AttributeValueMemberN)
	if n == nil {
		return ""
	}
	return n.Value
}

func flag(item map[string]types.AttributeValue, name string) bool {
	b, _ := item[name].(*types.AttributeValueMemberBOOL)
	return b != nil && b.Value
}

// list is a list of strings, which keeps their order and may hold one twice.
func list(texts []string) *types.AttributeValueMemberL {
	l := &types.AttributeValueMemberL{}
	for _, text := range texts {
		l.Value = append(l.Value, str(text))
	}
	return l
}

// listed gives the strings of a list; nil if there is none.
func listed(item map[string]types.AttributeValue, name string) []string {
	l, _ := item[name].(*types.AttributeValueMemberL)
	if l == nil {
		return nil
	}
	texts := []string{}
	for _, value := range l.Value {
		if s, ok := value.(*types.AttributeValueMemberS); ok {
			texts = append(texts, s.Value)
		}
	}
	return texts
}

// instant gives a time in seconds since 1970; the zero time if there is none.
func instant(item map[string]types.AttributeValue, name string) time.Time {
	seconds, err := integer(item, name)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// integer reads a number that we wrote ourselves.
func integer(item map[string]types.AttributeValue, name string) (int64, error) {
	n, err := strconv.ParseInt(number(item, name), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("attribute %s is not an integer", name)
	}
	return n, nil
}

// rowKey is the key of a row in Changes.
func rowKey(topic events.Topic, seq int64) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"topic": str(string(topic)), "seq": num(seq)}
}
