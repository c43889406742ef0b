package stack_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/localstack/stack"
)

// TestSeveralMappings runs two mappings to one function and two of one stream: each
// function gets its streams' records, and of them those that its filter lets through.
func TestSeveralMappings(t *testing.T) {
	s := start(t, func(o *stack.Options) {
		of := ownOptions(t, "streams.template.json", nil)
		o.Root, o.Template = of.Root, of.Template
	})
	write := func(table, id, kind string) {
		_, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
			"id": &types.AttributeValueMemberS{Value: id}, "kind": &types.AttributeValueMemberS{Value: kind},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	write("Left", "l1", "any")
	write("Right", "r1", "any")
	write("Right", "r2", "chosen")
	write("Right", "r2", "chosen too") // no INSERT
	write("Left", "l2", "chosen")
	write("Right", "r3", "chosen")
	for function, want := range map[string]string{"All": "l1 l2 r1 r2 r3", "Some": "r2 r3"} {
		eventually(t, function+" has seen "+want, func() bool {
			return strings.Join(slices.Sorted(maps.Keys(s.seen(t, function))), " ") == want
		})
	}
}

// TestEachMappingNeedsItsGrants takes one stream out of the grants of a role with two.
func TestEachMappingNeedsItsGrants(t *testing.T) {
	o := ownOptions(t, "streams.template.json", func(resources object) {
		_, list := statements(resources, "AllRole")
		statement := list[1].(object)
		statement["Resource"] = statement["Resource"].([]any)[:1]
	})
	err := startErrorOf(t, o)
	if err == nil || !strings.Contains(err.Error(), "RightToAll: cannot access arn:aws:dynamodb:us-east-1:000000000000:table/Right/stream/") {
		t.Errorf("start: %v", err)
	}
}
