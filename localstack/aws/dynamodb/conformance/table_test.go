package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func TestTableIsDescribed(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		name := s.table(t, schema{hash: "p:S", sort: "s:N", attributes: []string{"g:B"},
			gsi: gsi("byG", "g", "s", "v"), lsi: lsi("byGLocally", "p", "g", ""), stream: types.StreamViewTypeKeysOnly})
		s.put(t, name, item("p", "a", "s", 1))
		out, err := s.db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &name})
		if err != nil {
			t.Fatal(err)
		}
		d := out.Table
		if *d.TableName != name || d.TableStatus != types.TableStatusActive || !strings.HasSuffix(*d.TableArn, ":table/"+name) {
			t.Errorf("%s is %s, %s", *d.TableName, d.TableStatus, *d.TableArn)
		}
		if len(d.KeySchema) != 2 || len(d.AttributeDefinitions) != 3 || d.BillingModeSummary.BillingMode != types.BillingModePayPerRequest {
			t.Errorf("key %v, attributes %v, billing %v", d.KeySchema, d.AttributeDefinitions, d.BillingModeSummary)
		}
		if g := d.GlobalSecondaryIndexes[0]; *g.IndexName != "byG" || g.IndexStatus != types.IndexStatusActive ||
			!strings.HasSuffix(*g.IndexArn, name+"/index/byG") || !slices.Equal(g.Projection.NonKeyAttributes, []string{"v"}) {
			t.Errorf("global index %+v", g)
		}
		if l := d.LocalSecondaryIndexes[0]; *l.IndexName != "byGLocally" || l.Projection.ProjectionType != types.ProjectionTypeKeysOnly {
			t.Errorf("local index %+v", l)
		}
		if d.StreamSpecification.StreamViewType != types.StreamViewTypeKeysOnly || *d.LatestStreamArn != *d.TableArn+"/stream/"+*d.LatestStreamLabel {
			t.Errorf("stream %+v, %s", d.StreamSpecification, *d.LatestStreamArn)
		}
	})
}

func TestTablesComeAndGo(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		name := s.table(t, schema{hash: "p:S"})
		_, err := s.db.CreateTable(t.Context(), schema{hash: "p:S"}.input(name))
		s.wantFault(t, err, "ResourceInUseException")
		s.put(t, name, item("p", "a"))
		deleted, err := s.db.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &name})
		if err != nil || *deleted.TableDescription.TableName != name {
			t.Fatalf("%+v, %v", deleted, err)
		}
		_, err = s.db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &name})
		s.wantFault(t, err, "ResourceNotFoundException: Requested resource not found: Table: "+name+" not found")
		_, err = s.db.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &name})
		s.wantFault(t, err, "ResourceNotFoundException: Requested resource not found: Table: "+name+" not found")
		if _, err = s.db.CreateTable(t.Context(), schema{hash: "p:S"}.input(name)); err != nil {
			t.Fatal(err)
		}
		if got := s.get(t, name, item("p", "a")); got != nil {
			t.Errorf("a new table of an old name holds %s", show(got))
		}
	})
}

func TestUnknownTable(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		key, none := item("p", "a"), aws.String("NoSuchTable")
		for name, call := range map[string]func() error{
			"PutItem": func() error {
				_, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: none, Item: key})
				return err
			},
			"GetItem": func() error {
				_, err := s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: none, Key: key})
				return err
			},
			"UpdateItem": func() error {
				_, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: none, Key: key})
				return err
			},
			"DeleteItem": func() error {
				_, err := s.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: none, Key: key})
				return err
			},
			"Query": func() error { _, err := s.db.Query(t.Context(), query(*none, "p = :p", item(":p", "a"))); return err },
			"Scan":  func() error { _, err := s.db.Scan(t.Context(), &dynamodb.ScanInput{TableName: none}); return err },
		} {
			t.Run(name, func(t *testing.T) {
				s.wantFault(t, call(), "ResourceNotFoundException: Requested resource not found")
			})
		}
	})
}

func TestListTablesInPages(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		want := []string{s.table(t, schema{hash: "p:S"}), s.table(t, schema{hash: "p:S"}), s.table(t, schema{hash: "p:S"})}
		var got []string
		in := &dynamodb.ListTablesInput{Limit: aws.Int32(2)}
		for {
			out, err := s.db.ListTables(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if len(out.TableNames) > 2 {
				t.Errorf("%d names in a page of 2", len(out.TableNames))
			}
			got = append(got, out.TableNames...)
			if in.ExclusiveStartTableName = out.LastEvaluatedTableName; in.ExclusiveStartTableName == nil {
				break
			}
		}
		if !slices.IsSorted(got) {
			t.Errorf("names are not in order: %v", got)
		}
		for _, name := range want {
			if !slices.Contains(got, name) {
				t.Errorf("%s is not listed in %v", name, got)
			}
		}
	})
}

func TestCreateTableRefusals(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		for _, c := range []struct {
			name   string
			schema schema
			change func(*dynamodb.CreateTableInput)
			want   string
		}{
			{"name too short", schema{hash: "p:S"}, func(in *dynamodb.CreateTableInput) { in.TableName = aws.String("ab") }, "ValidationException"},
			{"name with a slash", schema{hash: "p:S"}, func(in *dynamodb.CreateTableInput) { in.TableName = aws.String("a/bc") }, "ValidationException"},
			{"undefined key", schema{hash: "p", attributes: []string{"x:S"}}, nil, "ValidationException"},
			{"unused definition", schema{hash: "p:S", attributes: []string{"x:S"}}, nil,
				"ValidationException: One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions"},
			{"one attribute as both keys", schema{hash: "p:S", sort: "p"}, nil, "ValidationException: Invalid KeySchema: Some index key attribute have no definition"},
			{"one attribute as both keys, with another one defined", schema{hash: "p:S", sort: "p", attributes: []string{"x:S"}}, nil,
				"ValidationException: Both the Hash Key and the Range Key element in the KeySchema have the same name"},
			{"no billing", schema{hash: "p:S"}, func(in *dynamodb.CreateTableInput) { in.BillingMode = "" },
				"ValidationException: One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"},
			{"local index without sort key of the table", schema{hash: "p:S", attributes: []string{"r:N"}, lsi: lsi("byR", "p", "r")}, nil,
				"ValidationException: One or more parameter values were invalid: Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex"},
			{"local index of another hash key", schema{hash: "p:S", sort: "s:S", attributes: []string{"r:N"}, lsi: lsi("byR", "s", "r")}, nil, "ValidationException"},
			{"local index without sort key", schema{hash: "p:S", sort: "s:S", lsi: lsi("byR", "p", "")}, nil, "ValidationException"},
			{"two indexes of one name", schema{hash: "p:S", attributes: []string{"g:S"}, gsi: append(gsi("byG", "g", ""), gsi("byG", "g", "p")...)}, nil, "ValidationException"},
			{"projection of nothing", schema{hash: "p:S", attributes: []string{"g:S"}, gsi: gsi("byG", "g", "")}, func(in *dynamodb.CreateTableInput) {
				in.GlobalSecondaryIndexes[0].Projection = &types.Projection{ProjectionType: types.ProjectionTypeInclude}
			}, "ValidationException: One or more parameter values were invalid: ProjectionType is INCLUDE, but NonKeyAttributes is not specified"},
			{"projection of all and some", schema{hash: "p:S", attributes: []string{"g:S"}, gsi: gsi("byG", "g", "")}, func(in *dynamodb.CreateTableInput) {
				in.GlobalSecondaryIndexes[0].Projection.NonKeyAttributes = []string{"x"}
			}, "ValidationException: One or more parameter values were invalid: ProjectionType is ALL, but NonKeyAttributes is specified"},
			{"21 global indexes", manyIndexes(21), nil, "…"},
			{"6 local indexes", manyLocalIndexes(6), nil, "ValidationException: One or more parameter values were invalid: Number of LocalSecondaryIndexes exceeds per-table limit of 5"},
		} {
			t.Run(c.name, func(t *testing.T) {
				in := c.schema.input(newName())
				if c.change != nil {
					c.change(in)
				}
				_, err := s.db.CreateTable(t.Context(), in)
				if err == nil {
					t.Fatal("the table was created")
				}
				s.wantFault(t, err, c.want)
			})
		}
	})
}

func manyIndexes(count int) schema {
	c := schema{hash: "p:S"}
	for n := range count {
		name := fmt.Sprintf("g%02d", n)
		c.attributes = append(c.attributes, name+":S")
		c.gsi = append(c.gsi, gsi("by-"+name, name, "")...)
	}
	return c
}

func manyLocalIndexes(count int) schema {
	c := schema{hash: "p:S", sort: "s:S"}
	for n := range count {
		name := fmt.Sprintf("r%d", n)
		c.attributes = append(c.attributes, name+":S")
		c.lsi = append(c.lsi, lsi("by-"+name, "p", name)...)
	}
	return c
}

func TestTimeToLiveIsSetAndDescribed(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		set := func(attribute string, on bool) error {
			_, err := s.db.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: &table,
				TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &attribute, Enabled: &on}})
			return err
		}
		want := func(status types.TimeToLiveStatus, attribute string) {
			t.Helper()
			out, err := s.db.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &table})
			if err != nil {
				t.Fatal(err)
			}
			if d := out.TimeToLiveDescription; d.TimeToLiveStatus != status || aws.ToString(d.AttributeName) != attribute {
				t.Errorf("%s on %q, want %s on %q", d.TimeToLiveStatus, aws.ToString(d.AttributeName), status, attribute)
			}
		}
		want(types.TimeToLiveStatusDisabled, "")
		s.wantFault(t, set("expiresAt", false), "ValidationException: TimeToLive is already disabled")
		s.wantFault(t, set("expiresAt", true), "")
		want(types.TimeToLiveStatusEnabled, "expiresAt")
		s.wantFault(t, set("expiresAt", true), "ValidationException: TimeToLive is already enabled")
		s.wantFault(t, set("other", true), "ValidationException: TimeToLive is active on a different AttributeName: current AttributeName is expiresAt")
		s.wantFault(t, set("expiresAt", false), "")
		want(types.TimeToLiveStatusDisabled, "")
	})
}

func TestUpdateTableRefusals(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		streaming := s.table(t, schema{hash: "p:S", stream: types.StreamViewTypeKeysOnly})
		on := &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewImage}
		off := &types.StreamSpecification{StreamEnabled: aws.Bool(false)}
		for _, c := range []struct {
			name string
			in   dynamodb.UpdateTableInput
			want string
		}{
			{"nothing", dynamodb.UpdateTableInput{TableName: &table}, "ValidationException"},
			{"no such table", dynamodb.UpdateTableInput{TableName: aws.String("NoSuchTable"), StreamSpecification: on}, "ResourceNotFoundException"},
			{"a second stream", dynamodb.UpdateTableInput{TableName: &streaming, StreamSpecification: on}, "ValidationException: Table already has an enabled stream…"},
			{"no stream to stop", dynamodb.UpdateTableInput{TableName: &table, StreamSpecification: off}, "ValidationException: Table has no stream to disable…"},
		} {
			t.Run(c.name, func(t *testing.T) {
				_, err := s.db.UpdateTable(t.Context(), &c.in)
				s.wantFault(t, err, c.want)
			})
		}
	})
}

func TestUnsupportedIsRefusedByName(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		_, err := s.raw("NoSuchOperation", "{}")
		s.wantFault(t, err, "UnknownOperationException")
		_, err = s.raw("PutItem", "{")
		s.differs(t, "it calls a body that is no JSON an internal failure")
		s.wantFault(t, err, "SerializationException")
	})
}

// Parameters of before expressions, index keys of several attributes and PartiQL are not
// carried out by the embedded engine; it says so instead of ignoring them.
func TestLegacyIsRefusedByName(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		s.differs(t, "no difference: it supports what the embedded engine leaves out")
		table := s.table(t, schema{hash: "p:S"})
		for _, c := range []struct{ operation, parameter, name string }{
			{"PutItem", `"Item":{"p":{"S":"a"}},"Expected":{"x":{"Exists":false}}`, "Expected"},
			{"UpdateItem", `"Key":{"p":{"S":"a"}},"AttributeUpdates":{"x":{"Action":"DELETE"}}`, "AttributeUpdates"},
			{"GetItem", `"Key":{"p":{"S":"a"}},"AttributesToGet":["x"]`, "AttributesToGet"},
			{"Query", `"KeyConditions":{"p":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"a"}]}}`, "KeyConditions"},
			{"Query", `"KeyConditionExpression":"p = :p","QueryFilter":{"x":{"ComparisonOperator":"NULL"}}`, "QueryFilter"},
			{"Scan", `"ScanFilter":{"x":{"ComparisonOperator":"NULL"}}`, "ScanFilter"},
			{"Scan", `"FilterExpression":"x = x","ConditionalOperator":"AND"`, "ConditionalOperator"},
			{"DeleteItem", `"Key":{"p":{"S":"a"}},"Expected":{"x":{"Exists":false}}`, "Expected"},
			{"UpdateTable", `"SSESpecification":{"Enabled":true}`, "SSESpecification"},
			{"UpdateTable", `"BillingMode":"PAY_PER_REQUEST","ReplicaUpdates":[{"Create":{"RegionName":"eu-west-1"}}]`, "ReplicaUpdates"},
			{"BatchGetItem", `"RequestItems":{"Table":{"Keys":[{"p":{"S":"a"}}],"AttributesToGet":["x"]}}`, "AttributesToGet"},
		} {
			_, err := s.raw(c.operation, fmt.Sprintf(`{"TableName":%q,%s}`, table, c.parameter))
			if got := fault(err); !strings.HasPrefix(got, "ValidationException: ") || !strings.Contains(got, c.name) {
				t.Errorf("%s with %s: %q", c.operation, c.name, got)
			}
		}
		several := `{"IndexName":"byGH","KeySchema":[{"AttributeName":"g","KeyType":"HASH"},{"AttributeName":"h","KeyType":"%s"}%s],"Projection":{"ProjectionType":"ALL"}}`
		attributes := `"AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"},{"AttributeName":"g","AttributeType":"S"},{"AttributeName":"h","AttributeType":"S"},{"AttributeName":"i","AttributeType":"S"}]`
		for _, index := range []string{fmt.Sprintf(several, "HASH", ""), fmt.Sprintf(several, "RANGE", `,{"AttributeName":"i","KeyType":"RANGE"}`)} {
			_, err := s.raw("CreateTable", `{"TableName":"NoSuchTable","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"p","KeyType":"HASH"}],`+attributes+`,"GlobalSecondaryIndexes":[`+index+`]}`)
			s.wantFault(t, err, "ValidationException: GlobalSecondaryIndexes.1.KeySchema: index keys of several attributes are not supported here…")
			_, err = s.raw("UpdateTable", fmt.Sprintf(`{"TableName":%q,`, table)+attributes+`,"GlobalSecondaryIndexUpdates":[{"Create":`+index+`}]}`)
			s.wantFault(t, err, "ValidationException: GlobalSecondaryIndexUpdates.1.Create.KeySchema: index keys of several attributes are not supported here…")
		}
		_, err := s.raw("ExecuteStatement", `{"Statement":"SELECT * FROM t"}`)
		s.wantFault(t, err, "UnknownOperationException…")
		if !strings.Contains(fault(err), "ExecuteStatement") {
			t.Errorf("%q does not name the operation", fault(err))
		}
	})
}
