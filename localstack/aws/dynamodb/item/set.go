package item

import "slices"

// Has reports whether v is a set with this element, which is a String, Number or
// Binary.
func (v Value) Has(element Value) bool {
	return v.Kind.IsSet() && v.Kind.element() == element.Kind && slices.Contains(v.Set, element.S)
}

// Union is the set a with the elements of b that it lacks, in their order. Both
// must be sets of one kind.
func Union(a, b Value) Value {
	return Value{Kind: a.Kind, Set: slices.Concat(a.Set, without(b.Set, a.Set))}
}

// Difference is the set a without the elements of b. Both must be sets of one
// kind. It may be left with no elements, which is not a value DynamoDB can store.
func Difference(a, b Value) Value {
	return Value{Kind: a.Kind, Set: without(a.Set, b.Set)}
}

// without makes a new list of the elements that are not among the unwanted.
func without(elements, unwanted []string) []string {
	drop := make(map[string]struct{}, len(unwanted))
	for _, e := range unwanted {
		drop[e] = struct{}{}
	}
	var kept []string
	for _, e := range elements {
		if _, ok := drop[e]; !ok {
			kept = append(kept, e)
		}
	}
	return kept
}
