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

// TestMappingsThatLambdaRefuses: what AWS would refuse at a deployment does not start here.
func TestMappingsThatLambdaRefuses(t *testing.T) {
	for want, change := range map[string]func(resources object){
		"GivenUpToSalvage: the mapping of a queue has properties": func(resources object) {
			properties(resources, "GivenUpToSalvage")["MaximumRetryAttempts"] = 1
		},
		"GivenUpToSalvage: FilterCriteria of a queue do not run locally": func(resources object) {
			properties(resources, "GivenUpToSalvage")["FilterCriteria"] = object{"Filters": []any{object{"Pattern": `{"body":{"a":[1]}}`}}}
		},
		"EventsToFanout: the mapping of a stream has a ScalingConfig": func(resources object) {
			properties(resources, "EventsToFanout")["ScalingConfig"] = object{"MaximumConcurrency": 2}
		},
		"GivenUpToSalvage: invalid parameter value: queue visibility timeout: 59 seconds is less than function timeout: 60 seconds": func(resources object) {
			properties(resources, "GivenUpQueue")["VisibilityTimeout"] = 59
		},
		"GivenUpQueue: CreateQueue: InvalidParameterValue": func(resources object) {
			properties(resources, "GivenUpQueue")["RedrivePolicy"].(object)["maxReceiveCount"] = 0
		},
	} {
		if err := startError(t, edited(t, change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("start: %v, want %s", err, want)
		}
	}
}
