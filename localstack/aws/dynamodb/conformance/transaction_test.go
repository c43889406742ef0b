package conformance

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// Parts of a transaction on one table.
type part = types.TransactWriteItem

func txPut(table string, it record, condition string) part {
	return part{Put: &types.Put{TableName: &table, Item: it, ConditionExpression: optional(condition)}}
}

func txUpdate(table string, key record, update string, values record) part {
	return part{Update: &types.Update{TableName: &table, Key: key, UpdateExpression: &update, ExpressionAttributeValues: values}}
}

func txDelete(table string, key record, condition string) part {
	return part{Delete: &types.Delete{TableName: &table, Key: key, ConditionExpression: optional(condition)}}
}

func txCheck(table string, key record, condition string) part {
	return part{ConditionCheck: &types.ConditionCheck{TableName: &table, Key: key, ConditionExpression: &condition}}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (s *stack) transact(t *testing.T, parts ...part) error {
	t.Helper()
	_, err := s.db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: parts})
	return err
}

func TestTransactionWritesAll(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		one, two := s.table(t, schema{hash: "p:S"}), s.table(t, schema{hash: "p:S"})
		s.put(t, one, item("p", "u", "x", 1), item("p", "d"))
		s.put(t, two, item("p", "checked"))
		err := s.transact(t,
			txPut(one, item("p", "a"), "attribute_not_exists(p)"),
			txUpdate(one, item("p", "u"), "ADD x :v", item(":v", 2)),
			txDelete(one, item("p", "d"), "attribute_exists(p)"),
			txCheck(two, item("p", "checked"), "attribute_exists(p)"),
			txPut(two, item("p", "b"), ""))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			table, key, want string
		}{
			{one, "a", `{p:"a"}`}, {one, "u", `{p:"u" x:3}`}, {one, "d", "none"}, {two, "b", `{p:"b"}`},
		} {
			if got := show(s.get(t, c.table, item("p", c.key))); got != c.want {
				t.Errorf("%s is %s, want %s", c.key, got, c.want)
			}
		}
	})
}

// reasons writes a cancellation's reasons as "code code …", with the items they
// return.
func reasons(t *testing.T, err error) string {
	t.Helper()
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		t.Fatalf("%v is no cancelled transaction", err)
	}
	parts := make([]string, len(cancelled.CancellationReasons))
	for i, r := range cancelled.CancellationReasons {
		parts[i] = aws.ToString(r.Code)
		if r.Item != nil {
			parts[i] += show(r.Item)
		}
	}
	return strings.Join(parts, " ")
}

func TestTransactionWritesNothingIfAConditionFails(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		s.put(t, table, item("p", "old", "x", 1))
		refused := txPut(table, item("p", "old"), "attribute_not_exists(p)")
		telling := txDelete(table, item("p", "other"), "attribute_exists(p)")
		telling.Delete.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
		refused.Put.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
		err := s.transact(t, txPut(table, item("p", "new"), ""), refused, telling)
		if got := reasons(t, err); got != `None ConditionalCheckFailed{p:"old" x:1} ConditionalCheckFailed` {
			t.Errorf("reasons are %s", got)
		}
		s.wantFault(t, err, "TransactionCanceledException: Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, ConditionalCheckFailed]")
		if got := s.get(t, table, item("p", "new")); got != nil {
			t.Errorf("a cancelled transaction put %s", show(got))
		}
	})
}

func TestTransactionIsCancelledByAnInvalidPart(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "it answers with the part's own ValidationException")
		table := s.table(t, schema{hash: "p:S"})
		s.put(t, table, item("p", "text", "x", "a"))
		err := s.transact(t, txPut(table, item("p", "new"), ""), txUpdate(table, item("p", "text"), "ADD x :v", item(":v", 1)))
		if got := reasons(t, err); got != "None ValidationError" {
			t.Errorf("reasons are %s", got)
		}
		var cancelled *types.TransactionCanceledException
		errors.As(err, &cancelled)
		if got := aws.ToString(cancelled.CancellationReasons[1].Message); got != "An operand in the update expression has an incorrect data type" {
			t.Errorf("message is %q", got)
		}
	})
}

func TestTransactionRefusals(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		var many []part
		for _, it := range numbered(101) {
			many = append(many, txPut(table, it, ""))
		}
		big := func(n int) part {
			return txPut(table, item("p", fmt.Sprint(n), "x", strings.Repeat("x", 390<<10)), "")
		}
		for _, c := range []struct {
			name  string
			parts []part
			want  string
		}{
			{"101 items", many, "ValidationException"},
			{"none", []part{}, "ValidationException"},
			{"an item twice", []part{txPut(table, item("p", "a"), ""), txDelete(table, item("p", "a"), "")}, "ValidationException: Transaction request cannot include multiple operations on one item"},
			{"a check of an item that is written", []part{txPut(table, item("p", "a"), ""), txCheck(table, item("p", "a"), "attribute_exists(p)")}, "ValidationException: Transaction request cannot include multiple operations on one item"},
			{"over 4 MB", []part{big(0), big(1), big(2), big(3), big(4), big(5), big(6), big(7), big(8), big(9), big(10)}, "ValidationException"},
			{"unknown table", []part{txPut("NoSuchTable", item("p", "a"), "")}, "ResourceNotFoundException"},
			{"an expression that cannot be read", []part{txUpdate(table, item("p", "a"), "SET", nil)}, `ValidationException: Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "SET"`},
		} {
			t.Run(c.name, func(t *testing.T) {
				s.wantFault(t, s.transact(t, c.parts...), c.want)
			})
		}
	})
}

func TestTransactionTokenMakesItIdempotent(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		token := newName()
		add := func(n int) error {
			_, err := s.db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String(token[max(0, len(token)-36):]),
				TransactItems: []part{txUpdate(table, item("p", "a"), "ADD x :v", item(":v", n))}})
			return err
		}
		for range 3 {
			if err := add(1); err != nil {
				t.Fatal(err)
			}
		}
		if got := show(s.get(t, table, item("p", "a"))); got != `{p:"a" x:1}` {
			t.Errorf("three sendings of one request made %s", got)
		}
		s.wantFault(t, add(2), "IdempotentParameterMismatchException")
	})
}

func TestTransactionReads(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		s.put(t, table, item("p", "a", "x", 1, "y", 2))
		read := func(keys ...record) (*dynamodb.TransactGetItemsOutput, error) {
			in := &dynamodb.TransactGetItemsInput{}
			for _, key := range keys {
				in.TransactItems = append(in.TransactItems, types.TransactGetItem{Get: &types.Get{TableName: &table, Key: key, ProjectionExpression: aws.String("x")}})
			}
			return s.db.TransactGetItems(t.Context(), in)
		}
		out, err := read(item("p", "absent"), item("p", "a"))
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Responses) != 2 || out.Responses[0].Item != nil || show(out.Responses[1].Item) != "{x:1}" {
			t.Errorf("got %+v", out.Responses)
		}
		_, err = read(numbered(101)...)
		s.wantFault(t, err, "ValidationException")
		_, err = read(item("p", "a"), item("p", "a"))
		s.wantFault(t, err, "ValidationException: Transaction request cannot include multiple operations on one item")
	})
}

// cancelledBecause wants a transaction to be cancelled for the first item that is wrong in
// itself: nothing is said of the others, not even of conditions that fail.
func (s *stack) cancelledBecause(t *testing.T, err error, wantReasons, wantMessage string) {
	t.Helper()
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		t.Fatalf("got %v, want a cancelled transaction", err)
	}
	if got := reasons(t, err); got != wantReasons {
		t.Errorf("reasons are %s, want %s", got, wantReasons)
	}
	for _, r := range cancelled.CancellationReasons {
		if aws.ToString(r.Code) == "ValidationError" {
			s.wantFault(t, &smithy.GenericAPIError{Code: "ValidationException", Message: aws.ToString(r.Message)}, "ValidationException: "+wantMessage)
		} else if r.Message != nil {
			t.Errorf("%s has the message %q", *r.Code, *r.Message)
		}
	}
}

func TestTransactionIsCancelledByAWrongKey(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", attributes: []string{"g:S"}, gsi: gsi("byG", "g", "")})
		failing := txPut(table, item("p", "new"), "attribute_exists(p)")
		const (
			mismatch   = "The provided key element does not match the schema"
			own        = "it answers with the item's own ValidationException"
			alone      = "it gives one reason, whatever the number of items"
			conditions = "it looks at the conditions of the others, and tells of all items"
		)
		for _, c := range []struct {
			name          string
			parts         []part
			reasons, want string
			differs       string
		}{
			{"put of another type", []part{txPut(table, item("p", 5), "")}, "ValidationError",
				"One or more parameter values were invalid: Type mismatch for key p expected: S actual: N", ""},
			{"put without key", []part{failing, txPut(table, item("x", 5), "")}, "None ValidationError",
				"One or more parameter values were invalid: Missing the key p in the item", own},
			{"the first of two", []part{failing, txPut(table, item("p", 7), ""), txPut(table, item("p", 8), "")}, "None ValidationError None",
				"One or more parameter values were invalid: Type mismatch for key p expected: S actual: N", conditions},
			{"delete", []part{txDelete(table, item("p", 5), ""), failing}, "ValidationError None", mismatch, conditions},
			{"delete by an attribute too many", []part{txDelete(table, item("p", "a", "x", 5), ""), failing}, "ValidationError None", mismatch, own},
			{"update", []part{failing, txUpdate(table, item("x", "a"), "SET y = :v", item(":v", 1))}, "None ValidationError", mismatch, own},
			{"update of the key", []part{failing, txUpdate(table, item("p", "a"), "SET p = :v", item(":v", "b"))}, "None ValidationError",
				"One or more parameter values were invalid: Cannot update attribute p. This attribute is part of the key", alone},
			{"check", []part{txCheck(table, item("p", list{"a"}), "attribute_exists(p)"), failing}, "ValidationError None", mismatch, own},
			{"put of an index key of another type", []part{failing, txPut(table, item("p", "a", "g", 5), "")}, "None ValidationError",
				"One or more parameter values were invalid: Type mismatch for Index Key g Expected: S Actual: N IndexName: byG", conditions},
		} {
			t.Run(c.name, func(t *testing.T) {
				if c.differs != "" {
					s.differs(t, c.differs)
				}
				s.cancelledBecause(t, s.transact(t, c.parts...), c.reasons, c.want)
				if got := s.get(t, table, item("p", "new")); got != nil {
					t.Errorf("a cancelled transaction put %s", show(got))
				}
			})
		}
	})
}

// An empty key is the whole request's fault, and a result that an index cannot hold is the
// item's.
func TestTransactionWithEmptyKeys(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", attributes: []string{"g:S"}, gsi: gsi("byG", "g", "")})
		s.put(t, table, item("p", "a"))
		other := txPut(table, item("p", "other"), "")
		const empty = "ValidationException: One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p"
		for _, c := range []struct {
			name string
			part part
			want string
		}{
			{"put", txPut(table, item("p", ""), ""), empty},
			{"update", txUpdate(table, item("p", ""), "SET x = :v", item(":v", 1)), empty},
			{"delete", txDelete(table, item("p", ""), ""), empty},
			{"check", txCheck(table, item("p", ""), "attribute_exists(p)"), empty},
			{"put of an index key", txPut(table, item("p", "a", "g", ""), ""), "ValidationException: One or more parameter values are not valid. A value specified for a secondary index key is not supported. " +
				"The AttributeValue for a key attribute cannot contain an empty string value. IndexName: byG, IndexKey: g"},
			{"update of an index key", txUpdate(table, item("p", "a"), "SET g = :v", item(":v", "")), "ValidationException: One or more parameter values are not valid. " +
				"The update expression attempted to update a secondary index key to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty string value."},
		} {
			t.Run(c.name, func(t *testing.T) { s.wantFault(t, s.transact(t, other, c.part), c.want) })
		}
		if got := s.get(t, table, item("p", "other")); got != nil {
			t.Errorf("a refused transaction put %s", show(got))
		}
		err := s.transact(t, other, txUpdate(table, item("p", "a"), "SET g = :v", item(":v", 5)))
		s.cancelledBecause(t, err, "None ValidationError", "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S Actual: N IndexName: byG")
	})
}

func TestTransactionOfReadsIsCancelledByAWrongKey(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		read := func(keys ...record) error {
			in := &dynamodb.TransactGetItemsInput{}
			for _, key := range keys {
				in.TransactItems = append(in.TransactItems, types.TransactGetItem{Get: &types.Get{TableName: &table, Key: key}})
			}
			_, err := s.db.TransactGetItems(t.Context(), in)
			return err
		}
		s.wantFault(t, read(item("p", "a"), item("p", "")), "ValidationException: One or more parameter values are not valid. "+
			"The AttributeValue for a key attribute cannot contain an empty string value. Key: p")
		s.differs(t, "its cancelled transaction has no reasons")
		const mismatch = "The provided key element does not match the schema"
		s.cancelledBecause(t, read(item("p", "a"), item("p", 5), item("x", 5)), "None ValidationError None", mismatch)
		s.cancelledBecause(t, read(record{}), "ValidationError", mismatch)
	})
}

// The 4 MB of a transaction are what it sends.
func TestTransactionMayDeleteMoreThanItMayPut(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		var puts, deletions []part
		for _, it := range numbered(50, "x", strings.Repeat("x", 100_000)) {
			s.put(t, table, it)
			puts = append(puts, txPut(table, it, ""))
			deletions = append(deletions, txDelete(table, item("p", it["p"].(*types.AttributeValueMemberS).Value), ""))
		}
		s.wantFault(t, s.transact(t, puts...), "ValidationException…")
		if err := s.transact(t, deletions...); err != nil {
			t.Fatal(err)
		}
		if got := s.get(t, table, item("p", "49")); got != nil {
			t.Error("an item is left")
		}
	})
}
