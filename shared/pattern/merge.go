package pattern

import "strconv"

// merged joins those alternatives that ask nothing but the same field into one, which
// asks for the values and match expressions of all, so that their number does not matter
// to what matching costs:
//
//	[{"a":[1]},{"a":[2,{"prefix":"x"}]}] is [{"a":[1,2,{"prefix":"x"}]}]
//
// The result is exactly the same, because a field holds if one element of a list meets one
// of its conditions. It does not matter whether elements or alternatives are tried first.
// A field that asks for absence alone must be met by all elements, so such alternatives
// stay as they are.
func merged(alternatives []any) []any {
	var all []any
	lists := map[string]*[]any{}
	for _, alternative := range alternatives {
		path, list := lone(alternative)
		if list == nil {
			all = append(all, alternative)
			continue
		}
		key := ""
		for _, name := range path {
			key += strconv.Quote(name)
		}
		if lists[key] == nil {
			lists[key] = new([]any)
			all = append(all, nest{path, lists[key]})
		}
		*lists[key] = append(*lists[key], list...)
	}
	for i, alternative := range all {
		if n, ok := alternative.(nest); ok {
			all[i] = n.object()
		}
	}
	return all
}

// nest is a field to be, with the names on the way to it.
type nest struct {
	path []string
	list *[]any
}

func (n nest) object() any {
	var value any = *n.list
	for i := len(n.path) - 1; i >= 0; i-- {
		value = map[string]any{n.path[i]: value}
	}
	return value
}

// lone gives the list of an alternative's only field, and the way to it; nil if it has
// others, or asks for absence, or is not as it should be.
func lone(alternative any) (path []string, list []any) {
	for {
		fields, ok := alternative.(map[string]any)
		if !ok || len(fields) != 1 {
			return nil, nil
		}
		for name, value := range fields {
			path, alternative = append(path, name), value
		}
		if path[len(path)-1] == "$or" {
			return nil, nil
		}
		if list, ok := alternative.([]any); ok {
			if asksAbsence(list) { // as an empty list seems to
				return nil, nil
			}
			return path, list
		}
	}
}
