package dynamo

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"
)

// TestImagesAndItemsHaveTheSameData reads one item as the stream has it and as a table gives
// it: whoever watches and whoever takes a snapshot see the same bytes.
func TestImagesAndItemsHaveTheSameData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		item := rapid.MapOfN(rapid.String(), anyAttribute(3), 0, 5).Draw(t, "item")
		item["topic"], item["id"], item["expiresAt"] = str("a"), str("b"), num(5)
		image, err := json.Marshal(imageForm(&types.AttributeValueMemberM{Value: item})["M"])
		if err != nil {
			t.Fatal(err)
		}
		want, err := itemData(item)
		if err != nil {
			t.Fatal(err)
		}
		state, err := readImage(image)
		if got := state.data; err != nil || !bytes.Equal(got, want) || number(state.own, "expiresAt") != "5" {
			t.Errorf("image %s gives\n%s, %v\nitem gives\n%s", image, got, err, want)
		}
	})
}

// anyAttribute makes attributes of all types, nested up to depth levels.
func anyAttribute(depth int) *rapid.Generator[types.AttributeValue] {
	digits := rapid.SampledFrom([]string{"0", "-1.5E-7", "12345678901234567890.5", "7"})
	flat := []*rapid.Generator[types.AttributeValue]{
		rapid.Map(rapid.String(), func(s string) types.AttributeValue { return str(s) }),
		rapid.Map(rapid.SampledFrom([]string{"<&>", "\u2028", "\uffff", "\"\\", "\x01\x7f", "😀"}), func(s string) types.AttributeValue { return str(s) }),
		rapid.Map(digits, func(n string) types.AttributeValue { return &types.AttributeValueMemberN{Value: n} }),
		rapid.Map(rapid.Bool(), func(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }),
		rapid.Just[types.AttributeValue](&types.AttributeValueMemberNULL{Value: true}),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }),
		rapid.Map(rapid.SliceOfN(rapid.String(), 1, 4), func(s []string) types.AttributeValue { return &types.AttributeValueMemberSS{Value: s} }),
		rapid.Map(rapid.SliceOfN(digits, 1, 4), func(n []string) types.AttributeValue { return &types.AttributeValueMemberNS{Value: n} }),
		rapid.Map(rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 1, 4), func(b [][]byte) types.AttributeValue { return &types.AttributeValueMemberBS{Value: b} }),
	}
	if depth == 0 {
		return rapid.OneOf(flat...)
	}
	return rapid.OneOf(append(flat,
		rapid.Map(rapid.SliceOfN(anyAttribute(depth-1), 0, 4), func(l []types.AttributeValue) types.AttributeValue { return &types.AttributeValueMemberL{Value: l} }),
		rapid.Map(rapid.MapOfN(rapid.String(), anyAttribute(depth-1), 0, 4), func(m map[string]types.AttributeValue) types.AttributeValue {
			return &types.AttributeValueMemberM{Value: m}
		}),
	)...)
}

// imageForm is a value with its type, as encoding/json writes DynamoDB's JSON.
func imageForm(value types.AttributeValue) map[string]any {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return map[string]any{"S": v.Value}
	case *types.AttributeValueMemberN:
		return map[string]any{"N": v.Value}
	case *types.AttributeValueMemberBOOL:
		return map[string]any{"BOOL": v.Value}
	case *types.AttributeValueMemberB:
		return map[string]any{"B": v.Value}
	case *types.AttributeValueMemberSS:
		return map[string]any{"SS": v.Value}
	case *types.AttributeValueMemberNS:
		return map[string]any{"NS": v.Value}
	case *types.AttributeValueMemberBS:
		return map[string]any{"BS": v.Value}
	case *types.AttributeValueMemberL:
		list := []any{}
		for _, element := range v.Value {
			list = append(list, imageForm(element))
		}
		return map[string]any{"L": list}
	case *types.AttributeValueMemberM:
		m := map[string]any{}
		for name, element := range v.Value {
			m[name] = imageForm(element)
		}
		return map[string]any{"M": m}
	}
	return map[string]any{"NULL": true}
}

// TestWhatIsNoImageIsRefused: such records come from no table, but may be sent by hand.
func TestWhatIsNoImageIsRefused(t *testing.T) {
	for _, image := range []string{
		``, `null`, `[]`, `{`, `{"a":1}`, `{"a":{}}`, `{"a":{"S":1}}`, `{"a":{"N":1}}`, `{"a":{"N":"x"}}`, `{"a":{"N":""}}`, `{"a":{"N":"01"}}`, `{"a":{"N":" 1"}}`, `{"a":{"N":"\u0031"}}`, `{"a":{"BOOL":"true"}}`,
		`{"a":{"L":{}}}`, `{"a":{"M":[]}}`, `{"a":{"BS":[{}]}}`, `{"a":{"SS":[1]}}`, `{"a":{"X":"y"}}`, `{"a":{"S":"b","N":"1"}}`, `{"a":{"S":"b"},"a":{"S":"c"}}`,
		`{"a":{"S":"\ud800"}}`, "{\"a\":{\"S\":\"\xff\"}}",
	} {
		if state, err := readImage([]byte(image)); err == nil {
			t.Errorf("%s became %s", image, state.data)
		}
	}
}
