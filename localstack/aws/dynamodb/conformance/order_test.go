package conformance

import (
	"fmt"
	"strings"
	"testing"
)

// wrong is a request body for a table that may be unknown, and the error of what is wrong
// with it whatever table it is for.
var wrong = []struct{ name, operation, body, want string }{
	{"an update that cannot be read", "UpdateItem", `{"TableName":"TABLE","Key":{"p":{"S":"a"}},"UpdateExpression":"SET"}`,
		`ValidationException: Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "SET"`},
	{"a condition that cannot be read", "PutItem", `{"TableName":"TABLE","Item":{"p":{"S":"a"}},"ConditionExpression":"x ="}`,
		`ValidationException: Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "="`},
	{"an unused value", "DeleteItem", `{"TableName":"TABLE","Key":{"p":{"S":"a"}},"ConditionExpression":"attribute_exists(p)","ExpressionAttributeValues":{":v":{"N":"1"}}}`,
		"ValidationException: Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}"},
	{"an item that is too large", "PutItem", `{"TableName":"TABLE","Item":{"p":{"S":"a"},"x":{"S":"` + strings.Repeat("x", 400<<10) + `"}}}`,
		"ValidationException: Item size has exceeded the maximum allowed size"},
	{"new values of a put", "PutItem", `{"TableName":"TABLE","Item":{"p":{"S":"a"}},"ReturnValues":"ALL_NEW"}`,
		"ValidationException: ReturnValues can only be ALL_OLD or NONE"},
	{"a projection that cannot be read", "GetItem", `{"TableName":"TABLE","Key":{"p":{"S":"a"}},"ProjectionExpression":"x,"}`,
		`ValidationException: Invalid ProjectionExpression: Syntax error; token: "<EOF>", near: ","`},
	{"no key", "GetItem", `{"TableName":"TABLE"}`,
		"ValidationException: 1 validation error detected: Value null at 'key' failed to satisfy constraint: Member must not be null"},
	{"no key condition", "Query", `{"TableName":"TABLE"}`,
		"ValidationException: Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."},
	{"a key condition that is none", "Query", `{"TableName":"TABLE","KeyConditionExpression":"NOT p = :p","ExpressionAttributeValues":{":p":{"S":"a"}}}`,
		"ValidationException: Invalid operator used in KeyConditionExpression: NOT"},
	{"a filter that cannot be read", "Query", `{"TableName":"TABLE","KeyConditionExpression":"p = :p","FilterExpression":"x","ExpressionAttributeValues":{":p":{"S":"a"}}}`,
		`ValidationException: Invalid FilterExpression: Syntax error; token: "<EOF>", near: "x"`},
	{"projected attributes of no index", "Scan", `{"TableName":"TABLE","Select":"ALL_PROJECTED_ATTRIBUTES"}`,
		"ValidationException: ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"},
	{"a segment of nothing", "Scan", `{"TableName":"TABLE","Segment":1}`,
		"ValidationException: The TotalSegments parameter is required but was not present in the request when Segment parameter is present"},
	{"a limit of 0", "Scan", `{"TableName":"TABLE","Limit":0}`,
		"ValidationException: 1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"},
	{"a key twice", "BatchGetItem", `{"RequestItems":{"TABLE":{"Keys":[{"p":{"S":"a"}},{"p":{"S":"a"}}]}}}`,
		"ValidationException: Provided list of item keys contains duplicates"},
	{"a projection that cannot be read", "BatchGetItem", `{"RequestItems":{"TABLE":{"Keys":[{"p":{"S":"a"}}],"ProjectionExpression":"x,"}}}`,
		`ValidationException: Invalid ProjectionExpression: Syntax error; token: "<EOF>", near: ","`},
	{"an item that is too large", "BatchWriteItem", `{"RequestItems":{"TABLE":[{"PutRequest":{"Item":{"p":{"S":"a"},"x":{"S":"` + strings.Repeat("x", 400<<10) + `"}}}}]}}`,
		"ValidationException: Item size has exceeded the maximum allowed size"},
	{"an update that cannot be read", "TransactWriteItems", `{"TransactItems":[{"Update":{"TableName":"TABLE","Key":{"p":{"N":"1"}},"UpdateExpression":"SET"}}]}`,
		`ValidationException: Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "SET"`},
	{"an update that cannot be read, of the second item", "TransactWriteItems", `{"TransactItems":[{"Delete":{"TableName":"TABLE","Key":{"p":{"N":"1"}}}},{"Update":{"TableName":"TABLE","Key":{"p":{"S":"a"}},"UpdateExpression":"SET"}}]}`,
		`ValidationException: Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "SET"`},
	{"a projection that cannot be read", "TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"TABLE","Key":{"p":{"N":"1"}},"ProjectionExpression":"x,"}}]}`,
		`ValidationException: Invalid ProjectionExpression: Syntax error; token: "<EOF>", near: ","`},
	{"no change", "UpdateTable", `{"TableName":"TABLE"}`, "ValidationException: At least one of …"},
	{"no specification", "UpdateTimeToLive", `{"TableName":"TABLE"}`,
		"ValidationException: 1 validation error detected: Value null at 'timeToLiveSpecification' failed to satisfy constraint: Member must not be null"},
	{"no specification", "UpdateContinuousBackups", `{"TableName":"TABLE"}`,
		"ValidationException: 1 validation error detected: Value null at 'pointInTimeRecoverySpecification' failed to satisfy constraint: Member must not be null"},
}

// What says itself that it is wrong is found before the table is looked up: as on AWS, a
// request is refused for the same reason whether there is the table or not.
func TestRequestsAreCheckedBeforeTheTableIsLookedUp(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "it looks up the table first, and does not know UpdateContinuousBackups")
		table := s.table(t, schema{hash: "p:S"})
		for _, c := range wrong {
			for _, name := range []string{"NoSuchTable", table} {
				t.Run(c.operation+" "+c.name+" "+name, func(t *testing.T) {
					_, err := s.raw(c.operation, strings.ReplaceAll(c.body, "TABLE", name))
					s.wantFault(t, err, c.want)
				})
			}
		}
	})
}

// What only the table's schema tells is found after.
func TestUnknownTableComesBeforeItsSchema(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		for _, c := range []struct{ operation, body string }{
			{"PutItem", `{"TableName":"NoSuchTable","Item":{}}`},
			{"GetItem", `{"TableName":"NoSuchTable","Key":{"p":{"S":""}}}`},
			{"Query", `{"TableName":"NoSuchTable","IndexName":"none","KeyConditionExpression":"x < :v","ExpressionAttributeValues":{":v":{"S":"a"}}}`},
			{"Scan", `{"TableName":"NoSuchTable","ExclusiveStartKey":{"p":{"S":""}}}`},
			{"BatchWriteItem", `{"RequestItems":{"NoSuchTable":[{"DeleteRequest":{"Key":{}}}]}}`},
			{"TransactWriteItems", `{"TransactItems":[{"Delete":{"TableName":"NoSuchTable","Key":{}}}]}`},
			{"TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"NoSuchTable","Key":{}}}]}`},
		} {
			t.Run(c.operation, func(t *testing.T) {
				_, err := s.raw(c.operation, c.body)
				s.wantFault(t, err, "ResourceNotFoundException: Requested resource not found")
			})
		}
	})
}

const oneError = "ValidationException: 1 validation error detected: "

// The texts are those of AWS, recorded by two public suites (dynalite's and
// nubo-db/dynamodb-conformance).
func TestNamesOfTables(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "it has one text for all names, and takes unknown ARNs for names")
		long := strings.Repeat("a", 256)
		const (
			failed  = "' at 'tableName' failed to satisfy constraint: "
			short   = "Member must have length greater than or equal to "
			pattern = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
		)
		for _, c := range []struct{ operation, name, want string }{
			{"GetItem", ``, oneError + "Value '" + failed + short + "1"},
			{"GetItem", `ab`, "ResourceNotFoundException"},
			{"GetItem", `bad table!@#`, oneError + "Value 'bad table!@#" + failed + pattern},
			{"GetItem", long, oneError + "Value '" + long + failed + "Member must have length less than or equal to 255"},
			{"GetItem", `arn:aws:dynamodb:us-east-1:000000000000:table/NoSuchTable`, "ResourceNotFoundException"},
			{"GetItem", `arn:aws:dynamodb:us-east-1:999999999999:table/NoSuchTable`, "ResourceNotFoundException"},
			{"GetItem", `arn:aws:dynamodb:us-east-1:000000000000:table/T/index/I`, oneError + "Value 'arn:aws:dynamodb:us-east-1:000000000000:table/T/index/I" + failed + "Valid ARN format is …"},
			{"GetItem", `arn:aws`, oneError + "Value 'arn:aws" + failed + "Valid ARN format is …"},
			{"DescribeTable", `arn:aws:dynamodb:eu-west-1:000000000000:table/Table`, oneError + "Invalid AWS region in 'arn:aws:dynamodb:eu-west-1:000000000000:table/Table'"},
			{"DescribeTable", `ab`, oneError + "Value 'ab" + failed + short + "3"},
			{"DescribeTable", ``, "ValidationException: 2 validation errors detected: Value '" + failed + short + "3; Value '" + failed + pattern},
			{"DeleteTable", `a!`, "ValidationException: 2 validation errors detected: Value 'a!" + failed + short + "3; Value 'a!" + failed + pattern},
			{"CreateTable", `ab`, oneError + "Value 'ab" + failed + short + "3"},
			{"CreateTable", `arn:aws:dynamodb:us-east-1:000000000000:table/Table`, "ValidationException"},
		} {
			t.Run(c.operation+" "+c.name, func(t *testing.T) {
				_, err := s.raw(c.operation, fmt.Sprintf(`{"TableName":%q,"Key":{"p":{"S":"a"}}}`, c.name))
				s.wantFault(t, err, c.want)
			})
		}
		for operation, want := range map[string]string{
			"GetItem":     oneError + "Value null at 'tableName' failed to satisfy constraint: Member must not be null",
			"CreateTable": "ValidationException: The parameter 'TableName' is required but was not present in the request",
			"UpdateTable": "ValidationException: The parameter 'TableName' is required but was not present in the request",
		} {
			_, err := s.raw(operation, `{}`)
			s.wantFault(t, err, want)
		}
		_, err := s.raw("BatchGetItem", `{"RequestItems":{"a!":{"Keys":[{"p":{"S":"a"}}]}}}`)
		s.wantFault(t, err, oneError+"Value '{a!}' at 'requestItems' failed to satisfy constraint: Map keys must satisfy constraint: …")
		table := s.table(t, schema{hash: "p:S"})
		if _, err := s.raw("GetItem", `{"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/`+table+`","Key":{"p":{"S":"a"}}}`); err != nil {
			t.Errorf("by its ARN: %v", err)
		}
	})
}

func TestConstraintsAreReportedTogether(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "it looks up the table first, and reports one at a time")
		const failed = " failed to satisfy constraint: "
		for _, c := range []struct{ name, operation, body, want string }{
			{"three enums", "PutItem", `{"TableName":"NoSuchTable","Item":{"p":{"S":"a"}},"ReturnConsumedCapacity":"X","ReturnItemCollectionMetrics":"Y","ReturnValues":"Z"}`,
				"ValidationException: 3 validation errors detected: " +
					"Value 'X' at 'returnConsumedCapacity'" + failed + "Member must satisfy enum value set: [INDEXES, TOTAL, NONE]; " +
					"Value 'Y' at 'returnItemCollectionMetrics'" + failed + "Member must satisfy enum value set: [SIZE, NONE]; " +
					"Value 'Z' at 'returnValues'" + failed + "Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"},
			{"a table's name alone", "PutItem", `{"TableName":"","Item":{},"ReturnValues":"Z"}`,
				oneError + "Value '' at 'tableName'" + failed + "Member must have length greater than or equal to 1"},
			{"an enum and a number", "Query", `{"TableName":"NoSuchTable","Select":"X","Limit":0}`,
				"ValidationException: 2 validation errors detected: Value 'X' at 'select'" + failed + "Member must satisfy enum value set: " +
					"[SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]; Value '0' at 'limit'" + failed + "Member must have value greater than or equal to 1"},
			{"parts of a transaction", "TransactWriteItems", `{"TransactItems":[{"Delete":{"TableName":"NoSuchTable"}},{"Update":{"TableName":"NoSuchTable","Key":{},"ReturnValuesOnConditionCheckFailure":"X"}}]}`,
				"ValidationException: 3 validation errors detected: Value null at 'transactItems.1.member.delete.key'" + failed + "Member must not be null; " +
					"Value null at 'transactItems.2.member.update.updateExpression'" + failed + "Member must not be null; " +
					"Value 'X' at 'transactItems.2.member.update.returnValuesOnConditionCheckFailure'" + failed + "Member must satisfy enum value set: [ALL_OLD, NONE]"},
			{"a new table", "CreateTable", `{"TableName":"Table","BillingMode":"A","ProvisionedThroughput":{"ReadCapacityUnits":-1,"WriteCapacityUnits":-1},"KeySchema":[]}`,
				"ValidationException: 5 validation errors detected: Value null at 'attributeDefinitions'" + failed + "Member must not be null; " +
					"Value 'A' at 'billingMode'" + failed + "Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]; " +
					"Value '-1' at 'provisionedThroughput.writeCapacityUnits'" + failed + "Member must have value greater than or equal to 1; " +
					"Value '-1' at 'provisionedThroughput.readCapacityUnits'" + failed + "Member must have value greater than or equal to 1; " +
					"Value '[]' at 'keySchema'" + failed + "Member must have length greater than or equal to 1"},
			{"a key of three", "CreateTable", `{"TableName":"Table","AttributeDefinitions":[{"AttributeName":"p","AttributeType":"SS"}],
				"KeySchema":[{"AttributeName":"p","KeyType":"HASH"},{"AttributeName":"s","KeyType":"RANGE"},{"KeyType":"Woop"}]}`,
				"ValidationException: 4 validation errors detected: Value 'SS' at 'attributeDefinitions.1.member.attributeType'" + failed + "Member must satisfy enum value set: [B, N, S]; " +
					"Value '[KeySchemaElement(attributeName=p, keyType=HASH), KeySchemaElement(attributeName=s, keyType=RANGE), KeySchemaElement(attributeName=, keyType=Woop)]' at 'keySchema'" +
					failed + "Member must have length less than or equal to 2; " +
					"Value null at 'keySchema.3.member.attributeName'" + failed + "Member must not be null; " +
					"Value 'Woop' at 'keySchema.3.member.keyType'" + failed + "Member must satisfy enum value set: [HASH, RANGE]"},
			{"an index's name", "UpdateTable", `{"TableName":"NoSuchTable","GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"a!"}}]}`,
				"ValidationException: 2 validation errors detected: Value 'a!' at 'globalSecondaryIndexUpdates.1.member.delete.indexName'" + failed + "Member must have length greater than or equal to 3; " +
					"Value 'a!' at 'globalSecondaryIndexUpdates.1.member.delete.indexName'" + failed + "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"},
		} {
			t.Run(c.name, func(t *testing.T) {
				_, err := s.raw(c.operation, c.body)
				s.wantFault(t, err, c.want)
			})
		}
	})
}
