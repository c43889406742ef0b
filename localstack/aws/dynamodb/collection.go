package dynamodb

import (
	"slices"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// Values of ReturnItemCollectionMetrics.
const (
	metricsSize = "SIZE"
	metricsNone = "NONE"
)

// collectionMetrics is how large an item collection is, in GB: between the two numbers.
// Only tables with local secondary indexes have any.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ItemCollectionMetrics.html
type collectionMetrics struct {
	ItemCollectionKey   item.Item
	SizeEstimateRangeGB [2]float64
}

// metrics weighs the collection of a partition key, which it takes out of an item or its
// key. The caller holds the lock.
func (t *table) metrics(hash string, of item.Item) *collectionMetrics {
	gigabytes := float64(t.collections[hash] >> 30)
	return &collectionMetrics{
		ItemCollectionKey:   item.Item{t.key.hash.name: of[t.key.hash.name]},
		SizeEstimateRangeGB: [2]float64{gigabytes, gigabytes + 1},
	}
}

// collections are the metrics of the collections that a request wrote to, each once, by
// table name.
type collections map[string][]*collectionMetrics

// add takes in what a write came to, if metrics were asked for.
func (c *collections) add(asked string, t *table, out outcome) {
	if asked != metricsSize || out.collection == nil {
		return
	}
	if *c == nil {
		*c = collections{}
	}
	same := func(m *collectionMetrics) bool {
		return item.Equal(m.ItemCollectionKey[t.key.hash.name], out.collection.ItemCollectionKey[t.key.hash.name])
	}
	list := slices.DeleteFunc((*c)[t.name], same)
	(*c)[t.name] = append(list, out.collection)
}
