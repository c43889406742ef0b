package dynamo_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// wild makes members of any shape, of about so many bytes.
func wild(r *rand.Rand, bytes int) attributes {
	members := attributes{}
	for bytes > 0 {
		size := 1 + r.IntN(bytes)
		members[fmt.Sprint(len(members), wildText(r, 1+r.IntN(5)))] = wildValue(r, size, 4)
		bytes -= size + 4
	}
	return members
}

// wildValue makes a value of about so many bytes.
func wildValue(r *rand.Rand, bytes, depth int) types.AttributeValue {
	kind := r.IntN(10)
	if depth == 0 {
		kind = r.IntN(6)
	}
	switch kind {
	case 0:
		digits := make([]byte, 1+r.IntN(38))
		for i := range digits {
			digits[i] = '1' + byte(r.IntN(9))
		}
		return number(string(digits))
	case 1:
		return &types.AttributeValueMemberBOOL{Value: r.IntN(2) == 0}
	case 2:
		return &types.AttributeValueMemberNULL{Value: true}
	case 3:
		return &types.AttributeValueMemberB{Value: []byte(wildText(r, bytes))}
	case 4, 5:
		return str(wildText(r, bytes))
	case 6:
		return &types.AttributeValueMemberSS{Value: []string{"a" + wildText(r, bytes), "b"}}
	case 7:
		return &types.AttributeValueMemberNS{Value: []string{"1", "2.5"}}
	case 8:
		return &types.AttributeValueMemberM{Value: wild(r, bytes)}
	}
	list := &types.AttributeValueMemberL{}
	for left := bytes; left > 0; {
		size := 1 + r.IntN(1+left/3)
		list.Value = append(list.Value, wildValue(r, size, depth-1))
		left -= size + 1
	}
	return list
}

func wildLetter(r *rand.Rand) string {
	return []string{"a", "B", "7", "-", "é", "ü", "名", "✓", "\ufffe", "\uffff", "\ufdd0", "😀", "\U0010ffff"}[r.IntN(13)] // some are no characters
}

// wildText makes a text of so many bytes, in letters of one to four.
func wildText(r *rand.Rand, bytes int) string {
	var text strings.Builder
	for text.Len() < bytes {
		letter := wildLetter(r)
		if text.Len()+len(letter) <= bytes {
			text.WriteString(letter)
		}
	}
	return text.String()
}

// padded is a state of an item, what of it is padded, the state or a member of it, and with
// which letter.
type padded struct {
	state, at attributes
	letter    string
}

// pad is the member that makes states equally large.
const pad = "pad"

// even pads states until all take equally many bytes in DynamoDB and equally many as JSON, of
// those at least so many.
func even(least int, all ...padded) {
	row, longer := 0, 0
	for _, p := range all {
		p.at[pad] = str("")
		row, longer = max(row, rowBytes(p.state)), max(longer, jsonBytes(p.state)-rowBytes(p.state))
	}
	row = max(row, least-longer)
	// A quote takes one byte in DynamoDB and two as JSON, other letters as many in both.
	quotes := make([]int, len(all))
	for i, p := range all {
		quotes[i] = longer - jsonBytes(p.state) + rowBytes(p.state)
		row = max(row, rowBytes(p.state)+quotes[i])
	}
	for i, p := range all {
		bytes := row - rowBytes(p.state) - quotes[i]
		p.at[pad] = str(strings.Repeat(`"`, quotes[i]) + strings.Repeat(p.letter, bytes/len(p.letter)) + strings.Repeat("y", bytes%len(p.letter)))
	}
}

// rowBytes is what attributes take in DynamoDB.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func rowBytes(a attributes) (sum int) {
	for name, value := range a {
		sum += len(name) + valueBytes(value)
	}
	return sum
}

func valueBytes(value types.AttributeValue) int {
	sum := 0
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return (len(strings.Trim(v.Value, "0."))-strings.Count(strings.Trim(v.Value, "0."), ".")+1)/2 + 1
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberSS:
		return len(strings.Join(v.Value, ""))
	case *types.AttributeValueMemberNS:
		for _, n := range v.Value {
			sum += valueBytes(number(n))
		}
		return sum
	case *types.AttributeValueMemberM:
		return 3 + len(v.Value) + rowBytes(v.Value)
	case *types.AttributeValueMemberL:
		for _, element := range v.Value {
			sum += 1 + valueBytes(element)
		}
		return 3 + sum
	}
	return 1
}

// jsonBytes is what an item's data takes as JSON.
func jsonBytes(a attributes) int {
	data := maps.Clone(a)
	delete(data, "expiresAt")
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(plain(&types.AttributeValueMemberM{Value: data})) // maps, lists and texts always encode
	return out.Len() - len("\n")
}

// plain is a value as encoding/json encodes it.
func plain(value types.AttributeValue) any {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return json.Number(v.Value)
	case *types.AttributeValueMemberB:
		return v.Value
	case *types.AttributeValueMemberBOOL:
		return v.Value
	case *types.AttributeValueMemberSS:
		return v.Value
	case *types.AttributeValueMemberNS:
		var list []json.Number
		for _, n := range v.Value {
			list = append(list, json.Number(n))
		}
		return list
	case *types.AttributeValueMemberM:
		object := map[string]any{}
		for name, member := range v.Value {
			object[name] = plain(member)
		}
		return object
	case *types.AttributeValueMemberL:
		list := []any{}
		for _, element := range v.Value {
			list = append(list, plain(element))
		}
		return list
	}
	return nil
}

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(digits string) types.AttributeValue { return &types.AttributeValueMemberN{Value: digits} }

func texts(all ...string) types.AttributeValue {
	list := &types.AttributeValueMemberL{}
	for _, text := range all {
		list.Value = append(list.Value, str(text))
	}
	return list
}

func attributesOf(name string, value types.AttributeValue) types.AttributeValue {
	return &types.AttributeValueMemberM{Value: attributes{name: value}}
}
