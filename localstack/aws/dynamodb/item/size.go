package item

// Size is what the item counts towards the 400 KB limit and for capacity units,
// in bytes: the names and the values of its attributes.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func (i Item) Size() int {
	size := 0
	for name, v := range i {
		size += len(name) + v.Size()
	}
	return size
}

// Overhead of a List or Map, in bytes: for itself and for each of its elements.
const (
	documentBytes = 3
	elementBytes  = 1
)

// Size is the size of the value alone, in bytes, without the attribute's name.
func (v Value) Size() int {
	switch v.Kind {
	case String, Binary:
		return len(v.S)
	case Number:
		return numberSize(v.S)
	case Bool, Null:
		return 1
	case List:
		return listSize(v.L)
	case Map:
		return documentBytes + elementBytes*len(v.M) + v.M.Size()
	case StringSet, NumberSet, BinarySet:
		return setSize(v)
	}
	return 0
}

func listSize(elements []Value) int {
	size := documentBytes + elementBytes*len(elements)
	for _, e := range elements {
		size += e.Size()
	}
	return size
}

func setSize(v Value) int {
	size := 0
	for _, e := range v.Set {
		size += Value{Kind: v.Kind.element(), S: e}.Size()
	}
	return size
}

// numberSize is one byte for two significant digits, and one more.
func numberSize(canonical string) int {
	return (len(decimalOf(canonical).digits)+1)/2 + 1
}
