package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"
	"github.com/watchroute/watchroute/events"
)

// asked is a request of a client: which members of events.Request its action takes.
type asked struct {
	name, action, description string
	required, optional        []string
	more                      func(*jsonschema.Schema) // what else holds
}

// actions are all requests.
var actions = []asked{
	{"Subscribe", events.ActionSubscribe, "Asks for the changes of a topic, or of all topics of a pattern. Answered with subscribed.",
		[]string{"topic"}, []string{"id", "order", "after", "view", "filter", "fields", "delta", "latest", "snapshot", "presence"}, subscribing},
	{"Unsubscribe", events.ActionUnsubscribe, "Ends a subscription. Answered with unsubscribed.", []string{"topic"}, []string{"id", "order"}, nil},
	{"SnapshotRequest", events.ActionSnapshot, "Asks for the items of a topic, or of all topics of a pattern. Answered with snapshot.",
		[]string{"topic"}, []string{"id", "filter", "fields", "next"}, nil},
	{"Publish", events.ActionPublish, "Puts an item, or removes one. Answered with published.", []string{"topic", "item"}, []string{"id", "order", "op", "key", "expiresAt"}, publishing},
	{"Ping", events.ActionPing, "Keeps the connection, and asks what was missed. Answered with pong.", nil, []string{"id", "cursors"}, nil},
	{"Auth", events.ActionAuth, "Gives another token of the same subject. Answered with authorized.", []string{"token"}, []string{"id", "order"}, nil},
}

// requests takes the schema of events.Request apart, into one for each action.
func requests(all jsonschema.Definitions) error {
	whole := all["Request"]
	delete(all, "Request")
	all["NewItem"] = newItem(all["Item"])
	used := map[string]bool{"action": true}
	for _, a := range actions {
		s := &jsonschema.Schema{Type: "object", Description: a.description, Properties: jsonschema.NewProperties(), Required: append([]string{"action"}, a.required...)}
		s.Properties.Set("action", &jsonschema.Schema{Type: "string", Const: a.action, Description: "What is asked for."})
		for _, member := range append(a.required, a.optional...) {
			shared, ok := whole.Properties.Get(member)
			if !ok {
				return fmt.Errorf("request %s has no member %s", a.action, member)
			}
			own := *shared
			property := &own
			if slices.Contains(a.optional, member) {
				property = orNone(property)
			}
			s.Properties.Set(member, property)
			used[member] = true
		}
		if a.more != nil {
			a.more(s)
		}
		all[a.name] = s
	}
	for at := whole.Properties.Oldest(); at != nil; at = at.Next() {
		if !used[at.Key] {
			return fmt.Errorf("no request has the member %s", at.Key)
		}
	}
	return nil
}

// formed are the types of texts with a form of their own.
var formed = []string{"Cursor", "Bookmark", "Topic", "Time", "ItemID"}

// orNone lets a member be null, or empty if it is a text with a form of its own. Both count as left out.
func orNone(property *jsonschema.Schema) *jsonschema.Schema {
	whole := &jsonschema.Schema{Description: property.Description}
	bare := *property
	bare.Description = ""
	whole.AnyOf = []*jsonschema.Schema{&bare, {Type: "null"}}
	if slices.Contains(formed, strings.TrimPrefix(bare.Ref, "#/$defs/")) || bare.Enum != nil {
		whole.AnyOf = append(whole.AnyOf, &jsonschema.Schema{Const: ""})
	}
	return whole
}

// subscribing is what else holds for a subscribe: latest and delta exclude each other.
func subscribing(s *jsonschema.Schema) {
	off := &jsonschema.Schema{Enum: []any{false, nil}}
	s.AnyOf = []*jsonschema.Schema{properties("delta", off), properties("latest", off)}
}

// newItem is an item as a client gives it. Without an id, one is made up.
func newItem(item *jsonschema.Schema) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Description: "An item to be put or removed. A put without an id makes one up.", Properties: jsonschema.NewProperties()}
	id, _ := item.Properties.Get("id")
	id = orNone(id)
	data, _ := item.Properties.Get("data")
	given := *data
	inDepth(&given)
	s.Properties.Set("id", id)
	s.Properties.Set("data", &given)
	return s
}

// publishing is what else holds for a publish. It is of a topic alone. One with a key, and one that
// removes, names the item.
func publishing(s *jsonschema.Schema) {
	topic, _ := s.Properties.Get("topic")
	item, _ := s.Properties.Get("item")
	topic.Ref, item.Ref = refer("Topic").Ref, refer("NewItem").Ref
	named := properties("item", &jsonschema.Schema{Required: []string{"id"}, Properties: properties("id", &jsonschema.Schema{Type: "string", MinLength: size(1)}).Properties})
	s.AllOf = []*jsonschema.Schema{
		{AnyOf: []*jsonschema.Schema{properties("key", &jsonschema.Schema{Enum: []any{"", nil}}), named}},
		{AnyOf: []*jsonschema.Schema{properties("op", &jsonschema.Schema{Enum: []any{"", nil}}), named}},
	}
}

// requestBodies is what else holds for bodies that clients send over HTTP.
func requestBodies(all jsonschema.Definitions) {
	for name, optional := range map[string][]string{
		"PublishedItem": {"id", "expiresAt"}, "PublishRequest": {"id", "expiresAt"},
		"DestinationRequest": {"filter", "fields", "format", "batch"}, "ReplayRequest": {"topic", "after", "from"},
	} {
		for _, member := range optional {
			property, _ := all[name].Properties.Get(member)
			all[name].Properties.Set(member, orNone(property))
		}
		all[name].AdditionalProperties = jsonschema.FalseSchema // misspelt members are refused
	}
	for _, name := range []string{"PublishedItem", "PublishRequest"} {
		all[name].Properties.Delete("large")
	}
	none := &jsonschema.Schema{Type: "null"}
	several := properties("id", none)
	several.Properties.Set("data", jsonschema.FalseSchema)
	several.Properties.Set("expiresAt", none)
	all["PublishRequest"].AnyOf = []*jsonschema.Schema{properties("items", jsonschema.FalseSchema), several}

	nothing := &jsonschema.Schema{Enum: []any{nil, ""}}
	given := &jsonschema.Schema{Type: "string", MinLength: size(1)}
	for _, names := range [][2]string{{"after", "from"}, {"from", "after"}} {
		one := properties(names[0], given)
		one.Properties.Set(names[1], nothing)
		one.Required = names[:1]
		all["ReplayRequest"].OneOf = append(all["ReplayRequest"].OneOf, one)
	}
}

// properties says something of one member, if it is there.
func properties(name string, of *jsonschema.Schema) *jsonschema.Schema {
	s := &jsonschema.Schema{Properties: jsonschema.NewProperties()}
	s.Properties.Set(name, of)
	return s
}

func requestNames() (names []string) {
	for _, a := range actions {
		names = append(names, a.name)
	}
	return names
}
