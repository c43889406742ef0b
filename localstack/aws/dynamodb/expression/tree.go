package expression

import (
	"errors"
	"maps"
	"slices"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// tree is a set of paths, none of which leads into another, laid together by
// their common beginnings.
type tree struct {
	first    path // the first path that came this way
	leaf     bool // and ended here
	children map[step]*tree
}

// What insert finds wrong with two paths.
var (
	errOverlap  = errors.New("overlap")
	errConflict = errors.New("conflict")
)

// insert adds a path. If one leads into the other, or one takes for a list what
// the other takes for a map, it gives the path already there and the error.
func (t *tree) insert(p path) (other path, err error) {
	if t.first == nil {
		t.first = p
	}
	for _, s := range p {
		if t.leaf {
			return t.first, errOverlap
		}
		if other := t.unlike(s); other != nil {
			return other, errConflict
		}
		if t.children == nil {
			t.children = map[step]*tree{}
		}
		if t.children[s] == nil {
			t.children[s] = &tree{first: p}
		}
		t = t.children[s]
	}
	if t.leaf || t.children != nil {
		return t.first, errOverlap
	}
	t.leaf = true
	return nil, nil
}

// unlike gives a path that goes on from here by a step of the other sort than s.
func (t *tree) unlike(s step) path {
	for have, c := range t.children {
		if have.isIndex() != s.isIndex() {
			return c.first
		}
		return nil // all steps from one place are of one sort
	}
	return nil
}

// of picks what the paths lead to out of a value. The elements of a list keep
// their order and close up. ok is false if there is nothing.
func (t *tree) of(v item.Value) (picked item.Value, ok bool) {
	if t.leaf {
		return v, true
	}
	picked = item.Value{Kind: v.Kind}
	for _, s := range t.steps() {
		c, ok := child(v, s)
		if !ok {
			continue
		}
		if c, ok = t.children[s].of(c); !ok {
			continue
		}
		if s.isIndex() {
			picked.L = append(picked.L, c)
			continue
		}
		if picked.M == nil {
			picked.M = item.Item{}
		}
		picked.M[s.name] = c
	}
	return picked, len(picked.L)+len(picked.M) > 0
}

// steps are those that go on from here, indexes in order.
func (t *tree) steps() []step {
	return slices.SortedFunc(maps.Keys(t.children), step.compare)
}

// project is of for a whole item; nothing gives an empty item.
func (t *tree) project(it item.Item) item.Item {
	if v, ok := t.of(document(it)); ok {
		return v.M
	}
	return item.Item{}
}
