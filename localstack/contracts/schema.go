package main

import (
	"encoding/json"
	"maps"
	"reflect"

	"github.com/invopop/jsonschema"
	"github.com/watchroute/watchroute/events"
)

// frames are what the service sends over a WebSocket.
var frames = []events.Frame{
	&events.Subscribed{}, &events.Unsubscribed{}, &events.Published{}, &events.Pong{}, &events.Snapshot{}, &events.Changes{},
	&events.Reset{}, &events.Reconnect{}, &events.Authorized{}, &events.Expiring{}, &events.Error{},
}

// bodies are what HTTP carries, besides frames.
var bodies = []any{
	events.TopicItems{}, events.ItemsBelow{}, events.StandBelow{}, events.TopicChanges{}, events.Problem{},
	events.PublishRequest{}, events.PublishResults{},
	events.DestinationRequest{}, events.Destination{}, events.Destinations{}, events.ReplayRequest{},
	events.Test{}, events.DestinationTest{}, events.DestinationNotice{},
	events.Member{}, events.MemberCount{},
}

// wireSchema makes the JSON Schema of everything on the wire, of the Go types, their comments and their
// limits.
func wireSchema(c comments) (*jsonschema.Schema, error) {
	r := reflector(c)
	all := jsonschema.Definitions{}
	for _, f := range frames {
		r.add(all, f)
		typed(all[frameName(f)], events.TypeOf(f))
	}
	for _, b := range bodies {
		r.add(all, b)
	}
	r.add(all, events.Request{})
	maps.Copy(all, texts())
	if err := bound(all); err != nil {
		return nil, err
	}
	if err := requests(all); err != nil {
		return nil, err
	}
	requestBodies(all)
	all["Item"].Required = []string{"id"} // which a client may leave out, see NewItem
	all["PublishResult"].AnyOf = []*jsonschema.Schema{{Required: []string{"id", "mark"}}, {Required: []string{"error"}}}
	maps.Copy(all, others(all))
	for _, s := range all {
		if s.Properties != nil {
			aloneRefs(s)
		}
	}
	all["ServerFrame"], all["ClientFrame"] = either(frameNames(), "A frame that the service sends. A service of a later version may send others, which clients ignore."), either(requestNames(), "A frame that a client sends.")
	all["ServerFrame"].Extras = mayGrow()
	return &jsonschema.Schema{
		Version: jsonschema.Version, ID: events.SchemaID, Title: "Watchroute",
		Description: "Everything that Watchroute sends and takes, as JSON. Made of the Go package events by make contracts; do not edit.",
		Definitions: all,
	}, nil
}

// typeReflector makes schemas of types, and keeps what they refer to.
type typeReflector struct{ jsonschema.Reflector }

// add adds the schema of a value's type, and of the types that it has.
func (r *typeReflector) add(all jsonschema.Definitions, value any) {
	for name, s := range r.Reflect(value).Definitions {
		all[name] = s
	}
}

// reflector describes types and their members by their comments.
func reflector(c comments) *typeReflector {
	described := func(t reflect.Type, field string) string {
		key := t.PkgPath() + "." + t.Name()
		if field == "" {
			return prose(unnamed(t.Name(), c.types[key]), t)
		}
		return prose(about(wireNames(t)[field], unnamed(field, c.types[key+"."+field])), t)
	}
	return &typeReflector{jsonschema.Reflector{AllowAdditionalProperties: true, Mapper: mapped, LookupComment: described}}
}

// mapped are the types whose JSON is not that of their Go kind.
func mapped(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[events.Time]():
		return refer("Time")
	case reflect.TypeFor[events.Topic]():
		return refer("Topic")
	case reflect.TypeFor[events.Code]():
		return refer("Code")
	case reflect.TypeFor[events.Op]():
		return refer("Op")
	case reflect.TypeFor[events.ResetReason]():
		return refer("ResetReason")
	case reflect.TypeFor[json.RawMessage]():
		return &jsonschema.Schema{Type: "object"} // data, a patch or a filter
	}
	return nil
}

func refer(name string) *jsonschema.Schema { return &jsonschema.Schema{Ref: "#/$defs/" + name} }

// typed gives a frame the member that tells it from others.
func typed(s *jsonschema.Schema, kind string) {
	first := jsonschema.NewProperties()
	first.Set("type", &jsonschema.Schema{Type: "string", Const: kind, Description: "Tells this frame from others."})
	for at := s.Properties.Oldest(); at != nil; at = at.Next() {
		first.Set(at.Key, at.Value)
	}
	s.Properties, s.Required = first, append([]string{"type"}, s.Required...)
}

// aloneRefs gives members that refer to a type, and say more, the form that JSON Schema has known since
// draft 4: AsyncAPI's and OpenAPI's tools ignore what stands beside a $ref.
func aloneRefs(s *jsonschema.Schema) {
	for at := s.Properties.Oldest(); at != nil; at = at.Next() {
		if property := at.Value; property.Ref != "" && property.Description != "" {
			property.AllOf, property.Ref = []*jsonschema.Schema{{Ref: property.Ref}}, ""
		}
	}
}

// either is one of several types.
func either(names []string, description string) *jsonschema.Schema {
	s := &jsonschema.Schema{Description: description}
	for _, name := range names {
		s.OneOf = append(s.OneOf, refer(name))
	}
	return s
}

func frameNames() (names []string) {
	for _, f := range frames {
		names = append(names, frameName(f))
	}
	return names
}

// frameName is the name of a frame's type.
func frameName(f events.Frame) string { return reflect.TypeOf(f).Elem().Name() }
