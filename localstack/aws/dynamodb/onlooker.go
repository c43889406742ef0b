package dynamodb

import (
	"maps"
	"slices"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// reads are the operations of an onlooker.
var reads = []string{"GetItem", "BatchGetItem", "Query", "Scan"}

// Onlooker is the service for those who look on from outside, such as a console. It reads items and does
// nothing else. What it consumes is counted nowhere.
func (e *Engine) Onlooker() *awsjson.Service {
	aside := &Engine{region: e.region, account: e.account, now: e.now, streams: e.streams, catalog: e.catalog}
	service := aside.Service()
	maps.DeleteFunc(service.Operations, func(name string, _ awsjson.Operation) bool { return !slices.Contains(reads, name) })
	return service
}

// Keys lists the partition keys of a table that match, up to a number of them; more says that there are
// others. It looks at one item of each partition, however many there are. The order is that of a Scan.
// Keys that are no text are left out, and a table that does not exist has none.
func (e *Engine) Keys(name string, match func(string) bool, most int) (keys []string, more bool) {
	t := e.table(name)
	if t == nil {
		return nil, false
	}
	_ = t.reading(func() { // of a table that is gone meanwhile nothing is read
		from := location{}
		for {
			next := t.rows.after(from)
			if next == nil {
				return
			}
			if key := next.item[t.key.hash.name]; key.Kind == item.String && match(key.S) {
				if len(keys) == most {
					more = true
					return
				}
				keys = append(keys, key.S)
			}
			from = location{token: next.token, hash: next.hash, edge: afterPartition}
		}
	})
	return keys, more
}

// Walk visits the keys of all items of a table, whose keys are text. It makes no copy of anything.
// Nobody can write meanwhile.
func (e *Engine) Walk(name string, visit func(partition, sort string)) {
	t := e.table(name)
	if t == nil {
		return
	}
	_ = t.reading(func() { // as above
		t.rows.walk(location{}, true, func(r *row) bool {
			visit(r.item[t.key.hash.name].S, r.item[t.key.sort.name].S)
			return true
		})
	})
}

// after gives the first row from a location on; nil if there is none.
func (r *rows) after(from location) (first *row) {
	r.walk(from, true, func(found *row) bool {
		first = found
		return false
	})
	return first
}
