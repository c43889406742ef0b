package item

// Depth is how many levels a value has: 1 for a scalar, a set or an empty List.
// It cannot be above MaxDepth in what was decoded here.
func (v Value) Depth() int {
	deepest := 0
	for _, e := range v.L {
		deepest = max(deepest, e.Depth())
	}
	for _, e := range v.M {
		deepest = max(deepest, e.Depth())
	}
	return deepest + 1
}
