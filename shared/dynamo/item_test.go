package dynamo_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/watch"
)

func TestItems(t *testing.T) {
	s := dynamotest.Start(t).Store()
	const data = `{"a":[1,"x",null,true,{"b":2}],"digits":123456789012345678901234567890.12345678}`
	if err := s.Put(t.Context(), watch.Publication{Topic: "a", Item: events.Item{ID: "1", Data: []byte(data)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), watch.Publication{Topic: "a", Item: events.Item{ID: "2"}}); err != nil {
		t.Fatal(err)
	}
	items, next, err := s.Page(t.Context(), "a", "", 100)
	if err != nil || next != "" || len(items) != 2 || string(items[0].Data) != data || string(items[1].Data) != "{}" {
		t.Errorf("page: %v, next %q, %v", items, next, err)
	}
	if items, next, err := s.Page(t.Context(), "a", "", 1); err != nil || next != "1" || len(items) != 1 {
		t.Errorf("page of one item: %v, next %q, %v", items, next, err)
	}
	for range 2 {
		if err := s.Remove(t.Context(), watch.Publication{Topic: "a", Item: events.Item{ID: "1"}}); err != nil {
			t.Error(err)
		}
	}
	if items, _, err := s.Page(t.Context(), "a", "", 100); err != nil || len(items) != 1 {
		t.Errorf("after remove: %v, %v", items, err)
	}
	for _, bad := range []string{`{"n":1e300}`, `{"":1}`, `{"n":0.123456789012345678901234567890123456789}`} {
		if err := s.Put(t.Context(), watch.Publication{Topic: "a", Item: events.Item{ID: "3", Data: []byte(bad)}}); !errors.Is(err, watch.ErrBadItem) {
			t.Errorf("put %s: %v, want ErrBadItem", bad, err)
		}
	}
}

// TestPagesHaveVoidRows: where a page ends must not tell which of the rows are.
func TestPagesHaveVoidRows(t *testing.T) {
	d := dynamotest.Start(t)
	for id, expires := range map[string]string{"\x01": "", "expired": fmt.Sprint(time.Now().Unix() - 60), "item": "4000000000"} {
		row := map[string]types.AttributeValue{"topic": &types.AttributeValueMemberS{Value: "a"}, "id": &types.AttributeValueMemberS{Value: id}, "x": &types.AttributeValueMemberS{Value: "y"}}
		if expires != "" {
			row["expiresAt"] = &types.AttributeValueMemberN{Value: expires}
		}
		if _, err := d.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Events, Item: row}); err != nil {
			t.Fatal(err)
		}
	}
	rows, next, err := d.Store().Page(t.Context(), "a", "", 3)
	var got []string
	for _, row := range rows {
		got = append(got, fmt.Sprintf("%q %s %t", row.ID, row.Data, row.Void))
	}
	if want := []string{`"\x01"  true`, `"expired" {"x":"y"} true`, `"item" {"x":"y"} false`}; !slices.Equal(got, want) || next != "item" || err != nil {
		t.Errorf("page: %q, next %q, %v", got, next, err)
	}
}

// TestItemsExpireAsDynamoDBSaysTheyDo: what DynamoDB never deletes is shown for good, as it is
// to whoever saw it put. What it may delete by now is shown no more.
func TestItemsExpireAsDynamoDBSaysTheyDo(t *testing.T) {
	d := dynamotest.Start(t)
	now := time.Now()
	store := d.Store()
	store.Now = func() time.Time { return now }
	number := func(digits string) types.AttributeValue { return &types.AttributeValueMemberN{Value: digits} }
	for id, c := range map[string]struct {
		expires types.AttributeValue
		void    bool
	}{
		"at 0":               {number("0"), false},
		"at 1":               {number("1"), false},
		"at -1":              {number("-1"), false},
		"six years ago":      {number(fmt.Sprint(now.AddDate(-6, 0, 0).Unix())), false},
		"four years ago":     {number(fmt.Sprint(now.AddDate(-4, 0, 0).Unix())), true},
		"a second ago":       {number(fmt.Sprint(now.Unix() - 1)), true},
		"with a fraction":    {number(fmt.Sprint(now.Unix()-2) + ".75"), true},
		"in this second":     {number(fmt.Sprint(now.Unix())), true},
		"in the next":        {number(fmt.Sprint(now.Unix() + 1)), false},
		"in milliseconds":    {number(fmt.Sprint(now.UnixMilli() - 60_000)), false},
		"as a text":          {&types.AttributeValueMemberS{Value: fmt.Sprint(now.Unix() - 60)}, false},
		"in a list":          {&types.AttributeValueMemberL{Value: []types.AttributeValue{number(fmt.Sprint(now.Unix() - 60))}}, false},
		"in a set":           {&types.AttributeValueMemberNS{Value: []string{fmt.Sprint(now.Unix() - 60)}}, false},
		"beyond all numbers": {number("-99999999999999999999999999999999999999"), false},
	} {
		row := map[string]types.AttributeValue{"topic": &types.AttributeValueMemberS{Value: "a"}, "id": &types.AttributeValueMemberS{Value: id}, "expiresAt": c.expires}
		if _, err := d.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Events, Item: row}); err != nil {
			t.Fatal(err)
		}
		rows, _, err := store.Page(t.Context(), "a", "", 100)
		i := slices.IndexFunc(rows, func(r watch.Row) bool { return r.ID == id })
		if err != nil || i < 0 || rows[i].Void != c.void {
			t.Errorf("item that expires %s: %+v, %v, want void %t", id, rows, err, c.void)
		}
	}
}

func TestItemsComeInPages(t *testing.T) {
	s := dynamotest.Start(t).Store()
	text := make([]byte, 90_000)
	for i := range text {
		text[i] = 'x'
	}
	for n := range 30 {
		if err := s.Put(t.Context(), watch.Publication{Topic: "a", Item: events.Item{ID: fmt.Sprintf("%02d", n), Data: []byte(`{"t":"` + string(text) + `"}`)}}); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	pages := 0
	for after := ""; pages == 0 || after != ""; pages++ {
		items, next, err := s.Page(t.Context(), "a", after, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			ids = append(ids, item.ID)
		}
		after = next
	}
	if pages < 3 || len(ids) != 30 || !slices.IsSorted(ids) {
		t.Errorf("%d items in %d pages: %v", len(ids), pages, ids)
	}
}
