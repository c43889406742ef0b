package sqs

import "github.com/watchroute/watchroute/localstack/aws/awsjson"

// queryCodes are the errors whose code in the old Query protocol is not their
// shape's name; SDKs that follow the SQS model report the old one.
var queryCodes = map[string]string{
	"QueueDoesNotExist":            "AWS.SimpleQueueService.NonExistentQueue",
	"QueueNameExists":              "QueueAlreadyExists",
	"MessageNotInflight":           "AWS.SimpleQueueService.MessageNotInflight",
	"EmptyBatchRequest":            "AWS.SimpleQueueService.EmptyBatchRequest",
	"TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
	"BatchEntryIdsNotDistinct":     "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
	"InvalidBatchEntryId":          "AWS.SimpleQueueService.InvalidBatchEntryId",
	"BatchRequestTooLong":          "AWS.SimpleQueueService.BatchRequestTooLong",
	"UnsupportedOperation":         "AWS.SimpleQueueService.UnsupportedOperation",
}

// errorf makes an error as SQS reports it.
func errorf(shape, format string, args ...any) *awsjson.Error {
	err := awsjson.Errorf(shape, format, args...)
	if err.QueryCode = queryCodes[shape]; err.QueryCode == "" {
		err.QueryCode = shape
	}
	return err
}
