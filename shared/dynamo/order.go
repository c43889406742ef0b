package dynamo

import (
	"hash/fnv"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// A connection's row decides which of its requests about a topic counts, because it is
// there as long as the connection and no longer. It has two maps.
//
//	watches  topic → order   of the latest subscribe, for each topic that is watched
//	left     slot → order    of the latest unsubscribe from any topic of the slot
//
// A subscribe needs a higher order than both have for its topic, and an unsubscribe one that
// is higher than the subscribe's. There is no list of the topics that were left, as a client
// may leave as many as it likes. They share a fixed number of slots, which only grow. So no
// unsubscribe is ever forgotten, and the row stays small. The price: a subscribe that is
// overtaken by an unsubscribe from another topic of its slot is refused, too. The client is
// told so, and sends it again.
const (
	// subscribeCounts is true if no other request about the topic has a higher order.
	subscribeCounts = "(attribute_not_exists(#watches.#topic) OR #watches.#topic <= :order) AND (attribute_not_exists(#left.#slot) OR #left.#slot < :order)"
	// unsubscribeCounts is true if the topic is not watched by a request of a higher order.
	unsubscribeCounts = "(attribute_not_exists(#watches.#topic) OR #watches.#topic < :order)"
	// slotHasRoom is true if the slot does not say already what this unsubscribe does.
	slotHasRoom = "(attribute_not_exists(#left.#slot) OR #left.#slot <= :order)"
)

// leftSlots is how many slots a row has at most: together at most 1 KB, and a third of it if
// the client numbers its requests.
const leftSlots = 64

// slot is where the row remembers that a topic was left.
func slot(topic events.Topic) string {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(topic)) // which cannot fail
	return strconv.Itoa(int(hash.Sum32() % leftSlots))
}

// The maps of a connection's row. Rows of versions that had no orders have the string set
// topicsBefore instead, whose topics are still read, and leave it when they are left.
//
// While a deployment is updated, functions of both versions answer a connection. The earlier one
// knows the set alone, and adds to it. Its pong leaves out what the maps name, and the client
// subscribes again. If it forgets a connection, what the maps name stays in Subscriptions until
// fan-out finds the connection gone, or until expiresAt. Either way nothing is lost.
const (
	watchesMap   = "watches"
	leftMap      = "left"
	topicsBefore = "topics"
)

func order(o watch.Order) *types.AttributeValueMemberN { return num(int64(o)) }

// orderIn reads the order of a row, or of a topic in a map.
func orderIn(row map[string]types.AttributeValue, name string) watch.Order {
	n, err := integer(row, name)
	if err != nil {
		return watch.Unordered
	}
	return watch.Order(n)
}

// mapIn gives a map of a row, nil if there is none.
func mapIn(row map[string]types.AttributeValue, name string) map[string]types.AttributeValue {
	m, _ := row[name].(*types.AttributeValueMemberM)
	if m == nil {
		return nil
	}
	return m.Value
}

// ordersOf gives the topics that a connection watches, by its row.
func ordersOf(row map[string]types.AttributeValue) map[events.Topic]watch.Order {
	orders := map[events.Topic]watch.Order{}
	if set, ok := row[topicsBefore].(*types.AttributeValueMemberSS); ok {
		for _, name := range set.Value {
			orders[events.Topic(name)] = watch.Unordered
		}
	}
	watches := mapIn(row, watchesMap)
	for name := range watches {
		orders[events.Topic(name)] = orderIn(watches, name)
	}
	return orders
}

func topicsOf(row map[string]types.AttributeValue) []events.Topic {
	return slices.Sorted(maps.Keys(ordersOf(row)))
}
