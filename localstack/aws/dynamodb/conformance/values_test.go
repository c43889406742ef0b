package conformance

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// record is an item, in the SDK's form.
type record = map[string]types.AttributeValue

// Values that no Go literal stands for.
type (
	number string   // N, as it is sent
	texts  []string // SS
	digits []string // NS
	blobs  []string // BS
	list   []any    // L
)

// item makes an item of names and values in turn.
func item(pairs ...any) record {
	it := record{}
	for i := 0; i < len(pairs); i += 2 {
		it[pairs[i].(string)] = value(pairs[i+1])
	}
	return it
}

// value makes an attribute value of a Go value.
func value(v any) types.AttributeValue {
	switch v := v.(type) {
	case nil:
		return &types.AttributeValueMemberNULL{Value: true}
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case int:
		return &types.AttributeValueMemberN{Value: strconv.Itoa(v)}
	case number:
		return &types.AttributeValueMemberN{Value: string(v)}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case []byte:
		return &types.AttributeValueMemberB{Value: v}
	case texts:
		return &types.AttributeValueMemberSS{Value: v}
	case digits:
		return &types.AttributeValueMemberNS{Value: v}
	case blobs:
		set := &types.AttributeValueMemberBS{}
		for _, b := range v {
			set.Value = append(set.Value, []byte(b))
		}
		return set
	case record:
		return &types.AttributeValueMemberM{Value: v}
	case list:
		l := &types.AttributeValueMemberL{Value: []types.AttributeValue{}}
		for _, e := range v {
			l.Value = append(l.Value, value(e))
		}
		return l
	}
	return &types.UnknownUnionMember{Tag: fmt.Sprintf("%T", v)} // the SDK refuses to send it
}

// show writes an item in one order and one form, for comparison:
// {id:"x" n:1.5 l:["a" 2] set:<"a" "b"> b:0xAAE=}. No item is "none".
func show(it record) string {
	if it == nil {
		return "none"
	}
	parts := []string{}
	for _, name := range slices.Sorted(maps.Keys(it)) {
		parts = append(parts, name+":"+showValue(it[name]))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func showValue(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return strconv.Quote(v.Value)
	case *types.AttributeValueMemberN:
		return v.Value
	case *types.AttributeValueMemberB:
		return showBytes(v.Value)
	case *types.AttributeValueMemberBOOL:
		return strconv.FormatBool(v.Value)
	case *types.AttributeValueMemberNULL:
		return "null"
	case *types.AttributeValueMemberM:
		return show(v.Value)
	case *types.AttributeValueMemberL:
		return showAll("[", v.Value, showValue, "]")
	case *types.AttributeValueMemberSS:
		return showSet(v.Value, strconv.Quote)
	case *types.AttributeValueMemberNS:
		return showSet(v.Value, func(s string) string { return s })
	case *types.AttributeValueMemberBS:
		return showSet(v.Value, showBytes)
	}
	return fmt.Sprintf("%T", v)
}

func showBytes(b []byte) string { return "0x" + base64.StdEncoding.EncodeToString(b) }

// showSet ignores the order of a set, which means nothing.
func showSet[E any](set []E, text func(E) string) string {
	parts := make([]string, len(set))
	for i, e := range set {
		parts[i] = text(e)
	}
	slices.Sort(parts)
	return "<" + strings.Join(parts, " ") + ">"
}

func showAll[E any](open string, all []E, text func(E) string, end string) string {
	parts := make([]string, len(all))
	for i, e := range all {
		parts[i] = text(e)
	}
	return open + strings.Join(parts, " ") + end
}

// column gives one attribute of each item, in order: "a b c".
func column(items []record, name string) string {
	parts := make([]string, len(items))
	for i, it := range items {
		parts[i] = strings.Trim(showValue(it[name]), `"`)
	}
	return strings.Join(parts, " ")
}
