package conformance

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
)

// otherWords are errors that DynamoDB Local words unlike DynamoDB: each begins
// as the first in DynamoDB and is the second in DynamoDB Local.
var otherWords = []struct{ dynamodb, local string }{
	{"ResourceNotFoundException: Requested resource not found", "ResourceNotFoundException: Cannot do operations on a non-existent table"},
	{invalidValues + "Number of attributes in KeySchema ", "ValidationException: The number of attributes in key schema must match the number of attributes defined in attribute definitions."},
	{"ValidationException: Both the Hash Key and the Range Key ", "ValidationException: Two keys can not have the same name"},
	{"ValidationException: Invalid KeySchema: Some index key attribute have no definition", "ValidationException: Two keys can not have the same name"},
	{invalidValues + "ReadCapacityUnits and WriteCapacityUnits must both ", "ValidationException: No provisioned throughput specified for the table"},
	{invalidValues + "Table KeySchema does not have a range key", "ValidationException: Local Secondary indices are not allowed on hash tables, only hash and range tables"},
	{invalidValues + "ProjectionType is INCLUDE", "ValidationException: If Projection type INCLUDE is specified, some non-key attributes to include in the projection must be specified as well"},
	{invalidValues + "ProjectionType is ALL", "ValidationException: No attributes should be specified to be projected unless projection type is INCLUDE"},
	{invalidValues + "Number of LocalSecondaryIndexes exceeds ", "ValidationException: Cannot have more than 5 local secondary indexes per table"},
	{"ValidationException: TimeToLive is active on a different AttributeName", "ValidationException: TimeToLive is active on a different AttributeName"},
	{invalidValues + "Missing the key ", "ValidationException: One of the required keys was not given a value"},
	{invalidValues + "Type mismatch for key ", invalidValues + "Type mismatch for key"},
	{invalidValues + "Type mismatch for Index Key ", invalidValues + "Type mismatch for Index Key"},
	{invalidValues + "Size of hashkey ", "ValidationException: Hash primary key values must be under 2048 bytes, and range primary key values must be under 1024 bytes"},
	{invalidValues + "Aggregated size of all range keys ", "ValidationException: Hash primary key values must be under 2048 bytes, and range primary key values must be under 1024 bytes"},
	{keyMismatch, "ValidationException: The number of conditions on the keys is invalid"},
	{keyMismatch, "ValidationException: One of the required keys was not given a value"},
	{keyMismatch, invalidValues + "Type mismatch for key"},
	{invalidValues + "Input collection [a, a] contains duplicates.", invalidValues + "Input collection [a, a] contains duplicates"},
	{"ValidationException: Attempting to store more than 38 significant digits", "ValidationException: DynamoDB only supports precision up to 38 digits"},
	{"ValidationException: The parameter cannot be converted to a numeric value", "ValidationException: A value provided cannot be converted into a number"},
	{"ValidationException: Query condition missed key schema element: ", "ValidationException: Query condition missed key schema element"},
	{"ValidationException: 1 validation error detected: Value '0' at 'limit' ", "ValidationException: Limit must be greater than or equal to 1"},
	{"ValidationException: ReturnValues can only be ALL_OLD or NONE", "ValidationException: Return values set to invalid value"},
	{"ValidationException: The provided starting key is outside query boundaries ", "ValidationException: The provided starting key does not match the range key predicate"},
	{"ValidationException: The query can return at most one row ", "ValidationException: The provided starting key does not match the range key predicate"},
	{"ValidationException: The TotalSegments parameter is required ", "ValidationException: If segment is specified, total segment must also be specified"},
	{"ValidationException: The Segment parameter is required ", "ValidationException: If total segments is specified, a particular segment must also be specified for this request"},
	{"ValidationException: The Segment parameter is zero-based ", "ValidationException: 1 validation error detected: Value '2' at 'segment' failed to satisfy constraint: Member must have value less than or equal to 1"},
}

// wantFault checks the error an operation answered with, as "Type: message". A
// want without message checks the type alone, one that ends in "…" is a prefix,
// and "" is success.
func (s *stack) wantFault(t *testing.T, err error, want string) {
	t.Helper()
	got := fault(err)
	if matches(got, want) || !s.embedded && sameInOtherWords(got, want) {
		return
	}
	t.Errorf("got  %q\nwant %q", got, want)
}

func matches(got, want string) bool {
	if prefix, cut := strings.CutSuffix(want, "…"); cut {
		return strings.HasPrefix(got, prefix)
	}
	if !strings.Contains(want, ": ") {
		got, _, _ = strings.Cut(got, ": ")
	}
	return got == want
}

func sameInOtherWords(got, want string) bool {
	for _, o := range otherWords {
		if strings.HasPrefix(want, o.dynamodb) && got == o.local {
			return true
		}
	}
	return false
}

// fault writes an error as "Type: message"; "" for none.
func fault(err error) string {
	if err == nil {
		return ""
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return "not an API error: " + err.Error()
}

// apiError reads an error body as the SDK does.
func apiError(answer map[string]any) error {
	kind, _ := answer["__type"].(string)
	_, kind, _ = strings.Cut(kind, "#")
	message, ok := answer["message"].(string)
	if !ok {
		message, _ = answer["Message"].(string)
	}
	return &smithy.GenericAPIError{Code: kind, Message: message}
}
