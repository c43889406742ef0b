package sqs

import (
	"errors"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// maxBatch is the number of entries a batch has, and messages a receive gives,
// at most.
const maxBatch = 10

// batchOutput says for each entry of a batch how it went.
type batchOutput struct {
	Successful []any
	Failed     []batchFailure
}

type batchFailure struct {
	Id          string
	SenderFault bool
	Code        string
	Message     string
}

func newBatchOutput() *batchOutput {
	return &batchOutput{Successful: []any{}, Failed: []batchFailure{}}
}

func (o *batchOutput) fail(id string, err error) {
	f := batchFailure{Id: id, SenderFault: true, Code: "InternalError", Message: err.Error()}
	var e *awsjson.Error
	if errors.As(err, &e) {
		f.Code, f.Message = e.Type, e.Message
	}
	o.Failed = append(o.Failed, f)
}

// checkBatch gives what is wrong with the entries' ids.
func checkBatch(ids []string) error {
	if len(ids) == 0 {
		return errorf("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(ids) > maxBatch {
		return errorf("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(ids))
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if !queueName.MatchString(id) { // the same characters and length
			return errorf("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return errorf("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		}
		seen[id] = true
	}
	return nil
}
