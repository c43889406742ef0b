package dynamo

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func TestItemDataForms(t *testing.T) {
	list := func(values ...types.AttributeValue) types.AttributeValue {
		return &types.AttributeValueMemberL{Value: values}
	}
	got, err := itemData(map[string]types.AttributeValue{
		"topic": str("a"), "id": str("b"), "expiresAt": num(5), "z": str("<&>\u2028\""),
		"a": list(list(), &types.AttributeValueMemberM{}), "n": &types.AttributeValueMemberN{Value: "-0.5E-7"},
		"bs": &types.AttributeValueMemberBS{Value: [][]byte{{9}, {1}}}, "ns": &types.AttributeValueMemberNS{Value: []string{"2", "1"}},
	})
	const want = `{"a":[[],{}],"bs":["AQ==","CQ=="],"n":-0.5E-7,"ns":[2,1],"z":"<&>` + "\u2028" + `\""}`
	if err != nil || string(got) != want {
		t.Errorf("data:\n got %s, %v\nwant %s", got, err, want)
	}
	if _, err := itemData(map[string]types.AttributeValue{"n": &types.AttributeValueMemberN{Value: "NaN"}}); err == nil {
		t.Error("a number that JSON does not have was written")
	}
}

// FuzzAttributes publishes any JSON: what is taken must come back the same.
func FuzzAttributes(f *testing.F) {
	f.Add([]byte(`{"a":[1,"x",null,true,{"b":-2.50e+10}],"c":"\ud800"}`))
	f.Add([]byte(`{} {}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		item, err := attributes(data)
		if err != nil {
			return
		}
		again, err := appendMap(nil, item)
		if err != nil || !json.Valid(again) {
			t.Fatalf("%q came back as %q, %v", data, again, err)
		}
		third, err := attributes(again)
		if err != nil {
			t.Fatal(err)
		}
		if last, err := appendMap(nil, third); err != nil || !bytes.Equal(last, again) {
			t.Errorf("%q and then %q, %v", again, last, err)
		}
	})
}

// FuzzWrite reads any stream record: it is a write, or refused with a reason.
func FuzzWrite(f *testing.F) {
	f.Add([]byte(`{"eventName":"INSERT","dynamodb":{"Keys":{"topic":{"S":"a"},"id":{"S":"b"}},"NewImage":{"topic":{"S":"a"},"id":{"S":"b"},"n":{"N":"1"},"x":{"BS":["AQ=="]},"l":{"L":[{"NULL":true}]}},"SequenceNumber":"111"}}`))
	f.Add([]byte(`{"eventName":"REMOVE","dynamodb":{"Keys":{"topic":{"N":"1"}},"OldImage":{}},"userIdentity":{"type":"Service"}}`))
	f.Add([]byte(`{"eventName":"INSERT","dynamodb":{"Keys":{"topic":{"S":"a"},"id":{"S":"b"}},"NewImage":{"x":{"BS":[{}]},"y":{"N":1},"z":{"S":"a","N":"1"}}}}`))
	f.Add([]byte(`{"eventName":"MODIFY","dynamodb":{"ApproximateCreationDateTime":1795665000,"Keys":{"topic":{"S":"a"},"id":{"S":"b"}},"OldImage":{"expiresAt":{"N":"1795664999.5"}},"NewImage":{"expiresAt":{"NULL":true}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var record Record
		if json.Unmarshal(data, &record) != nil {
			return
		}
		write, err := Write(record)
		if err == nil && (write.Topic == "" || write.ID == "" || !json.Valid(write.Data)) {
			t.Errorf("%s became %+v", data, write)
		}
	})
}
