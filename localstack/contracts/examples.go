package main

import "encoding/json"

// bodyExamples are examples of what clients send, by the names of types.
var bodyExamples = map[string]object{
	"PublishRequest": {
		example("one", "One item", `{"id":"quote","data":{"price":150.25}}`),
		example("several", "Several items", `{"items":[{"id":"quote","data":{"price":150.25}},{"data":{"headline":"Markets open"},"expiresAt":1893456000}]}`),
	},
	"DestinationRequest": {
		example("all", "All changes", `{"topic":"stocks/*","url":"https://hooks.example.com/stocks"}`),
		example("some", "Some items and members, as CloudEvents", `{"topic":"stocks/*","url":"https://hooks.example.com/stocks","filter":{"price":[{"numeric":[">",100]}]},"fields":["price"],"format":"cloudevents"}`),
	},
	"DestinationChange": {example("fewer", "Fewer changes in a message", `{"batch":10}`)},
	"ReplayRequest": {
		example("cursor", "After a change", `{"topic":"stocks/AAPL","after":"mfw3k1x0:1042"}`),
		example("time", "From a time", `{"from":"2026-11-25T09:30:00.000Z"}`),
	},
}

// answerSamples are examples of what the service answers, by the names of types.
var answerSamples = map[string]member{
	"TopicItems":      example("items", "The items of a topic", `{"topic":"stocks/AAPL","cursor":"mfw3k1x0:1042","items":[{"id":"quote","data":{"price":150.75}}]}`),
	"TopicChanges":    example("changes", "The changes after a cursor", `{"topic":"stocks/AAPL","cursor":"mfw3k1x0:1043","changes":[{"topic":"stocks/AAPL","epoch":"mfw3k1x0","seq":1043,"op":"modified","id":"quote","time":"2026-11-25T09:30:00.000Z","data":{"price":151}}]}`),
	"ItemsBelow":      example("below", "The items of a pattern's topics", `{"topic":"stocks/*","topics":[{"topic":"stocks/AAPL","cursor":"mfw3k1x0:1042","items":[{"id":"quote","data":{"price":150.75}}]}]}`),
	"StandBelow":      example("now", "The cursors of a pattern's topics", `{"topic":"stocks/*","cursors":{"stocks/AAPL":"mfw3k1x0:1042"}}`),
	"PublishResult":   example("one", "One item", `{"id":"quote","mark":"4ErIqSylG9fV76Wm"}`),
	"PublishResults":  example("several", "Several items, one of which is refused", `{"topic":"stocks/AAPL","results":[{"id":"quote","mark":"4ErIqSylG9fV76Wm"},{"id":"news","error":{"type":"about:blank","title":"Bad Request","status":400,"code":"bad_item","detail":"item data has the reserved attribute topic"}}]}`),
	"Destinations":    example("one", "One destination", `{"destinations":[{"id":"dst_4q7m2k","topic":"stocks/*","url":"https://hooks.example.com/stocks","format":"changes","batch":100,"created":"2026-11-25T09:30:00.000Z","expires":"2026-12-25T09:30:00.000Z"}]}`),
	"Destination":     example("one", "A destination", `{"id":"dst_4q7m2k","topic":"stocks/*","url":"https://hooks.example.com/stocks","format":"changes","batch":100,"created":"2026-11-25T09:30:00.000Z","expires":"2026-12-25T09:30:00.000Z"}`),
	"DestinationTest": example("asked", "A test that has begun", `{"id":"msg_rgtnh2gq","asked":"2026-11-25T09:30:00.000Z"}`),
}

// answerExamples are the examples of types of answers.
func answerExamples(names ...string) (all object) {
	for _, name := range names {
		all = append(all, answerSamples[name])
	}
	return all
}

func example(name, summary, value string) member {
	return member{name, object{{"summary", summary}, {"value", json.RawMessage(value)}}}
}
