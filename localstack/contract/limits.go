package contract

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limit is how much of something a member of a type may have.
type Limit struct {
	Path []string // to the member; [] is any element of a list, * any member
	Kind string   // the keyword of JSON Schema, or what x-limits names: bytes, depth and conditions
	Most int
	of   string // the member's type
}

// counted are the keywords that a limit is of.
var counted = []string{"maxLength", "maxItems", "maxProperties", "maximum"}

// Limits finds all limits of a type in the schema, so that a test can try each.
func (c *Checker) Limits(name string) (all []Limit) {
	c.limits(c.document[name], nil, &all)
	slices.SortFunc(all, func(a, b Limit) int { return cmp.Compare(a.String(), b.String()) })
	return slices.CompactFunc(all, func(a, b Limit) bool { return a.String() == b.String() })
}

func (c *Checker) limits(schema any, path []string, all *[]Limit) {
	keywords, _ := schema.(map[string]any)
	of, _ := keywords["type"].(string)
	add := func(kind string, most any) {
		if n, err := most.(json.Number).Int64(); err == nil {
			*all = append(*all, Limit{path, kind, int(n), of})
		}
	}
	for _, kind := range counted {
		if keywords[kind] != nil {
			add(kind, keywords[kind])
		}
	}
	beyond, _ := keywords["x-limits"].(map[string]any)
	for kind, most := range beyond {
		add(kind, most)
	}
	if ref, is := keywords["$ref"].(string); is {
		c.limits(c.document[ref[strings.LastIndex(ref, "/")+1:]], path, all)
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		parts, _ := keywords[keyword].([]any)
		for _, part := range parts {
			c.limits(part, path, all)
		}
	}
	members, _ := keywords["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		c.limits(members[name], append(slices.Clone(path), name), all)
	}
	if keywords["additionalProperties"] != nil {
		c.limits(keywords["additionalProperties"], append(slices.Clone(path), "*"), all)
	}
	if keywords["items"] != nil {
		c.limits(keywords["items"], append(slices.Clone(path), "[]"), all)
	}
}

// String names the limit.
func (l Limit) String() string {
	return fmt.Sprintf("%s %s %d", strings.Join(l.Path, "."), l.Kind, l.Most)
}

// In gives an object, as JSON, whose member has so much of what is limited.
func (l Limit) In(whole string, n int) (text string, err error) {
	var object map[string]any
	if err := json.Unmarshal([]byte(whole), &object); err != nil {
		return "", err
	}
	at := object
	for i, name := range l.Path {
		switch {
		case i == len(l.Path)-1:
			at[name] = l.value(n)
		case l.Path[i+1] == "[]" && i+2 == len(l.Path): // a list of texts
			at[name] = []any{l.value(n)}
			return marshalled(object)
		case l.Path[i+1] == "[]":
			element := map[string]any{"data": map[string]any{}}
			at[name], at = []any{element}, element
		case name != "[]":
			inner, is := at[name].(map[string]any)
			if !is {
				inner = map[string]any{}
				at[name] = inner
			}
			at = inner
		}
	}
	return marshalled(object)
}

func marshalled(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// value has so much of what is limited, and is otherwise what such a member may be.
func (l Limit) value(n int) any {
	last := l.Path[len(l.Path)-1]
	switch of := l.of + " " + l.Kind; {
	case l.Kind == "maximum":
		return n
	case last == "url":
		const begin = "https://example.com/"
		return begin + strings.Repeat("x", n-len(begin))
	case of == "string maxLength":
		return strings.Repeat("x", n)
	case of == "string bytes": // in few characters
		return strings.Repeat("ä", n/2) + strings.Repeat("x", n%2)
	case of == "object bytes":
		return map[string]any{"a": []any{strings.Repeat("x", n-len(`{"a":[""]}`))}}
	case of == "array bytes":
		return textsOf(n)
	case l.Kind == "conditions": // the member counts as one
		return map[string]any{"a": repeated(n-1, func(i int) any { return map[string]any{"prefix": fmt.Sprint(i)} })}
	case l.Kind == "depth":
		return nested(n)
	case l.Kind == "maxProperties":
		cursors := map[string]any{}
		for i := range n {
			cursors[fmt.Sprintf("t%d", i)] = ":0"
		}
		return cursors
	case l.Kind == "maxItems" && last == "items":
		return repeated(n, func(i int) any { return map[string]any{"id": fmt.Sprint("i", i), "data": map[string]any{}} })
	}
	return repeated(n, func(i int) any { return fmt.Sprint("m", i) })
}

func repeated(n int, one func(i int) any) []any {
	all := make([]any, n)
	for i := range all {
		all[i] = one(i)
	}
	return all
}

// textsOf is a list of different texts that is so long as JSON.
func textsOf(n int) (all []any) {
	left := n - len(`[]`)
	for i := 0; left > 0; i++ {
		size := min(left, 203) // with quotes and a comma
		if rest := left - size; rest > 0 && rest < 10 {
			size -= 10
		}
		left -= size
		size -= len(`"",`)
		if left == 0 {
			size++ // no comma comes after the last
		}
		all = append(all, fmt.Sprintf("%0*d", size, i))
	}
	return all
}

// nested is an object of so many levels, the last of which is a list.
func nested(levels int) any {
	value := any([]any{1})
	for range levels - 1 {
		value = map[string]any{"a": value}
	}
	return value
}
