package main

import (
	"encoding/json"
	"fmt"

	"github.com/invopop/jsonschema"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// others are the types that no Go type of package events has.
func others(all jsonschema.Definitions) jsonschema.Definitions {
	return jsonschema.Definitions{
		"GatewayError": gatewayError(),
		"Challenge": shape("The first message to a webhook. It is answered with the text, or with a ChallengeAnswer.", 2,
			named{"type", &jsonschema.Schema{Const: "challenge", Description: "Tells it from frames."}},
			named{"challenge", &jsonschema.Schema{Type: "string", Examples: []any{"h2r6m4q1x8"}, Description: "A random text, to be repeated."}}),
		"ChallengeAnswer":   shape("Repeats a Challenge.", 1, named{"challenge", &jsonschema.Schema{Type: "string", Description: "The text of the challenge."}}),
		"DestinationChange": destinationChange(all["DestinationRequest"]),
		"CloudEvent":        cloudEvent(),
		"Claim":             claim(),
		"Rule":              rule(),
		"Mask":              mask(),
	}
}

// named is a member of an object.
type named struct {
	name string
	of   *jsonschema.Schema
}

// shape is an object. The first so many members are required.
func shape(description string, required int, members ...named) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Description: description, Properties: jsonschema.NewProperties()}
	for i, m := range members {
		s.Properties.Set(m.name, m.of)
		if i < required {
			s.Required = append(s.Required, m.name)
		}
	}
	return s
}

func texted(description string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Description: description}
}

func described(name, description string) *jsonschema.Schema {
	return &jsonschema.Schema{Ref: refer(name).Ref, Description: description}
}

// gatewayError is what API Gateway itself answers a message with that did not come through.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-response.html
func gatewayError() *jsonschema.Schema {
	s := shape("What API Gateway itself says when a message or request did not come through, as it was throttled or the function failed. It has no type and no code. The client sends the message again, later each time.", 1,
		named{"message", &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "null"}}, Description: "What is wrong, such as Internal server error or Too Many Requests."}},
		named{"connectionId", texted("API Gateway's name for the connection.")},
		named{"requestId", texted("API Gateway's name for the message.")})
	s.Not = &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), Required: []string{"type"}}
	s.Not.Properties.Set("type", &jsonschema.Schema{})
	return s
}

// destinationChange is the body of PATCH: a merge patch on the settings.
//
// Source: RFC 7396
func destinationChange(of *jsonschema.Schema) *jsonschema.Schema {
	s := shape("The body of PATCH /destinations/{id}: the settings that change. null takes the filter and the fields away, and leaves another setting as it is.", 0)
	for at := of.Properties.Oldest(); at != nil; at = at.Next() {
		switch at.Key {
		case "topic": // is that of the destination for all its life
		case "url":
			s.Properties.Set(at.Key, orNone(at.Value))
		default:
			s.Properties.Set(at.Key, at.Value)
		}
	}
	s.AdditionalProperties = jsonschema.FalseSchema
	return s
}

// cloudEvent is a change as an event.
//
// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
func cloudEvent() *jsonschema.Schema {
	return shape("A change, or a test, as a CloudEvent 1.0 in the JSON format.", 5,
		named{"specversion", &jsonschema.Schema{Const: "1.0", Description: "The version of CloudEvents."}},
		named{"id", texted("topic@epoch:seq: the same whenever the change is sent again.")},
		named{"source", texted("The service.")},
		named{"type", &jsonschema.Schema{Enum: []any{"watchroute.added", "watchroute.modified", "watchroute.removed", "watchroute.test"}, Description: "What happened."}},
		named{"topic", described("TopicOrPattern", "The topic; of a test what the destination watches.")},
		named{"subject", texted("The id of the item.")},
		named{"subjectescaped", &jsonschema.Schema{Type: "boolean", Description: "The subject is percent-encoded, as CloudEvents allow fewer characters than ids have."}},
		named{"sequence", &jsonschema.Schema{Type: "string", Pattern: "^[0-9]{20}$", Description: "The number of the change in its topic, with zeros before it, so that it sorts as text."}},
		named{"time", described("Time", "When the item was written.")},
		named{"datacontenttype", &jsonschema.Schema{Const: "application/json", Description: "The type of the data."}},
		named{"data", &jsonschema.Schema{Type: "object", Description: "The item's whole new state, or its last one if it was removed."}},
		named{"expired", &jsonschema.Schema{Type: "boolean", Description: "The item was removed because its time was over."}},
		named{"large", &jsonschema.Schema{Type: "boolean", Description: "The data is left out because it is too large."}})
}

// claim is what a token's claim watchroute says. Package grant reads it by hand, as it refuses what it
// does not know.
func claim() *jsonschema.Schema {
	s := shape("The claim watchroute of a token: what its client may do.", 2,
		named{"v", &jsonschema.Schema{Const: 1, Description: "The version of the claim."}},
		named{"allow", &jsonschema.Schema{Type: "array", MinItems: size(1), Items: refer("Rule"), Description: "The first rule that names the topic and the action decides. What no rule names is not allowed."}},
		named{"deliverFor", &jsonschema.Schema{Type: "integer", Minimum: seconds(grant.MinDeliverFor.Seconds()), Maximum: seconds(grant.MaxDeliverFor.Seconds()), Default: int(grant.DefaultDeliverFor.Seconds()), Description: "For how many seconds a destination lives that is registered or renewed with the token."}})
	s.AdditionalProperties, s.Extras = jsonschema.FalseSchema, inBytes(grant.MaxBytes)
	return s
}

func seconds(n float64) json.Number { return json.Number(fmt.Sprintf("%.0f", n)) }

func rule() *jsonschema.Schema {
	s := shape("What a token allows, and what is seen of it.", 2,
		named{"topics", &jsonschema.Schema{Type: "array", MinItems: size(1), Items: &jsonschema.Schema{Type: "string"}, Description: "Topics and patterns: * is one segment, ** at the end any number, " + events.SubjectWord + " the token's subject."}},
		named{"actions", &jsonschema.Schema{Type: "array", MinItems: size(1), Items: &jsonschema.Schema{Type: "string", Enum: enum(grant.Actions()...)}, Description: "What is allowed."}},
		named{"filter", &jsonschema.Schema{Type: "object", Description: "An EventBridge event pattern that the item's whole data must have to be seen."}},
		named{"mask", described("Mask", "What is left out or replaced.")})
	s.AdditionalProperties = jsonschema.FalseSchema
	return s
}

// replacement is what a mask shows in place of a value.
func replacement() *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string", Extras: inBytes(grant.MaxReplaceBytes)}, {Type: "number"}, {Type: "boolean"}, {Type: "null"}}}
}

func mask() *jsonschema.Schema {
	s := shape("Members of the data that are hidden.", 0,
		named{"omit", &jsonschema.Schema{Type: "array", MinItems: size(1), Items: &jsonschema.Schema{Type: "string"}, Description: "Paths of members that are left out, such as supplier.iban."}},
		named{"replace", &jsonschema.Schema{Type: "object", MinProperties: size(1), AdditionalProperties: replacement(), Description: "Values for members that are there, by their paths: a text, number, boolean or null."}})
	s.AdditionalProperties, s.MinProperties = jsonschema.FalseSchema, size(1)
	return s
}
