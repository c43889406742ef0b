package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/jsii-runtime-go"
)

// expiry is the attribute that every table's time to live is read from: epoch
// seconds.
const expiry = "expiresAt"

// unsplit names both the attribute and the index that no item of Events has.
const unsplit = "unsplit"

// tables are the six tables, named by CloudFormation.
type tables struct {
	events, changes, connections, subscriptions, revocations, destinations awsdynamodb.CfnTable
}

// newTables declares the tables. Events, Changes, Revocations and Destinations are user data: they
// outlive the stack and are protected from DeleteTable. Connections and Subscriptions
// describe sockets, which do not outlive the API.
func newTables(stack awscdk.Stack, props Props) tables {
	events := tableProps("topic", "S", "id", "S")
	events.StreamSpecification = &awsdynamodb.CfnTable_StreamSpecificationProperty{
		StreamViewType: jsii.String("NEW_AND_OLD_IMAGES"),
	}
	keepTopicWhole(events)
	revocations := tableProps("subject", "S", "tokenId", "S")
	revocations.StreamSpecification = &awsdynamodb.CfnTable_StreamSpecificationProperty{
		StreamViewType: jsii.String("NEW_IMAGE"),
	}
	return tables{
		events:        keptTable(stack, "Events", events, props),
		changes:       keptTable(stack, "Changes", tableProps("topic", "S", "seq", "N"), props),
		connections:   table(stack, "Connections", tableProps("subject", "S", "connectionId", "S"), props),
		subscriptions: table(stack, "Subscriptions", tableProps("topic", "S", "connectionId", "S"), props),
		revocations:   keptTable(stack, "Revocations", revocations, props),
		destinations:  keptTable(stack, "Destinations", destinationProps(), props),
	}
}

// tableProps are what all tables share. The key is given as attribute and type:
// the partition key first, then the sort key, if there is one.
func tableProps(key ...string) *awsdynamodb.CfnTableProps {
	var attributes, schema []any
	for i, keyType := 0, "HASH"; i < len(key); i, keyType = i+2, "RANGE" {
		attributes = append(attributes, attribute(key[i], key[i+1]))
		schema = append(schema, keyElement(key[i], keyType))
	}
	return &awsdynamodb.CfnTableProps{
		AttributeDefinitions: &attributes,
		KeySchema:            &schema,
		BillingMode:          jsii.String("PAY_PER_REQUEST"),
		TimeToLiveSpecification: &awsdynamodb.CfnTable_TimeToLiveSpecificationProperty{
			AttributeName: jsii.String(expiry),
			Enabled:       jsii.Bool(true),
		},
	}
}

// keepTopicWhole adds a local secondary index, which forbids DynamoDB to split
// one partition key over two partitions and so one topic over two stream
// shards: order within a topic stands on that. No item has the attribute, so
// the index is empty and costs nothing.
func keepTopicWhole(events *awsdynamodb.CfnTableProps) {
	definitions := events.AttributeDefinitions.(*[]any)
	*definitions = append(*definitions, attribute(unsplit, "S"))
	events.LocalSecondaryIndexes = &[]any{&awsdynamodb.CfnTable_LocalSecondaryIndexProperty{
		IndexName:  jsii.String(unsplit),
		KeySchema:  &[]any{keyElement("topic", "HASH"), keyElement(unsplit, "RANGE")},
		Projection: &awsdynamodb.CfnTable_ProjectionProperty{ProjectionType: jsii.String("KEYS_ONLY")},
	}}
}

func attribute(name, scalarType string) *awsdynamodb.CfnTable_AttributeDefinitionProperty {
	return &awsdynamodb.CfnTable_AttributeDefinitionProperty{
		AttributeName: jsii.String(name), AttributeType: jsii.String(scalarType),
	}
}

func keyElement(name, keyType string) *awsdynamodb.CfnTable_KeySchemaProperty {
	return &awsdynamodb.CfnTable_KeySchemaProperty{
		AttributeName: jsii.String(name), KeyType: jsii.String(keyType),
	}
}

// keptTable stays, with its items, when the stack is destroyed or a change of
// its definition makes CloudFormation replace it.
func keptTable(stack awscdk.Stack, id string, definition *awsdynamodb.CfnTableProps, props Props) awsdynamodb.CfnTable {
	definition.DeletionProtectionEnabled = jsii.Bool(!props.AllowTableDeletion)
	definition.PointInTimeRecoverySpecification = recovery(true)
	kept := awsdynamodb.NewCfnTable(stack, jsii.String(id), definition)
	kept.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	return kept
}

// table goes with the stack.
func table(stack awscdk.Stack, id string, definition *awsdynamodb.CfnTableProps, props Props) awsdynamodb.CfnTable {
	definition.PointInTimeRecoverySpecification = recovery(props.BackUpConnections)
	gone := awsdynamodb.NewCfnTable(stack, jsii.String(id), definition)
	gone.ApplyRemovalPolicy(awscdk.RemovalPolicy_DESTROY, nil)
	return gone
}

// recovery turns point-in-time recovery on or off.
func recovery(enabled bool) *awsdynamodb.CfnTable_PointInTimeRecoverySpecificationProperty {
	return &awsdynamodb.CfnTable_PointInTimeRecoverySpecificationProperty{PointInTimeRecoveryEnabled: jsii.Bool(enabled)}
}
