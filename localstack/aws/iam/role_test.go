package iam_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/iam"
)

const roleARN = "arn:aws:iam::123456789012:role/Fanout"

// role makes a role of statements.
func role(t testing.TB, statements ...string) *iam.Role {
	t.Helper()
	r, err := iam.ParseRole(roleARN, json.RawMessage(`{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func statement(effect, action, resource string) string {
	return fmt.Sprintf(`{"Effect":%q,"Action":%q,"Resource":%q}`, effect, action, resource)
}

// TestPatterns takes the documented examples of patterns, and those at the edges of
// what is documented.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
func TestPatterns(t *testing.T) {
	const table = "arn:aws:dynamodb:us-east-2:123456789012:table/Books"
	for _, c := range []struct {
		action, resource string // of the policy
		call, on         string
		want             bool
	}{
		{"dynamodb:PutItem", table, "dynamodb:PutItem", table, true},
		{"DynamoDB:putitem", table, "dynamodb:PutItem", table, true},
		{"dynamodb:PutItem", table, "dynamodb:GetItem", table, false},
		{"dynamodb:*Item", table, "dynamodb:GetItem", table, true},
		{"dynamodb:*Item", table, "dynamodb:Query", table, false},
		{"dynamodb:?etItem", table, "dynamodb:GetItem", table, true},
		{"*", "*", "sqs:SendMessage", "arn:aws:sqs:us-east-2:123456789012:queue1", true},
		{"*", "*", "dynamodb:ListStreams", "*", true},
		{"dynamodb:ListStreams", table, "dynamodb:ListStreams", "*", false},
		{"*", strings.ToLower(table), "dynamodb:PutItem", table, false},
		{"*", table, "dynamodb:Query", table + "/index/byTitle", false},
		{"*", table + "/index/*", "dynamodb:Query", table + "/index/byTitle", true},
		{"*", table + "/index/*", "dynamodb:Query", table, false},
		{"*", "arn:aws:dynamodb:*:*:table/Books", "dynamodb:PutItem", table, true},
		{"*", "arn:aws:dynamodb:*", "dynamodb:PutItem", table, true},
		{"*", "arn:aws:dynamodb:us-*-1:*:table/Books", "dynamodb:PutItem", table, false},
		{"*", "arn:aws:dynamodb:us*/Books", "dynamodb:PutItem", table, false},
		{"*", "arn:aws:sqs:*", "dynamodb:PutItem", table, false},
		{"*", "arn:aws:dynamodb:us-east-2:?23456789012:table/B*ks", "dynamodb:PutItem", table, true},
		{"*", "arn:aws:dynamodb:us-east-2?123456789012:table/Books", "dynamodb:PutItem", table, false},
		{"*", "arn:aws:s3:::bucket/*/test/*", "s3:GetObject", "arn:aws:s3:::bucket/1/2/test/3/object.jpg", true},
		{"*", "arn:aws:s3:::bucket/*/test/*", "s3:GetObject", "arn:aws:s3:::bucket/1/2/test", false},
		{"*", "arn:aws:execute-api:*:*:api/live/POST/@connections/*", "execute-api:ManageConnections",
			"arn:aws:execute-api:us-east-1:1:api/live/POST/@connections/AAAA=", true},
		{"*", "arn:aws:execute-api:*:*:api/live/POST/@connections/*", "execute-api:ManageConnections",
			"arn:aws:execute-api:us-east-1:1:api/live/DELETE/@connections/AAAA=", false},
	} {
		if got := role(t, statement("Allow", c.action, c.resource)).Allows(c.call, c.on); got != c.want {
			t.Errorf("%s on %s allows %s on %s: %v, want %v", c.action, c.resource, c.call, c.on, got, c.want)
		}
	}
}

func TestDenyWinsAndSilenceDenies(t *testing.T) {
	allow, deny := statement("Allow", "sqs:*", "*"), statement("Deny", "sqs:Purge*", "*")
	for _, statements := range [][]string{{allow, deny}, {deny, allow}} {
		r := role(t, statements...)
		if r.Allows("sqs:PurgeQueue", "arn:aws:sqs:us-east-1:1:q") || !r.Allows("sqs:SendMessage", "arn:aws:sqs:us-east-1:1:q") {
			t.Errorf("%v: a matching Deny wins, another does not count", statements)
		}
	}
	if role(t).Allows("sqs:SendMessage", "arn:aws:sqs:us-east-1:1:q") {
		t.Error("a role without policies allows something")
	}
}

func TestListsAndSeveralDocuments(t *testing.T) {
	r, err := iam.ParseRole(roleARN,
		json.RawMessage(`{"Id":"one","Statement":{"Sid":"S","Effect":"Allow","Action":["a:X","a:Y"],"Resource":["arn:1","arn:2"]}}`),
		json.RawMessage(`{"Statement":[{"Effect":"Allow","Action":"b:Z","Resource":"*","Condition":{}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"a:X", "a:Y"} {
		if !r.Allows(action, "arn:1") || !r.Allows(action, "arn:2") || r.Allows(action, "arn:3") {
			t.Errorf("%s is not allowed as the lists say", action)
		}
	}
	if !r.Allows("b:Z", "arn:3") {
		t.Error("the second document does not count")
	}
}

// TestConditionOnPartitionKeys allows writes of some items of a table, and of no others.
func TestConditionOnPartitionKeys(t *testing.T) {
	inTable := iam.Scope{Region: "us-east-1", Account: "1", PartitionKey: func(string) string { return "topic" }}
	for _, keys := range []string{`"@presence/*"`, `["@other/*","@presence/*"]`} {
		session := role(t, `{"Effect":"Allow","Action":["dynamodb:UpdateItem","dynamodb:PutItem","dynamodb:BatchWriteItem"],"Resource":"*",
			"Condition":{"ForAllValues:StringLike":{"dynamodb:LeadingKeys":`+keys+`}}}`).Session("F")
		for _, c := range []struct {
			scope           iam.Scope
			operation, body string
			want            bool
		}{
			{inTable, "UpdateItem", `{"TableName":"Events","Key":{"topic":{"S":"@presence/rooms:1"},"id":{"S":"ada"}}}`, true},
			{inTable, "PutItem", `{"Item":{"id":{"S":"ada"},"topic":{"S":"@presence/rooms/1"}},"TableName":"Events"}`, true},
			{inTable, "UpdateItem", `{"TableName":"Events","Key":{"topic":{"S":"rooms/1"},"id":{"S":"@presence/rooms/1"}}}`, false},
			{inTable, "UpdateItem", `{"TableName":"Events","Key":{"id":{"S":"ada"}}}`, false},
			{inTable, "UpdateItem", `{"TableName":"Events","Key":{"topic":{"N":"1"}}}`, false},
			{inTable, "BatchWriteItem", `{"RequestItems":{"Events":[]}}`, false},
			{scope, "UpdateItem", `{"TableName":"Events","Key":{"topic":{"S":"@presence/rooms/1"}}}`, false}, // whose keys are not known
		} {
			if err := session.Authorize(c.scope.DynamoDB(c.operation, []byte(c.body))...); (err == nil) != c.want {
				t.Errorf("%s %s: %v", c.operation, c.body, err)
			}
		}
	}
}

func TestPoliciesThatCannotBeDecided(t *testing.T) {
	for policy, want := range map[string]string{
		`{"Statement":{"Effect":"Allow","NotAction":"a:X","Resource":"*"}}`:                                                                                      "the member NotAction does not run locally",
		`{"Statement":{"Effect":"Allow","Action":"a:X","NotResource":"*"}}`:                                                                                      "the member NotResource does not run locally",
		`{"Statement":{"Effect":"Allow","Action":"a:X","Resource":"*","Condition":{"Bool":{"a:b":"true"}}}}`:                                                     "the member Condition does not run locally",
		`{"Statement":{"Effect":"Allow","Action":"a:X","Resource":"*","Condition":{"ForAllValues:StringLike":{"a:b":"true"}}}}`:                                  "the member Condition does not run locally",
		`{"Statement":{"Effect":"Allow","Action":"a:X","Resource":"*","Condition":{"ForAllValues:StringLike":{"dynamodb:LeadingKeys":"a","a:b":"c"}}}}`:          "the member Condition does not run locally",
		`{"Statement":{"Effect":"Allow","Action":"a:X","Resource":"*","Condition":{"ForAllValues:StringLike":{"dynamodb:LeadingKeys":"a"},"Bool":{"a:b":"c"}}}}`: "the member Condition does not run locally",
		`{"Statement":{"Effect":"Allow","Action":"a:X","Resource":"*","Principal":"*"}}`:                                                                         "has no Principal",
		`{"Statement":{"Effect":"allow","Action":"a:X","Resource":"*"}}`:                                                                                         `the Effect is "allow"`,
		`{"Statement":{"Effect":"Allow","Resource":"*"}}`:                                                                                                        "the members Action and Resource are required",
		`{"Statement":{"Effect":"Allow","Action":"a:X"}}`:                                                                                                        "the members Action and Resource are required",
		`{"Statement":{"Effect":"Allow","Action":"X","Resource":"*"}}`:                                                                                           `action "X" is not of the form`,
		`{"Statement":{"Effect":"Allow","Action":"a:X","Resource":"table/Books"}}`:                                                                               "is neither an ARN nor *",
		`{"Statement":{"Effect":"Allow","Action":"a:X","Resource":"arn:aws:s3:::b/${aws:username}"}}`:                                                            "policy variable in",
		`{"Statement":[{"Effect":"Allow","Action":"a:X","Resource":"*"},{"Sid":"Two","Effect":"Allow"}]}`:                                                        "statement 2 Two:",
		`{"Statement":{"Effect":"Allow","Action":"a:X","Resource":"*","Resources":"*"}}`:                                                                         "unknown field",
		`{"Statements":[]}`: "unknown field",
		`[]`:                "read policy",
	} {
		if _, err := iam.ParseRole(roleARN, json.RawMessage(policy)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), roleARN) {
			t.Errorf("%s: %v, want %s", policy, err, want)
		}
	}
}
