package conformance

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"testing"
)

// AWS ignores a member whose name it does not know, and knows names by their case.
func TestMemberNamesCountWithTheirCase(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		s.put(t, table, item("p", "a", "x", 1))
		for name, body := range map[string]string{
			"a condition":         `{"TableName":%q,"Item":{"p":{"S":"a"},"x":{"N":"2"}},"conditionexpression":"attribute_not_exists(p)"}`,
			"one that is no text": `{"TableName":%q,"Item":{"p":{"S":"a"},"x":{"N":"2"}},"CONDITIONEXPRESSION":7}`,
		} {
			if _, err := s.raw("PutItem", fmt.Sprintf(body, table)); err != nil {
				t.Errorf("%s in another case was not ignored: %v", name, err)
			}
		}
		if got := show(s.get(t, table, item("p", "a"))); got != `{p:"a" x:2}` {
			t.Errorf("the item is %s", got)
		}
		_, err := s.raw("PutItem", fmt.Sprintf(`{"tableName":%q,"Item":{"p":{"S":"a"}}}`, table))
		s.wantFault(t, err, "ValidationException")
		_, err = s.raw("PutItem", fmt.Sprintf(`{"TableName":%q,"Item":{"p":{"s":"a"}}}`, table))
		s.wantFault(t, err, "ValidationException: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	})
}

func TestBodyMustBeAnObject(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "it answers null and lists with InternalFailure")
		for _, body := range []string{"null", "[]", "7", ""} {
			_, err := s.raw("ListTables", body)
			s.wantFault(t, err, "SerializationException")
		}
	})
}

// Some SDKs pack large requests.
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-compression.html
func TestPackedRequestsAreTaken(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "it does not unpack, and answers with InternalFailure")
		table := s.table(t, schema{hash: "p:S"})
		var body bytes.Buffer
		w := gzip.NewWriter(&body)
		fmt.Fprintf(w, `{"TableName":%q,"Item":{"p":{"S":"a"}}}`, table)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		packed := http.Header{"Content-Encoding": {"gzip"}}
		if _, err := s.send("PutItem", body.String(), packed); err != nil {
			t.Fatal(err)
		}
		if s.get(t, table, item("p", "a")) == nil {
			t.Error("the item is not there")
		}
		_, err := s.send("PutItem", fmt.Sprintf(`{"TableName":%q,"Item":{"p":{"S":"b"}}}`, table), packed)
		s.wantFault(t, err, "InternalServerError")
		if s.get(t, table, item("p", "b")) != nil {
			t.Error("an item was put that did not unpack")
		}
	})
}
