package dynamo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/watch"
)

func TestRevocations(t *testing.T) {
	d := dynamotest.Start(t)
	s := d.Store()
	put := func(row map[string]types.AttributeValue) {
		if _, err := d.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Revocations"), Item: row}); err != nil {
			t.Fatal(err)
		}
	}
	text := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	number := func(n int64) types.AttributeValue { return &types.AttributeValueMemberN{Value: fmt.Sprint(n)} }
	put(map[string]types.AttributeValue{"subject": text("alice"), "tokenId": text("*"), "before": number(1000)})
	put(map[string]types.AttributeValue{"subject": text("alice"), "tokenId": text("t1")})
	put(map[string]types.AttributeValue{"subject": text("alice"), "tokenId": text("t9"), "expiresAt": number(time.Now().Unix() - 60)})
	put(map[string]types.AttributeValue{"subject": text("bob"), "tokenId": text("*")})
	for _, row := range []struct {
		id     string
		issued int64
		hit    bool
	}{
		{"x", 1000, true}, {"x", 1001, false}, // by what alice's tokens were issued before
		{"", 1000, true}, {"", 1001, false},
		{"*", 1000, true},
		{"t1", 5000, true},
		{"t9", 5000, false}, // its revocation has expired
	} {
		revoked, err := s.Revocations(t.Context(), "alice", row.id)
		hit := slices.ContainsFunc(revoked, func(r watch.Revocation) bool {
			return r.Hits(watch.Access{TokenID: row.id, Issued: time.Unix(row.issued, 0)})
		})
		if err != nil || hit != row.hit {
			t.Errorf("token %q of %d is hit: %t, %v", row.id, row.issued, hit, err)
		}
	}
}

// TestRevocationCountsWhileItsExpiryIsIgnored: DynamoDB keeps such a row for ever, so whoever
// wrote it thinks that the token is refused. So it is with a before that is no time.
func TestRevocationCountsWhileItsExpiryIsIgnored(t *testing.T) {
	d := dynamotest.Start(t)
	now := time.Now()
	number := func(digits string) types.AttributeValue { return &types.AttributeValueMemberN{Value: digits} }
	for name, row := range map[string]map[string]types.AttributeValue{
		"expires at 0":           {"expiresAt": number("0")},
		"at 1":                   {"expiresAt": number("1")},
		"at -1":                  {"expiresAt": number("-1")},
		"six years ago":          {"expiresAt": number(fmt.Sprint(now.AddDate(-6, 0, 0).Unix()))},
		"a text":                 {"expiresAt": &types.AttributeValueMemberS{Value: fmt.Sprint(now.Unix() - 60)}},
		"in milliseconds":        {"expiresAt": number(fmt.Sprint(now.UnixMilli() - 60_000))},
		"of a null":              {"expiresAt": &types.AttributeValueMemberNULL{Value: true}},
		"in a second":            {"expiresAt": number(fmt.Sprint(now.Unix() + 1))},
		"before 0":               {"before": number("0")},
		"before -1":              {"before": number("-1")},
		"before a text":          {"before": &types.AttributeValueMemberS{Value: "1000"}},
		"before in milliseconds": {"before": number(fmt.Sprint(now.UnixMilli()))},
		"before with a fraction": {"before": number(fmt.Sprint(now.Unix()) + ".5")},
	} {
		row["subject"], row["tokenId"] = &types.AttributeValueMemberS{Value: "alice"}, &types.AttributeValueMemberS{Value: name}
		if _, err := d.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Revocations"), Item: row}); err != nil {
			t.Fatal(err)
		}
		store := d.Store()
		store.Now = func() time.Time { return now }
		revoked, err := store.Revocations(t.Context(), "alice", name)
		if err != nil || len(revoked) != 1 || !revoked[0].Hits(watch.Access{TokenID: name, Issued: now}) {
			t.Errorf("revocation that %s is %+v, %v; want the token refused", name, revoked, err)
		}
	}
}

// TestManyRevocationsCostNobodyMore: a user may log out, and so have a token revoked, as often
// as he likes.
func TestManyRevocationsCostNobodyMore(t *testing.T) {
	d := dynamotest.Start(t)
	for n := range 100 {
		row := map[string]types.AttributeValue{
			"subject": &types.AttributeValueMemberS{Value: "alice"}, "tokenId": &types.AttributeValueMemberS{Value: fmt.Sprint(strings.Repeat("t", 250), n)},
		}
		if _, err := d.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Revocations"), Item: row}); err != nil {
			t.Fatal(err)
		}
	}
	d.Engine.ResetUsage()
	if revoked, err := d.Store().Revocations(t.Context(), "alice", strings.Repeat("t", 250)+"7"); err != nil || len(revoked) != 1 {
		t.Errorf("revocations %+v, %v", revoked, err)
	}
	if read, _ := d.Units(); read > 2 {
		t.Errorf("%v units are read", read)
	}
}
