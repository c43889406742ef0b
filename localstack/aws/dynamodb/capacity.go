package dynamodb

import (
	"cmp"
	"slices"
)

// Sizes of the units capacity is counted in.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
const (
	readUnitBytes  = 4096
	writeUnitBytes = 1024
)

// writeUnits is what writing an image of this size costs: one unit per KB begun,
// one at least.
func writeUnits(size int) float64 { return float64(max(1, ceil(size, writeUnitBytes))) }

// readUnits is what reading this much costs: one unit per 4 KB begun, one at
// least, and half as much for an eventually consistent read.
func readUnits(size int, consistent bool) float64 {
	units := float64(max(1, ceil(size, readUnitBytes)))
	if !consistent {
		units /= 2
	}
	return units
}

func ceil(size, unit int) int { return (size + unit - 1) / unit }

// capacity is what one request consumed on one table.
type capacity struct {
	table         float64
	local, global map[string]float64 // by index name
}

// index counts units for a secondary index.
func (c *capacity) index(x *index, units float64) {
	by := &c.global
	if x.local {
		by = &c.local
	}
	if *by == nil {
		*by = map[string]float64{}
	}
	(*by)[x.name] += units
}

// add counts another capacity, times a factor, in.
func (c *capacity) add(o capacity, factor float64) {
	c.table += o.table * factor
	c.local = addUnits(c.local, o.local, factor)
	c.global = addUnits(c.global, o.global, factor)
}

func addUnits(sum, by map[string]float64, factor float64) map[string]float64 {
	if sum == nil && len(by) > 0 {
		sum = make(map[string]float64, len(by))
	}
	for name, units := range by {
		sum[name] += units * factor
	}
	return sum
}

func (c capacity) total() float64 {
	total := c.table
	for _, units := range c.local {
		total += units
	}
	for _, units := range c.global {
		total += units
	}
	return total
}

// What ReturnConsumedCapacity may ask for.
const (
	capacityIndexes = "INDEXES"
	capacityTotal   = "TOTAL"
	capacityNone    = "NONE"
)

func checkReturnCapacity(c *constraints, asked string) {
	c.oneOf("returnConsumedCapacity", asked, capacityIndexes, capacityTotal, capacityNone)
}

// consumedCapacity is a capacity as answers show it.
type consumedCapacity struct {
	TableName              string
	CapacityUnits          float64
	ReadCapacityUnits      float64                  `json:",omitzero"`
	WriteCapacityUnits     float64                  `json:",omitzero"`
	Table                  *capacityUnits           `json:",omitempty"`
	LocalSecondaryIndexes  map[string]capacityUnits `json:",omitempty"`
	GlobalSecondaryIndexes map[string]capacityUnits `json:",omitempty"`
}

type capacityUnits struct{ CapacityUnits float64 }

// shown gives the capacity in the detail that was asked for; nil for none.
func (c capacity) shown(table, asked string) *consumedCapacity {
	if asked != capacityTotal && asked != capacityIndexes {
		return nil
	}
	out := &consumedCapacity{TableName: table, CapacityUnits: c.total()}
	if asked == capacityIndexes {
		out.Table = &capacityUnits{c.table}
		out.LocalSecondaryIndexes = shownUnits(c.local)
		out.GlobalSecondaryIndexes = shownUnits(c.global)
	}
	return out
}

func shownUnits(by map[string]float64) map[string]capacityUnits {
	out := make(map[string]capacityUnits, len(by))
	for name, units := range by {
		out[name] = capacityUnits{units}
	}
	return out
}

// bill is what one request consumed on several tables.
type bill map[*table]*capacity

func (b bill) add(t *table, c capacity, factor float64) {
	if b[t] == nil {
		b[t] = &capacity{}
	}
	b[t].add(c, factor)
}

// shown lists the tables' capacities by name, in the detail that was asked for.
func (b bill) shown(asked string) []*consumedCapacity {
	var out []*consumedCapacity
	for t, c := range b {
		if s := c.shown(t.name, asked); s != nil {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(x, y *consumedCapacity) int { return cmp.Compare(x.TableName, y.TableName) })
	return out
}
