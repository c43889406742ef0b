package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Item collections are those of tables with local indexes.
func TestItemCollectionMetrics(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "it gives no metrics")
		with := s.table(t, schema{hash: "p:S", sort: "s:S", attributes: []string{"l:S"}, lsi: lsi("byL", "p", "l")})
		without := s.table(t, schema{hash: "p:S", sort: "s:S"})
		key := item("p", "a", "s", "1")
		shown := func(m *types.ItemCollectionMetrics) string {
			if m == nil {
				return "none"
			}
			return fmt.Sprint(show(m.ItemCollectionKey), m.SizeEstimateRangeGB)
		}
		for _, asked := range []types.ReturnItemCollectionMetrics{types.ReturnItemCollectionMetricsSize, types.ReturnItemCollectionMetricsNone} {
			for table, want := range map[string]string{with: `{p:"a"}[0 1]`, without: "none"} {
				if asked == types.ReturnItemCollectionMetricsNone {
					want = "none"
				}
				put, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: key, ReturnItemCollectionMetrics: asked})
				if err != nil || shown(put.ItemCollectionMetrics) != want {
					t.Errorf("put: %v, %v; want %s", put, err, want)
				}
				update, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: key, ReturnItemCollectionMetrics: asked})
				if err != nil || shown(update.ItemCollectionMetrics) != want {
					t.Errorf("update: %v, %v; want %s", update, err, want)
				}
				deleted, err := s.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key, ReturnItemCollectionMetrics: asked})
				if err != nil || shown(deleted.ItemCollectionMetrics) != want {
					t.Errorf("delete: %v, %v; want %s", deleted, err, want)
				}
			}
		}
		first, second, other := item("p", "a", "s", "1"), item("p", "a", "s", "2"), item("p", "b", "s", "1")
		batch, err := s.db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{ReturnItemCollectionMetrics: types.ReturnItemCollectionMetricsSize,
			RequestItems: map[string][]types.WriteRequest{with: {putting(first), putting(second), putting(other)}, without: {putting(first)}}})
		if err != nil || len(batch.ItemCollectionMetrics) != 1 {
			t.Fatalf("batch: %+v, %v; want metrics of one table", batch, err)
		}
		if len(batch.ItemCollectionMetrics[with]) != 2 {
			t.Errorf("batch: %+v, want two collections", batch.ItemCollectionMetrics[with])
		}
		transaction, err := s.db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{ReturnItemCollectionMetrics: types.ReturnItemCollectionMetricsSize,
			TransactItems: []part{txPut(with, first, ""), txDelete(with, second, ""), txPut(without, other, "")}})
		if err != nil || len(transaction.ItemCollectionMetrics) != 1 || len(transaction.ItemCollectionMetrics[with]) != 1 {
			t.Errorf("transaction: %+v, %v; want one collection of one table", transaction, err)
		}
	})
}

func TestLongNamesOfAttributes(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		long, longKey := strings.Repeat("x", 65_535), strings.Repeat("x", 255)
		table := s.table(t, schema{hash: longKey + ":S"})
		s.put(t, table, item(longKey, "a", long, 1))
		got, err := s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: item(longKey, "a"),
			ProjectionExpression: aws.String("#n"), ExpressionAttributeNames: map[string]string{"#n": long}})
		if err != nil || len(got.Item) != 1 {
			t.Errorf("a name of 65,535 bytes: %d attributes, %v", len(got.Item), err)
		}
		const tooLong = "Attribute name is too large, must be less than 65536 bytes"
		_, err = s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item(longKey, "a", long+"x", 1)})
		s.wantFault(t, err, "ValidationException: "+tooLong)
		_, err = s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item(longKey, "a", "m", item(long+"x", 1))})
		s.wantFault(t, err, "ValidationException: "+tooLong)
		_, err = s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: item(longKey, "a"),
			ProjectionExpression: aws.String("#n"), ExpressionAttributeNames: map[string]string{"#n": long + "x"}})
		s.wantFault(t, err, "ValidationException: ExpressionAttributeNames contains invalid value: "+tooLong+" for key #n")
		placeholder := "#" + strings.Repeat("n", 255)
		_, err = s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: item(longKey, "a"),
			ProjectionExpression: &placeholder, ExpressionAttributeNames: map[string]string{placeholder: "x"}})
		s.wantFault(t, err, "ValidationException: ExpressionAttributeNames contains invalid key: The expression attribute map contains a key that is too long; size of key: 256")

		s.differs(t, "it has texts of its own for names of keys")
		const must = "' failed to satisfy constraint: Member must have length less than or equal to 255"
		key := longKey + "x"
		_, err = s.db.CreateTable(t.Context(), schema{hash: key + ":S"}.input(newName()))
		s.wantFault(t, err, "ValidationException: 2 validation errors detected: Value '"+key+"' at 'attributeDefinitions.1.member.attributeName"+must+
			"; Value '"+key+"' at 'keySchema.1.member.attributeName"+must)
		_, err = s.db.CreateTable(t.Context(), schema{hash: "p:S", attributes: []string{"g:S"}, gsi: gsi("byG", key, "")}.input(newName()))
		s.wantFault(t, err, oneError+"Value '"+key+"' at 'globalSecondaryIndexes.1.member.keySchema.1.member.attributeName"+must)
		_, err = s.db.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: &table,
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &key, Enabled: aws.Bool(true)}})
		s.wantFault(t, err, oneError+"Value '"+key+"' at 'timeToLiveSpecification.attributeName"+must)
	})
}

// Nothing can follow the one item that a query of a table without sort key finds, so it
// ends without a key to go on from, and cannot go on from one.
func TestQueryOfATableWithoutSortKeyCannotGoOn(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		s.put(t, table, item("p", "a"))
		in := query(table, "p = :p", item(":p", "a"))
		in.Limit = aws.Int32(1)
		out, err := s.db.Query(t.Context(), in)
		if err != nil || len(out.Items) != 1 || out.LastEvaluatedKey != nil {
			t.Errorf("got %+v, %v; want one item and no key", out, err)
		}
		s.differs(t, "it goes on, and finds nothing")
		for _, p := range []string{"a", "b"} {
			in.ExclusiveStartKey = item("p", p)
			_, err = s.db.Query(t.Context(), in)
			s.wantFault(t, err, "ValidationException: The query can return at most one row and cannot be restarted")
		}
	})
}

func TestStartKeyThatIsNotOfTheQuery(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", sort: "s:S"})
		for _, c := range []struct{ condition, want string }{
			{"p = :p", "ValidationException: The provided starting key is outside query boundaries based on provided conditions"},
			{"p = :p AND s > :p", "ValidationException: The provided starting key does not match the range key predicate"},
			{"p = :p AND s < :p", "ValidationException: The query can return at most one row and cannot be restarted"},
		} {
			in := query(table, c.condition, item(":p", "b"))
			in.ExclusiveStartKey = item("p", "a", "s", "a")
			_, err := s.db.Query(t.Context(), in)
			s.wantFault(t, err, c.want)
		}
	})
}

// No expression may look into a key, wherever it stands.
func TestKeysAreScalars(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", attributes: []string{"g:S"}, gsi: gsi("byG", "g", "")})
		const text = "ValidationException: Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
		key := `"Key":{"p":{"S":"a"}}`
		for _, c := range []struct{ name, operation, body, want string }{
			{"filter", "Scan", `"FilterExpression":"attribute_exists(p.x)"`, text + "Key: p"},
			{"filter on an element", "Scan", `"FilterExpression":"attribute_exists(p[0])"`, text + "Key: p"},
			{"projection", "Scan", `"ProjectionExpression":"p.x"`, text + "Key: p"},
			{"condition of a put", "PutItem", `"Item":{"p":{"S":"a"}},"ConditionExpression":"attribute_exists(p.x)"`, text + "Key: p"},
			{"condition of a delete", "DeleteItem", key + `,"ConditionExpression":"attribute_exists(p.x)"`, text + "Key: p"},
			{"update from a key", "UpdateItem", key + `,"UpdateExpression":"SET y = p.x"`, text + "Key: p"},
			{"projection of a get", "GetItem", key + `,"ProjectionExpression":"p.x"`, text + "Key: p"},
			{"index key", "GetItem", key + `,"ProjectionExpression":"g.x"`, text + "IndexKey: g"},
			{"filter of a query", "Query", `"KeyConditionExpression":"p = :p","FilterExpression":"attribute_exists(p.x)","ExpressionAttributeValues":{":p":{"S":"a"}}`, text + "Key: p"},
		} {
			t.Run(c.name, func(t *testing.T) {
				if strings.Contains(c.want, "IndexKey") {
					s.differs(t, "it does not mind")
				}
				_, err := s.raw(c.operation, fmt.Sprintf(`{"TableName":%q,%s}`, table, c.body))
				s.wantFault(t, err, c.want)
			})
		}
	})
}

func TestARNsThatAreNone(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "it has no tags")
		table := s.table(t, schema{hash: "p:S"})
		arn := "arn:aws:dynamodb:us-east-1:000000000000:table/"
		for _, c := range []struct{ arn, want string }{
			{"foo", invalidValues + "ARNs must start with 'arn:': foo"},
			{"arn:aws", invalidValues + "Provided Arn is not a DynamoDB resource arn: arn:aws"},
			{"arn:aws:sqs:us-east-1:000000000000:queue", invalidValues + "Provided Arn is not a DynamoDB resource arn: arn:aws:sqs:us-east-1:000000000000:queue"},
			{arn + table + "/index/byG", invalidValues + "Invalid resource arn provided, only table or stream is accepted. Provided resource arn: " + arn + table + "/index/byG"},
			{"arn:aws:dynamodb:eu-west-1:000000000000:table/" + table, "ValidationException: Invalid TableArn: Invalid ResourceArn provided as input arn:aws:dynamodb:eu-west-1:000000000000:table/" + table},
			{arn + "NoSuchTable", "ResourceNotFoundException: Requested resource not found: ResourceArn: " + arn + "NoSuchTable not found"},
			{arn + table, ""},
		} {
			for _, call := range []struct{ operation, more string }{
				{"ListTagsOfResource", ""}, {"TagResource", `,"Tags":[{"Key":"k","Value":"v"}]`}, {"UntagResource", `,"TagKeys":["k"]`}} {
				_, err := s.raw(call.operation, fmt.Sprintf(`{"ResourceArn":%q%s}`, c.arn, call.more))
				s.wantFault(t, err, c.want)
			}
		}
	})
}
