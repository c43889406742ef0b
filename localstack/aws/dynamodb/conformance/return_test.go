package conformance

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func TestPutAndDeleteReturnTheOldItem(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		put := func(it record, what types.ReturnValue) (record, error) {
			out, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it, ReturnValues: what})
			if err != nil {
				return nil, err
			}
			return out.Attributes, nil
		}
		remove := func(what types.ReturnValue) (record, error) {
			out, err := s.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: item("p", "a"), ReturnValues: what})
			if err != nil {
				return nil, err
			}
			return out.Attributes, nil
		}
		for _, c := range []struct {
			name string
			call func() (record, error)
			want string
		}{
			{"put of a new item", func() (record, error) { return put(item("p", "a", "x", 1), "ALL_OLD") }, "none"},
			{"put over an old item", func() (record, error) { return put(item("p", "a", "x", 2), "ALL_OLD") }, `{p:"a" x:1}`},
			{"put asking for nothing", func() (record, error) { return put(item("p", "a", "x", 3), "NONE") }, "none"},
			{"delete", func() (record, error) { return remove("ALL_OLD") }, `{p:"a" x:3}`},
			{"delete of nothing", func() (record, error) { return remove("ALL_OLD") }, "none"},
			{"put asking for the new", func() (record, error) { return put(item("p", "a"), "ALL_NEW") }, "ValidationException: ReturnValues can only be ALL_OLD or NONE"},
			{"delete asking for the new", func() (record, error) { return remove("UPDATED_NEW") }, "ValidationException: ReturnValues can only be ALL_OLD or NONE"},
			{"unknown", func() (record, error) { return remove("SOME") }, "ValidationException"},
		} {
			t.Run(c.name, func(t *testing.T) {
				got, err := c.call()
				if err != nil {
					s.wantFault(t, err, c.want)
				} else if show(got) != c.want {
					t.Errorf("got %s, want %s", show(got), c.want)
				}
			})
		}
	})
}

func TestUpdateReturnsWhatIsAskedFor(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		for _, c := range []struct {
			what         types.ReturnValue
			update, want string
		}{
			{types.ReturnValueNone, "SET x = :v", "none"},
			{types.ReturnValueAllOld, "SET x = :v", `{m:{k:1 n:2} p:"a" x:1 y:2}`},
			{types.ReturnValueAllNew, "SET x = :v", `{m:{k:1 n:2} p:"a" x:9 y:2}`},
			{types.ReturnValueUpdatedOld, "SET x = :v", "{x:1}"},
			{types.ReturnValueUpdatedNew, "SET x = :v", "{x:9}"},
			{types.ReturnValueUpdatedNew, "SET z = :v", "{z:9}"},
			{types.ReturnValueUpdatedOld, "SET z = :v", "none"},
			{types.ReturnValueUpdatedOld, "SET m.k = :v", "{m:{k:1}}"},
			{types.ReturnValueUpdatedNew, "SET m.k = :v", "{m:{k:9}}"},
			{types.ReturnValueUpdatedNew, "ADD x :v", "{x:10}"},
			{types.ReturnValueUpdatedNew, "SET x = :v REMOVE y", "{x:9}"},
			{types.ReturnValueUpdatedOld, "SET x = :v REMOVE y", "{x:1 y:2}"},
		} {
			t.Run(string(c.what)+" "+c.update, func(t *testing.T) {
				if strings.Contains(c.update, "m.k") {
					s.differs(t, "it returns the whole attribute when only a part was updated")
				}
				s.put(t, table, item("p", "a", "x", 1, "y", 2, "m", item("k", 1, "n", 2)))
				out, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: item("p", "a"),
					UpdateExpression: &c.update, ExpressionAttributeValues: item(":v", 9), ReturnValues: c.what})
				if err != nil {
					t.Fatal(err)
				}
				if got := show(out.Attributes); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	})
}

func TestUpdateOfANewItemReturnsNothingOld(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		out, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: item("p", "a"),
			UpdateExpression: aws.String("SET x = :v"), ExpressionAttributeValues: item(":v", 1), ReturnValues: types.ReturnValueAllOld})
		if err != nil || len(out.Attributes) != 0 {
			t.Errorf("got %s, %v", show(out.Attributes), err)
		}
	})
}

func TestFailedConditionReturnsTheItem(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		s.put(t, table, item("p", "a", "x", 1))
		never, asked := aws.String("attribute_not_exists(p)"), types.ReturnValuesOnConditionCheckFailureAllOld
		for name, call := range map[string]func(types.ReturnValuesOnConditionCheckFailure) error{
			"PutItem": func(r types.ReturnValuesOnConditionCheckFailure) error {
				_, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item("p", "a"), ConditionExpression: never, ReturnValuesOnConditionCheckFailure: r})
				return err
			},
			"UpdateItem": func(r types.ReturnValuesOnConditionCheckFailure) error {
				_, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: item("p", "a"), ConditionExpression: never, ReturnValuesOnConditionCheckFailure: r})
				return err
			},
			"DeleteItem": func(r types.ReturnValuesOnConditionCheckFailure) error {
				_, err := s.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: item("p", "a"), ConditionExpression: never, ReturnValuesOnConditionCheckFailure: r})
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				for r, want := range map[types.ReturnValuesOnConditionCheckFailure]string{asked: `{p:"a" x:1}`, "": "none"} {
					var failed *types.ConditionalCheckFailedException
					if err := call(r); !errors.As(err, &failed) {
						t.Fatalf("%v is not a failed condition", err)
					}
					if got := show(failed.Item); got != want {
						t.Errorf("asked for %q: got %s, want %s", r, got, want)
					}
				}
			})
		}
	})
}
