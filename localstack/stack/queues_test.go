package stack_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// TestQueuesShowWhatTheTemplateSets: whoever looks at a queue finds its policy, encryption
// and retention as on AWS.
func TestQueuesShowWhatTheTemplateSets(t *testing.T) {
	s := start(t, nil)
	out, err := s.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(s.Outputs["FailureQueueUrl"]), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Attributes; got["SqsManagedSseEnabled"] != "true" || got["MessageRetentionPeriod"] != "1209600" ||
		!strings.Contains(got["Policy"], `"aws:SecureTransport":"false"`) || !strings.Contains(got["Policy"], `:FailureQueue"`) {
		t.Errorf("the failure queue has %v", got)
	}
}
