package dynamodb

import (
	"encoding/json"
	"strconv"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// pageAnswer is the answer of Query and Scan. It encodes itself without
// reflection, because large pages are mostly their encoding.
type pageAnswer struct {
	items            itemList // nil when only counted
	count, scanned   int
	lastEvaluatedKey item.Item
	consumed         *consumedCapacity
}

// AppendJSON appends the answer as a JSON object.
func (a *pageAnswer) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if a.items != nil {
		dst = append(a.items.AppendJSON(append(dst, `"Items":`...)), ',')
	}
	dst = strconv.AppendInt(append(dst, `"Count":`...), int64(a.count), 10)
	dst = strconv.AppendInt(append(dst, `,"ScannedCount":`...), int64(a.scanned), 10)
	if a.lastEvaluatedKey != nil {
		dst = a.lastEvaluatedKey.AppendJSON(append(dst, `,"LastEvaluatedKey":`...))
	}
	if a.consumed != nil {
		consumed, _ := json.Marshal(a.consumed) // numbers and names always encode
		dst = append(append(dst, `,"ConsumedCapacity":`...), consumed...)
	}
	return append(dst, '}')
}

// MarshalJSON gives the JSON form of AppendJSON.
func (a *pageAnswer) MarshalJSON() ([]byte, error) { return a.AppendJSON(nil), nil }

// run reads the page under the table's lock, then filters and projects it
// without.
func (e *Engine) run(operation string, r *reading) (any, error) {
	source, keys := r.table.rows, []key{r.table.key}
	if r.index != nil {
		source, keys = r.index.rows, append(keys, r.index.key)
	}
	var p page
	if err := r.table.reading(func() { p = source.read(r.span, r.after, r.limit) }); err != nil {
		return nil, err
	}
	used := r.cost(p)
	e.usage.add(r.table.name, operation, Consumption{Requests: 1, ReadCapacityUnits: used.total(), RowsRead: p.read})
	answer := &pageAnswer{scanned: len(p.rows), consumed: used.shown(r.table.name, r.asked)}
	if !r.queries || !r.single() {
		answer.lastEvaluatedKey = p.lastKey(keys...)
	}
	if !r.counting {
		answer.items = make(itemList, 0, len(p.rows))
	}
	for _, found := range p.rows {
		r.collect(answer, found)
	}
	return answer, nil
}

// collect adds a row to the answer if the filter lets it through.
func (r *reading) collect(answer *pageAnswer, found *row) {
	if r.filter != nil && !r.filter.Match(found.item) {
		return
	}
	answer.count++
	if r.counting {
		return
	}
	it := found.item
	if r.fetching {
		it = found.base.item
	}
	answer.items = append(answer.items, apply(r.projection, it))
}

// cost is what reading the page consumes: the sizes of all its rows summed up,
// then rounded once; and for every row fetched from the table a read of its own.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html#LSI.ThroughputConsiderations.Reads
func (r *reading) cost(p page) capacity {
	var used capacity
	if units := readUnits(p.size, r.consistent); r.index != nil {
		used.index(r.index, units)
	} else {
		used.table = units
	}
	if r.fetching {
		for _, found := range p.rows {
			used.table += readUnits(found.base.size, r.consistent)
		}
	}
	return used
}
