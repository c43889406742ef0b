package dynamodb

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// maxTags is the most tags a table may have.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Tagging.html
const maxTags = 50

type tag struct{ Key, Value string }

type tagInput struct {
	ResourceArn *string
	Tags        []tag
	TagKeys     []string
}

func (e *Engine) tagResource(_ context.Context, in *tagInput) (any, error) {
	t, err := e.resource(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return struct{}{}, t.writing(func() error { return t.tag(in.Tags) })
}

func (e *Engine) untagResource(_ context.Context, in *tagInput) (any, error) {
	t, err := e.resource(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return struct{}{}, t.writing(func() error {
		for _, key := range in.TagKeys {
			delete(t.tags, key)
		}
		return nil
	})
}

func (e *Engine) listTagsOfResource(_ context.Context, in *tagInput) (any, error) {
	t, err := e.resource(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags := []tag{}
	err = t.reading(func() {
		for key, value := range t.tags {
			tags = append(tags, tag{key, value})
		}
	})
	slices.SortFunc(tags, func(a, b tag) int { return cmp.Compare(a.Key, b.Key) })
	return struct{ Tags []tag }{tags}, err
}

// tag adds tags or gives them new values. The caller holds the table's lock.
func (t *table) tag(tags []tag) error {
	added := 0
	for _, tag := range tags {
		if _, known := t.tags[tag.Key]; !known {
			added++
		}
	}
	if len(t.tags)+added > maxTags {
		return invalid("One or more parameter values were invalid: too many tags, at most %d are allowed", maxTags)
	}
	for _, tag := range tags {
		t.tags[tag.Key] = tag.Value
	}
	return nil
}

// resource finds a table by its ARN.
func (e *Engine) resource(arn *string) (*table, error) {
	if arn == nil {
		return nil, missing("resourceArn")
	}
	parts := strings.SplitN(*arn, ":", 6)
	switch {
	case !isARN(*arn):
		return nil, invalidParameter("ARNs must start with 'arn:': %s", *arn)
	case len(parts) < 6 || parts[2] != "dynamodb":
		return nil, invalidParameter("Provided Arn is not a DynamoDB resource arn: %s", *arn)
	case bareName(*arn) == "":
		return nil, invalidParameter("Invalid resource arn provided, only table or stream is accepted. Provided resource arn: %s", *arn)
	case *arn != e.arn(bareName(*arn)):
		return nil, invalid("Invalid TableArn: Invalid ResourceArn provided as input %s", *arn)
	}
	if t := e.table(bareName(*arn)); t != nil {
		return t, nil
	}
	return nil, awsjson.Errorf("ResourceNotFoundException", "Requested resource not found: ResourceArn: %s not found", *arn)
}
