package dynamodb

import (
	"fmt"
	"strings"
)

// Lengths of key schemas, in attributes. Those of global indexes may be longer on AWS, but
// not here, see several.
const (
	maxKeyAttributes      = 2
	maxIndexKeyAttributes = 8
)

// definitions checks attribute definitions, which may be left out.
func (c *constraints) definitions(at string, definitions []attributeDefinition) {
	for i, d := range definitions {
		member := fmt.Sprintf("%s.%d.member.", at, i+1)
		c.attributeName(member+"attributeName", d.AttributeName)
		c.among(member+"attributeType", string(d.AttributeType), "B", "N", "S")
	}
}

// attributeName checks the name of an attribute in a key.
func (c *constraints) attributeName(at, name string) {
	if c.require(at, name != ""); name != "" {
		c.length(at, name, len(name), 1, maxKeyName)
	}
}

func (c *constraints) keySchema(at string, schema []keyElement, most int) {
	if schema == nil {
		c.require(at, false)
		return
	}
	shown := make([]string, len(schema))
	for i, e := range schema {
		shown[i] = fmt.Sprintf("KeySchemaElement(attributeName=%s, keyType=%s)", e.AttributeName, e.KeyType)
	}
	c.length(at, "["+strings.Join(shown, ", ")+"]", len(schema), 1, most)
	for i, e := range schema {
		member := fmt.Sprintf("%s.%d.member.", at, i+1)
		c.attributeName(member+"attributeName", e.AttributeName)
		c.among(member+"keyType", e.KeyType, keyHash, keyRange)
	}
}

// throughput checks provisioned capacity; one that is zero altogether counts as left out.
func (c *constraints) throughput(at string, t *throughput) {
	if t == nil || *t == (throughput{}) {
		return
	}
	for _, units := range []struct {
		name  string
		value int64
	}{{"writeCapacityUnits", t.WriteCapacityUnits}, {"readCapacityUnits", t.ReadCapacityUnits}} {
		value := int(units.value)
		c.between(at+"."+units.name, &value, 1, int(^uint(0)>>1))
	}
}

// index checks the declaration of a secondary index.
func (c *constraints) index(at string, d *indexDefinition, most int) {
	c.name(at+".indexName", d.IndexName)
	c.keySchema(at+".keySchema", d.KeySchema, most)
	if c.require(at+".projection", d.Projection != nil); d.Projection == nil {
		return
	}
	c.oneOf(at+".projection.projectionType", d.Projection.ProjectionType, projectAll, projectInclude, projectKeys)
	for i, name := range d.Projection.NonKeyAttributes {
		member := fmt.Sprintf("%s.projection.nonKeyAttributes.%d.member", at, i+1)
		c.length(member, name, len(name), 1, maxKeyName)
	}
}

// several refuses an index whose key has several attributes of a kind, which AWS allows in
// global indexes. at is the parameter's name.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.DesignPattern.MultiAttributeKeys.html
func several(at string, d *indexDefinition) error {
	if len(d.KeySchema) > maxKeyAttributes ||
		len(d.KeySchema) == 2 && d.KeySchema[0].KeyType == keyHash && d.KeySchema[1].KeyType == keyHash {
		return invalid("%s.KeySchema: index keys of several attributes are not supported here; "+
			"an index has one HASH attribute and at most one RANGE attribute", at)
	}
	return nil
}
