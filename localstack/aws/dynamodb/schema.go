package dynamodb

import (
	"slices"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// Limits of a table's definition.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	maxLocalIndexes  = 5
	maxGlobalIndexes = 20
)

// attributeDefinition gives a key attribute its type.
type attributeDefinition struct {
	AttributeName string
	AttributeType attributeType
}

// attributeType is "S", "N" or "B".
type attributeType string

func (t attributeType) kind() (item.Kind, bool) {
	switch t {
	case "S":
		return item.String, true
	case "N":
		return item.Number, true
	case "B":
		return item.Binary, true
	}
	return 0, false
}

// keyElement is one line of a key schema.
type keyElement struct {
	AttributeName string
	KeyType       string
}

const (
	keyHash  = "HASH"
	keyRange = "RANGE"
)

// projection says what an index holds besides the keys.
type projection struct {
	ProjectionType   string
	NonKeyAttributes []string `json:",omitempty"`
}

const (
	projectAll     = "ALL"
	projectKeys    = "KEYS_ONLY"
	projectInclude = "INCLUDE"
)

// indexDefinition declares a secondary index.
type indexDefinition struct {
	IndexName             string
	KeySchema             []keyElement
	Projection            *projection
	ProvisionedThroughput *throughput
}

// typesOf collects attribute definitions, which have been checked, by name.
func typesOf(definitions []attributeDefinition) (map[string]attributeType, error) {
	types := make(map[string]attributeType, len(definitions))
	for _, d := range definitions {
		if _, twice := types[d.AttributeName]; twice {
			return nil, invalid("Attribute Name is duplicated: %s", d.AttributeName)
		}
		types[d.AttributeName] = d.AttributeType
	}
	return types, nil
}

// keyOf reads a key schema, which has been checked: a HASH attribute and perhaps a RANGE
// attribute.
func keyOf(schema []keyElement, types map[string]attributeType) (k key, err error) {
	if k.hash, err = keyAttributeOf(schema, 0, types); err != nil {
		return k, err
	}
	if len(schema) > 1 {
		if k.sort, err = keyAttributeOf(schema, 1, types); err != nil {
			return k, err
		}
	}
	switch {
	case k.hash.name == k.sort.name:
		return k, invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
	case schema[0].KeyType != keyHash:
		return k, invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	case len(schema) > 1 && schema[1].KeyType != keyRange:
		return k, invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
	}
	return k, nil
}

func keyAttributeOf(schema []keyElement, at int, types map[string]attributeType) (keyAttribute, error) {
	name := schema[at].AttributeName
	kind, ok := types[name].kind()
	if !ok {
		return keyAttribute{}, invalidParameter("Some index key attributes are not defined in AttributeDefinitions. Keys: %s, AttributeDefinitions: %s",
			names(schema), sortedNames(types))
	}
	return keyAttribute{name: name, kind: kind}, nil
}

// schema writes the key as a key schema.
func (k key) schema() []keyElement {
	elements := []keyElement{{k.hash.name, keyHash}}
	if k.sorted() {
		elements = append(elements, keyElement{k.sort.name, keyRange})
	}
	return elements
}

func names(schema []keyElement) string {
	var all []string
	for _, e := range schema {
		all = append(all, e.AttributeName)
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func sortedNames[V any](by map[string]V) string {
	var all []string
	for name := range by {
		all = append(all, name)
	}
	slices.Sort(all)
	return "[" + strings.Join(all, ", ") + "]"
}

// checkUsed refuses attribute definitions that no key needs.
func checkUsed(types map[string]attributeType, table key, indexes []*index) error {
	used := map[string]bool{}
	for _, k := range append([]key{table}, keysOf(indexes)...) {
		for _, a := range k.attributes() {
			used[a.name] = true
		}
	}
	switch {
	case len(used) == len(types):
		return nil
	case len(indexes) == 0:
		return invalidParameter("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	default:
		return invalidParameter("Some AttributeDefinitions are not used. AttributeDefinitions: %s, keys used: %s", sortedNames(types), sortedNames(used))
	}
}

func keysOf(indexes []*index) []key {
	var keys []key
	for _, x := range indexes {
		keys = append(keys, x.key)
	}
	return keys
}
