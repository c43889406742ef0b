package dynamodb

import (
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/expression"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// placeholders are the names and values that the expressions of a request share.
type placeholders struct {
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues item.Item
}

// scope opens the placeholders for a request's expressions; a nil text is none.
// Placeholders without any expression are refused, in the case of values by the
// names of the parameters, kinds, that could use them.
func (p *placeholders) scope(kinds []string, texts ...*string) (*expression.Scope, error) {
	if p.ExpressionAttributeNames != nil && len(p.ExpressionAttributeNames) == 0 {
		return nil, invalid("ExpressionAttributeNames must not be empty")
	}
	if p.ExpressionAttributeValues != nil && len(p.ExpressionAttributeValues) == 0 {
		return nil, invalid("ExpressionAttributeValues must not be empty")
	}
	for _, text := range texts {
		if text != nil {
			return expression.NewScope(p.ExpressionAttributeNames, p.ExpressionAttributeValues), nil
		}
	}
	if p.ExpressionAttributeNames != nil {
		return nil, invalid("ExpressionAttributeNames can only be specified when using expressions")
	}
	if p.ExpressionAttributeValues != nil {
		return nil, invalid("ExpressionAttributeValues can only be specified when using expressions: %s", absent(kinds))
	}
	return expression.NewScope(nil, nil), nil
}

// absent says that these expressions are null, as DynamoDB does.
func absent(kinds []string) string {
	if len(kinds) == 1 {
		return kinds[0] + " is null"
	}
	return strings.Join(kinds, " and ") + " are null"
}

// condition reads a ConditionExpression or FilterExpression; nil without one.
func condition(s *expression.Scope, kind string, text *string) (*expression.Condition, error) {
	if text == nil {
		return nil, nil
	}
	return s.Condition(kind, *text)
}

// projected reads a ProjectionExpression; nil without one.
func projected(s *expression.Scope, text *string) (*expression.Projection, error) {
	if text == nil {
		return nil, nil
	}
	return s.Projection(*text)
}

// apply projects an item; a nil projection takes all of it.
func apply(p *expression.Projection, it item.Item) item.Item {
	if p == nil || it == nil {
		return it
	}
	return p.Apply(it)
}

// itemList encodes itself without reflection: answers with many items are
// mostly their encoding.
type itemList []item.Item

// AppendJSON appends the items as a JSON array.
func (l itemList) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for n, it := range l {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = it.AppendJSON(dst)
	}
	return append(dst, ']')
}

// MarshalJSON gives the JSON form of AppendJSON.
func (l itemList) MarshalJSON() ([]byte, error) { return l.AppendJSON(nil), nil }
