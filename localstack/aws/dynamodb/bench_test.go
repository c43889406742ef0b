package dynamodb

import (
	"fmt"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// encode makes an answer's JSON as the HTTP side does.
func encode(b *testing.B, result any) int {
	if a, ok := result.(awsjson.Appender); ok {
		return len(a.AppendJSON(nil))
	}
	b.Fatalf("%T does not encode itself", result)
	return 0
}

func BenchmarkPutItem256Bytes(b *testing.B) {
	e := start(b, Options{})
	makeTable(b, e, noIndexes+`,"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"}`)
	s := e.Service()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		body := fmt.Appendf(nil, `{"TableName":"Table","Item":{"p":{"S":"topic-%d"},"s":{"N":"%d"},"name":{"S":"%s"},"price":{"N":"150.75"}}}`, i%100, i, text(216))
		if _, err := s.Call(b.Context(), "PutItem", body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkQuery(b *testing.B) {
	for _, rows := range []int{100, 1000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			e := start(b, Options{})
			makeTable(b, e, noIndexes)
			for i := range rows {
				putRow(b, e, "a", i, `,"name":{"S":"`+text(100)+`"}`)
			}
			s := e.Service()
			b.ReportAllocs()
			for b.Loop() {
				result, err := s.Call(b.Context(), "Query", []byte(`{"TableName":"Table","KeyConditionExpression":"p=:p","ExpressionAttributeValues":{":p":{"S":"a"}}}`))
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(encode(b, result)))
			}
		})
	}
}

func BenchmarkTransactWriteTen(b *testing.B) {
	e := start(b, Options{})
	makeTable(b, e, noIndexes)
	s := e.Service()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		body := fmt.Appendf(nil, `{"ClientRequestToken":"%d","TransactItems":[`, i)
		for n := range 10 {
			if n > 0 {
				body = append(body, ',')
			}
			body = fmt.Appendf(body, `{"Put":{"TableName":"Table","Item":{"p":{"S":"topic"},"s":{"N":"%d"},"name":{"S":"%s"}},"ConditionExpression":"attribute_not_exists(p)"}}`, i*10+n, text(100))
		}
		if _, err := s.Call(b.Context(), "TransactWriteItems", append(body, `]}`...)); err != nil {
			b.Fatal(err)
		}
	}
}
