package dynamodb

import (
	"slices"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// subject is the item that a request is about. What says itself whether it is right is
// checked before, without any table; locate does the rest. This is AWS's order:
//
//	the model's constraints ─► expressions ─► the table ─► keys ─► the stored item
type subject struct {
	tableName *string
	given     item.Item // the item's key, or the whole item of a put
	whole     bool
	nested    []string // attributes that the request's expressions look into
	changed   []string // attributes that the request changes, if it is an update

	table    *table
	location location
	// refused is why nothing can be done with the item, whatever is stored. A
	// transaction reports it as the reason of this item.
	refused error
}

// locate finds the table and the item's location in it. An error is the whole request's;
// what has to do with this item alone is in refused.
func (e *Engine) locate(s *subject) (err error) {
	if s.table, err = e.lookup(s.tableName); err != nil {
		return err
	}
	if err := s.table.scalar(s.nested); err != nil {
		return err
	}
	if err := s.find(); err != nil {
		return s.refuse(err)
	}
	if !s.whole {
		return nil
	}
	return s.refuse(s.table.sharing(func() error { return s.table.admits(s.given, false) }))
}

// locateAlone is locate for a request that no transaction holds: what has to do with its item
// alone is an error like any other.
func (e *Engine) locateAlone(s *subject) error {
	if err := e.locate(s); err != nil {
		return err
	}
	return s.refused
}

// find checks the key and, in an update, that it stays.
func (s *subject) find() (err error) {
	check := s.table.key.ofKey
	if s.whole {
		check = s.table.key.ofItem
	}
	if s.location, err = check(s.given); err != nil {
		return err
	}
	for _, a := range s.table.key.attributes() {
		if slices.Contains(s.changed, a.name) {
			return invalidParameter("Cannot update attribute %s. This attribute is part of the key", a.name)
		}
	}
	return nil
}

// refuse keeps an error that has to do with this item alone, and gives back any other.
func (s *subject) refuse(err error) error {
	if ofItem(err) {
		s.refused = err
		return nil
	}
	return err
}

// target names the item among those of one request.
func (s *subject) target() target { return target{s.table, s.location} }

// target is which item a request is about.
type target struct {
	table    *table
	location location
}

// requestFault is an error that a transaction reports as its own, although it has to do
// with one item. DynamoDB does so with empty keys, but not with keys of a wrong type.
type requestFault struct{ error }

// Unwrap gives the error as it is reported.
func (f requestFault) Unwrap() error { return f.error }

// ofItem reports whether a transaction reports an error as the reason of one of its items.
func ofItem(err error) bool {
	e, ok := err.(*awsjson.Error)
	return ok && (e.Type == "ValidationException" || e.Type == conditionFailedType || e.Type == errCollection.Type)
}

// scalar refuses expressions that look into attributes of a key, which are never maps or
// lists.
func (t *table) scalar(nested []string) error {
	if len(nested) == 0 {
		return nil
	}
	const text = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: %s: %s"
	for _, name := range nested {
		if t.key.has(name) {
			return invalid(text, "Key", name)
		}
	}
	return t.sharing(func() error {
		for _, x := range t.indexes {
			for _, name := range nested {
				if x.key.has(name) {
					return invalid(text, "IndexKey", name)
				}
			}
		}
		return nil
	})
}

// admits checks an item to be against the keys of all indexes. The caller holds the lock.
func (t *table) admits(it item.Item, update bool) error {
	for _, x := range t.indexes {
		if err := x.check(it, update); err != nil {
			return err
		}
	}
	return nil
}
