package dynamodb

import (
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// Limits of keys in bytes.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	maxHashBytes = 2048
	maxSortBytes = 1024
)

// keyAttribute is one attribute of a key and the type it must have.
type keyAttribute struct {
	name string
	kind item.Kind
}

// key is the key of a table or of an index. A key without a sort attribute has an
// empty name there.
type key struct{ hash, sort keyAttribute }

func (k key) sorted() bool { return k.sort.name != "" }

func (k key) has(name string) bool {
	return name != "" && (name == k.hash.name || name == k.sort.name)
}

// attributes lists the key's attributes, hash first.
func (k key) attributes() []keyAttribute {
	if k.sorted() {
		return []keyAttribute{k.hash, k.sort}
	}
	return []keyAttribute{k.hash}
}

// of picks the key's attributes out of an item.
func (k key) of(it item.Item) item.Item {
	picked := make(item.Item, 2)
	for _, a := range k.attributes() {
		if v, ok := it[a.name]; ok {
			picked[a.name] = v
		}
	}
	return picked
}

// location gives the location of an item whose key attributes are there and sound.
func (k key) location(it item.Item) location {
	if !k.sorted() {
		return newLocation(it[k.hash.name].KeyBytes(), "")
	}
	return newLocation(it[k.hash.name].KeyBytes(), it[k.sort.name].KeyBytes())
}

// ofItem checks the key attributes of a whole item, as PutItem brings it.
func (k key) ofItem(it item.Item) (location, error) {
	for _, a := range k.attributes() {
		v, ok := it[a.name]
		if !ok {
			return location{}, invalidParameter("Missing the key %s in the item", a.name)
		}
		if v.Kind != a.kind {
			return location{}, invalidParameter("Type mismatch for key %s expected: %s actual: %s", a.name, a.kind, v.Kind)
		}
	}
	return k.checked(it)
}

// ofKey checks a Key parameter: the key's attributes and no other.
func (k key) ofKey(it item.Item) (location, error) {
	if len(it) != len(k.attributes()) {
		return location{}, errKeyMismatch
	}
	for _, a := range k.attributes() {
		if v, ok := it[a.name]; !ok || v.Kind != a.kind {
			return location{}, errKeyMismatch
		}
	}
	return k.checked(it)
}

// checked gives the location of a key whose attributes have the right types, if
// they are not empty and not too long.
func (k key) checked(it item.Item) (location, error) {
	for _, a := range k.attributes() {
		if kind, empty := emptyKey(it[a.name]); empty {
			return location{}, requestFault{invalid("One or more parameter values are not valid. "+
				"The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", kind, a.name)}
		}
	}
	if keySize(it[k.hash.name]) > maxHashBytes {
		return location{}, invalidParameter("Size of hashkey has exceeded the maximum size limit of2048 bytes")
	}
	if k.sorted() && keySize(it[k.sort.name]) > maxSortBytes {
		return location{}, invalidParameter("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
	}
	return k.location(it), nil
}

// emptyKey reports whether a key value is empty, and which word DynamoDB has for
// its type.
func emptyKey(v item.Value) (kind string, empty bool) {
	switch v.Kind {
	case item.String:
		return "string", v.S == ""
	case item.Binary:
		return "binary", v.S == ""
	}
	return "", false
}

// keySize is the length of a key value in bytes; a number is never too long.
func keySize(v item.Value) int {
	if v.Kind == item.Number {
		return 0
	}
	return len(v.S)
}
