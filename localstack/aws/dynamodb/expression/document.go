package expression

import (
	"slices"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// set gives a document with v at the end of a path. All of the path but its end
// must be there. What is on the path is copied, the rest is shared.
func set(in item.Value, to path, v item.Value) (item.Value, error) {
	if len(to) > 1 {
		inner, ok := child(in, to[0])
		if !ok {
			return in, errPath
		}
		var err error
		if v, err = set(inner, to[1:], v); err != nil {
			return in, err
		}
	}
	return with(in, to[0], v)
}

// with gives a Map or List with v in one place. A List is never extended by more
// than one: an index past its end appends.
func with(in item.Value, at step, v item.Value) (item.Value, error) {
	switch {
	case in.Kind == item.Map && !at.isIndex():
		m := in.M.Clone()
		if m == nil {
			m = item.Item{}
		}
		m[at.name] = v
		return item.Value{Kind: item.Map, M: m}, nil
	case in.Kind == item.List && at.isIndex():
		l := slices.Clone(in.L)
		if at.index < len(l) {
			l[at.index] = v
		} else {
			l = append(l, v)
		}
		return item.Value{Kind: item.List, L: l}, nil
	}
	return in, errPath
}

// remove gives a document without what is at the end of a path, which need not be
// there if the rest of the path is.
func remove(from item.Value, at path) (item.Value, error) {
	if len(at) == 1 {
		return without(from, at[0])
	}
	inner, ok := child(from, at[0])
	if !ok {
		return from, errPath
	}
	inner, err := remove(inner, at[1:])
	if err != nil {
		return from, err
	}
	return with(from, at[0], inner)
}

// without gives a Map or List without one place. What follows in a List moves up.
func without(v item.Value, at step) (item.Value, error) {
	_, there := child(v, at)
	switch {
	case v.Kind == item.Map && !at.isIndex():
		if there {
			v.M = v.M.Clone()
			delete(v.M, at.name)
		}
		return v, nil
	case v.Kind == item.List && at.isIndex():
		if there {
			v.L = slices.Delete(slices.Clone(v.L), at.index, at.index+1)
		}
		return v, nil
	}
	return v, errPath
}
