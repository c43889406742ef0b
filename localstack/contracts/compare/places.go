package main

import (
	"maps"
	"slices"
)

// unsaid is what places leaves out: texts for people, and schemas, which have a comparison of their own.
var unsaid = append([]string{"summary", "externalDocs", "tags", "info", "schema", "itemSchema", "payload"}, forPeople...)

// places compares what is around the schemas: where something is, how it is written, what a status, a close
// code or an error means. All that the release said of that has to stay. More may be said.
func places(was, is *contracts) (found []string, err error) {
	for name, documents := range map[string][2]map[string]any{"openapi": {was.openapi, is.openapi}, "asyncapi": {was.asyncapi, is.asyncapi}} {
		found = append(found, stays(documents[0], documents[1], name, false)...)
	}
	return found, nil
}

// stays finds what a document does not say any more. sent says that the service sends what is here.
func stays(was, is any, at string, sent bool) (found []string) {
	switch was := was.(type) {
	case map[string]any:
		now, has := is.(map[string]any)
		if !has {
			return []string{at + " is gone"}
		}
		for _, name := range slices.Sorted(maps.Keys(was)) {
			if slices.Contains(unsaid, name) || name == "required" && !sent { // whether a client has to send it
				continue
			}
			found = append(found, stays(was[name], now[name], at+"."+name, sent || name == "webhooks" || name == "callbacks")...)
		}
		for name := range now {
			if _, had := was[name]; !had && was["in"] != nil && !slices.Contains(unsaid, name) && name != "required" {
				found = append(found, at+"."+name+" is new: a parameter is written in another way")
			}
		}
	case []any:
		now := byIdentity(is)
		for id, of := range byIdentity(was) {
			found = append(found, stays(of, now[id], at+"["+id+"]", sent)...)
		}
	default:
		if !equal(was, is) {
			found = append(found, at+" was "+brief(was)+", is "+brief(is))
		}
	}
	return found
}

// byIdentity gives the values of a list by what tells them apart: parameters by their names, others by all
// that they say.
func byIdentity(of any) map[string]any {
	all := map[string]any{}
	for _, v := range list(of) {
		id := brief(said(v))
		if name := at(v, "name"); name != nil {
			id = brief([]any{at(v, "in"), name})
		}
		all[id] = v
	}
	return all
}

// said is JSON without what is for people.
func said(v any) any {
	object, is := v.(map[string]any)
	if !is {
		return v
	}
	without := map[string]any{}
	for name, value := range object {
		if !slices.Contains(unsaid, name) {
			without[name] = said(value)
		}
	}
	return without
}
