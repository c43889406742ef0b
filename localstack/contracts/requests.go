package main

import (
	"fmt"

	"github.com/invopop/jsonschema"
	"github.com/watchroute/watchroute/events"
)

// asked is a request of a client: which members of events.Request its action takes.
type asked struct {
	name, action, description string
	required, optional        []string
}

// actions are all requests.
var actions = []asked{
	{"Subscribe", events.ActionSubscribe, "Asks for the changes of a topic, or of all topics of a pattern. Answered with subscribed.",
		[]string{"topic"}, []string{"id", "order", "after", "view", "filter", "fields", "delta", "latest", "snapshot", "presence"}},
	{"Unsubscribe", events.ActionUnsubscribe, "Ends a subscription. Answered with unsubscribed.", []string{"topic"}, []string{"id", "order"}},
	{"SnapshotRequest", events.ActionSnapshot, "Asks for the items of a topic, or of all topics of a pattern. Answered with snapshot.",
		[]string{"topic"}, []string{"id", "filter", "fields", "next"}},
	{"Publish", events.ActionPublish, "Puts an item, or removes one. Answered with published.", []string{"topic", "item"}, []string{"id", "order", "op", "key", "expiresAt"}},
	{"Ping", events.ActionPing, "Keeps the connection, and asks what was missed. Answered with pong.", nil, []string{"id", "cursors"}},
	{"Auth", events.ActionAuth, "Gives another token of the same subject. Answered with authorized.", []string{"token"}, []string{"id", "order"}},
}

// requests takes the schema of events.Request apart, into one for each action.
func requests(all jsonschema.Definitions) error {
	whole := all["Request"]
	delete(all, "Request")
	used := map[string]bool{"action": true}
	for _, a := range actions {
		s := &jsonschema.Schema{Type: "object", Description: a.description, Properties: jsonschema.NewProperties(), Required: append([]string{"action"}, a.required...)}
		s.Properties.Set("action", &jsonschema.Schema{Const: a.action, Description: "What is asked for."})
		for _, member := range append(a.required, a.optional...) {
			property, ok := whole.Properties.Get(member)
			if !ok {
				return fmt.Errorf("request %s has no member %s", a.action, member)
			}
			s.Properties.Set(member, property)
			used[member] = true
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

func requestNames() (names []string) {
	for _, a := range actions {
		names = append(names, a.name)
	}
	return names
}
