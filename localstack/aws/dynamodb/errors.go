package dynamodb

import (
	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// The texts are those of AWS where they are published or seen there, otherwise
// those of Amazon's DynamoDB Local.
var (
	errTableNotFound = awsjson.Errorf("ResourceNotFoundException", "Requested resource not found")
	errKeyMismatch   = invalid("The provided key element does not match the schema")
	errStartKey      = invalid("The provided starting key is invalid")
	errScanStartKey  = invalid("The provided starting key is invalid: The provided key element does not match the schema")
	errItemTooLarge  = invalid("Item size has exceeded the maximum allowed size")
	errUpdateTooBig  = invalid("Item size to update has exceeded the maximum allowed size")
	errCollection    = awsjson.Errorf("ItemCollectionSizeLimitExceededException", "Collection size exceeded.")
	errDuplicateKeys = invalid("Provided list of item keys contains duplicates")
	errNoTableName   = invalid("The parameter 'TableName' is required but was not present in the request")
	errRestart       = invalid("The query can return at most one row and cannot be restarted")
	errSameItemTwice = invalid("Transaction request cannot include multiple operations on one item")
)

const (
	conditionFailed     = "The conditional request failed"
	conditionFailedType = "ConditionalCheckFailedException"
)

// invalid is a ValidationException, DynamoDB's answer to most mistakes.
func invalid(format string, args ...any) error {
	return awsjson.Errorf("ValidationException", format, args...)
}

// invalidParameter is a ValidationException in its most frequent wording.
func invalidParameter(format string, args ...any) error {
	return invalid("One or more parameter values were invalid: "+format, args...)
}

// notFound is the answer of table operations to an unknown table.
func notFound(table string) error {
	return awsjson.Errorf("ResourceNotFoundException", "Requested resource not found: Table: %s not found", table)
}

// conditionalCheckFailed is the answer to a write whose condition does not hold;
// it shows the item as it is if the request asked for that and there is one.
func conditionalCheckFailed(shown item.Item) *awsjson.Error {
	e := awsjson.Errorf(conditionFailedType, conditionFailed)
	if shown != nil {
		e.Fields = map[string]any{"Item": shown}
	}
	return e
}
