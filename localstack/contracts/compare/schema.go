package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// node is a schema: a JSON object or a boolean, and the document that its references lead into.
type node struct {
	schema any
	in     *contracts
}

// facts is what one alternative of a schema says about a value. A schema without anyOf and oneOf has one
// alternative, others have one for each combination of their branches.
type facts struct {
	types    []string           // what it may be; nil is anything
	values   []any              // of const and enum; nil is any
	bounds   map[string]float64 // the tightest of minimum, maxLength and so on, and of x-limits
	same     map[string][]any   // keywords that are only compared, such as pattern
	members  map[string][]any   // schemas of members, all of which hold
	required []string
	inner    map[string][]any // schemas of items, propertyNames, additionalProperties
	not      []any
}

// kinds are the types of JSON that keywords say something of.
var kinds = map[string][]string{
	"minimum": {"number", "integer"}, "maximum": {"number", "integer"}, "exclusiveMinimum": {"number", "integer"}, "exclusiveMaximum": {"number", "integer"}, "multipleOf": {"number", "integer"},
	"minLength": {"string"}, "maxLength": {"string"}, "pattern": {"string"}, "format": {"string"}, "contentMediaType": {"string"}, "contentEncoding": {"string"}, "contentSchema": {"string"},
	"minItems": {"array"}, "maxItems": {"array"}, "uniqueItems": {"array"}, "items": {"array"},
	"minProperties": {"object"}, "maxProperties": {"object"}, "required": {"object"}, "properties": {"object"}, "propertyNames": {"object"}, "additionalProperties": {"object"},
}

// forPeople are keywords that do not change what is allowed.
var forPeople = []string{"description", "title", "examples", "example", "default", "$schema", "$id", "$defs", "$comment", "x-may-grow", "deprecated"}

// alternatives are the ways in which a value may be as the schema says.
func (n node) alternatives() []facts { return n.narrow([]facts{{}}) }

// narrow adds what a schema says to each of several facts.
func (n node) narrow(all []facts) []facts {
	keywords, is := n.schema.(map[string]any)
	if !is {
		if n.schema == false {
			return nil
		}
		return all
	}
	var narrowed []facts
	for _, f := range all {
		if f, possible := f.with(keywords); possible {
			narrowed = append(narrowed, f)
		}
	}
	if to, refers := keywords["$ref"].(string); refers {
		narrowed = n.in.resolve(to).narrow(narrowed)
	}
	for _, part := range list(keywords["allOf"]) {
		narrowed = node{part, n.in}.narrow(narrowed)
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		branches, has := keywords[keyword]
		if !has {
			continue
		}
		var either []facts
		for _, branch := range list(branches) {
			either = append(either, node{branch, n.in}.narrow(narrowed)...)
		}
		narrowed = either
	}
	return narrowed
}

// with adds what keywords say, but for those that combine schemas. It reports whether a value is left.
func (f facts) with(keywords map[string]any) (facts, bool) {
	f.bounds, f.same, f.members, f.inner = cloned(f.bounds), cloned(f.same), cloned(f.members), cloned(f.inner)
	f.required, f.not = slices.Clone(f.required), slices.Clone(f.not)
	for keyword, value := range keywords {
		switch keyword {
		case "$ref", "allOf", "anyOf", "oneOf":
		case "type":
			f.types = both(f.types, texts(value), includes)
		case "const":
			f.values = both(f.values, []any{value}, equal)
		case "enum":
			f.values = both(f.values, list(value), equal)
		case "required":
			f.required = append(f.required, texts(value)...)
		case "properties":
			for name, member := range value.(map[string]any) {
				f.members[name] = append(slices.Clone(f.members[name]), member)
			}
		case "items", "propertyNames", "additionalProperties", "contentSchema":
			f.inner[keyword] = append(slices.Clone(f.inner[keyword]), value)
		case "not":
			f.not = append(f.not, value)
		case "x-limits":
			for name, limit := range value.(map[string]any) {
				f.bound("maximum of "+name, limit.(float64))
			}
		default:
			if number, is := value.(float64); is && (strings.HasPrefix(keyword, "m") || strings.HasPrefix(keyword, "exclusive")) && keyword != "multipleOf" {
				f.bound(keyword, number)
			} else if !slices.Contains(forPeople, keyword) {
				f.same[keyword] = append(slices.Clone(f.same[keyword]), value)
			}
		}
	}
	if f.values != nil && f.types != nil {
		f.values = slices.DeleteFunc(slices.Clone(f.values), func(v any) bool {
			return !slices.ContainsFunc(f.types, func(t string) bool { return includes(t, typeOf(v)) })
		})
	}
	return f, (f.types == nil || len(f.types) > 0) && (f.values == nil || len(f.values) > 0)
}

func (f *facts) bound(keyword string, to float64) {
	if was, has := f.bounds[keyword]; has && tighter(keyword, was, to) {
		return
	}
	f.bounds[keyword] = to
}

// tighter reports whether a bound allows no more than another.
func tighter(keyword string, a, b float64) bool {
	if strings.HasPrefix(keyword, "min") || keyword == "exclusiveMinimum" {
		return a >= b
	}
	return a <= b
}

// comparison looks at one thing that clients and service exchange.
type comparison struct {
	asked bool // by clients: what was taken is still taken. Else nothing else is sent than before.
	found []string
	depth int
}

// compare finds what clients of the released schema cannot do or expect any more.
func compare(released, present node, asked bool, at string) []string {
	c := &comparison{asked: asked}
	c.gone(released, present, at)
	if asked {
		c.within(released, present, at)
	} else {
		c.within(present, released, at)
	}
	slices.Sort(c.found)
	return slices.Compact(c.found)
}

// tell adds what was found. Of a and b, b is the one that has to allow what a allows.
func (c *comparison) tell(at, keyword string, a, b any) {
	if !c.asked {
		a, b = b, a
	}
	c.found = append(c.found, fmt.Sprintf("%s: %s was %s, is %s", at, keyword, brief(a), brief(b)))
}

// within finds what a allows and b does not.
func (c *comparison) within(a, b node, at string) {
	if c.depth++; c.depth > 60 {
		panic("a schema contains itself: " + at)
	}
	defer func() { c.depth-- }()
	for _, f := range a.alternatives() {
		c.each(f, a.in, b, at)
	}
}

// try finds what an alternative allows and b does not, without telling it.
func (c *comparison) try(f facts, in *contracts, b node, at string) []string {
	inner := &comparison{asked: c.asked, depth: c.depth}
	inner.each(f, in, b, at)
	return inner.found
}

// each looks at each keyword of b: whether an alternative of a, whose document is in, keeps to it.
func (c *comparison) each(f facts, in *contracts, b node, at string) {
	keywords, is := b.schema.(map[string]any)
	if !is {
		if b.schema == false {
			c.tell(at, "what is allowed", "something", "nothing")
		}
		return
	}
	grows := !c.asked && keywords["x-may-grow"] == true
	for keyword, want := range keywords {
		if of, limited := kinds[keyword]; limited && !f.mayBe(of) {
			continue
		}
		switch keyword {
		case "$ref":
			c.each(f, in, b.in.resolve(want.(string)), at)
		case "allOf":
			for _, part := range list(want) {
				c.each(f, in, node{part, b.in}, at)
			}
		case "anyOf", "oneOf":
			if !grows {
				c.branch(f, in, list(want), b.in, at)
			}
		case "type":
			c.types(f, texts(want), at)
		case "const", "enum":
			if !grows {
				c.values(f, keywords, keyword, at)
			}
		case "required":
			for _, name := range texts(want) {
				if !slices.Contains(f.required, name) {
					c.tell(at+"."+name, "it", "optional", "required")
				}
			}
		case "properties":
			for name, member := range want.(map[string]any) {
				if of, named := f.members[name]; named { // what has no name yet nobody sends
					c.within(node{map[string]any{"allOf": of}, in}, node{member, b.in}, at+"."+name)
				}
			}
		case "items", "propertyNames", "contentSchema":
			c.within(node{map[string]any{"allOf": f.inner[keyword]}, in}, node{want, b.in}, at+inside[keyword])
		case "additionalProperties":
			c.others(f, in, node{want, b.in}, at)
		case "not":
			c.excluded(f, in, node{want, b.in}, at)
		case "x-limits":
			for name, limit := range want.(map[string]any) {
				c.bound(f, "maximum of "+name, limit.(float64), at)
			}
		default:
			if number, is := want.(float64); is && kinds[keyword] != nil && keyword != "multipleOf" {
				c.bound(f, keyword, number, at)
			} else if !slices.Contains(forPeople, keyword) {
				c.unchanged(f, keyword, want, at)
			}
		}
	}
}

var inside = map[string]string{"items": "[]", "propertyNames": " names", "contentSchema": " content"}

// branch tells of the branch that is nearest, if an alternative keeps to none.
func (c *comparison) branch(f facts, in *contracts, branches []any, of *contracts, at string) {
	var nearest []string
	for i, branch := range branches {
		found := c.try(f, in, node{branch, of}, at)
		if len(found) == 0 {
			return
		}
		if i == 0 || farness(found) < farness(nearest) {
			nearest = found
		}
	}
	c.found = append(c.found, nearest...)
}

// farness orders branches that do not fit: one of another type is the farthest.
func farness(found []string) (far int) {
	for _, f := range found {
		if far++; strings.Contains(f, ": its type was ") {
			far += 100
		}
	}
	return far
}

func (c *comparison) types(f facts, want []string, at string) {
	if f.values != nil {
		for _, v := range f.values {
			if !slices.ContainsFunc(want, func(t string) bool { return includes(t, typeOf(v)) }) {
				c.tell(at, "its type", typeOf(v), want)
			}
		}
		return
	}
	if f.types == nil {
		c.tell(at, "its type", "any", want)
	}
	for _, t := range f.types {
		if !slices.ContainsFunc(want, func(w string) bool { return includes(w, t) }) {
			c.tell(at, "its type", f.types, want)
			return
		}
	}
}

func (c *comparison) values(f facts, keywords map[string]any, keyword, at string) {
	want := list(keywords[keyword])
	if keyword == "const" {
		want = []any{keywords[keyword]}
	}
	if f.values == nil {
		c.tell(at, "its values", "any", want)
		return
	}
	for _, v := range f.values {
		if !slices.ContainsFunc(want, func(w any) bool { return equal(v, w) }) {
			c.tell(at, "its values", f.values, want)
			return
		}
	}
}

func (c *comparison) bound(f facts, keyword string, want float64, at string) {
	if f.values != nil && !slices.ContainsFunc(f.values, func(v any) bool { return !keeps(v, keyword, want) }) {
		return
	}
	if have, has := f.bounds[keyword]; !has || !tighter(keyword, have, want) {
		if has {
			c.tell(at, keyword, have, want)
		} else {
			c.tell(at, keyword, "none", want)
		}
	}
}

// keeps reports whether a value keeps to a bound. It knows numbers and texts, which const and enum have.
func keeps(v any, keyword string, bound float64) bool {
	switch v := v.(type) {
	case float64:
		return !strings.HasSuffix(keyword, "imum") || tighter(keyword, v, bound) && (!strings.HasPrefix(keyword, "exclusive") || v != bound)
	case string:
		if keyword == "maximum of bytes" {
			return float64(len(v)) <= bound
		}
		return !strings.HasSuffix(keyword, "Length") || tighter(keyword, float64(utf8.RuneCountInString(v)), bound)
	}
	return true
}

// unchanged is for keywords of which it is not known what allows more: they have to stay.
func (c *comparison) unchanged(f facts, keyword string, want any, at string) {
	if pattern, is := want.(string); is && keyword == "pattern" && f.values != nil {
		if re, err := regexp.Compile(pattern); err == nil && !slices.ContainsFunc(f.values, func(v any) bool { s, is := v.(string); return is && !re.MatchString(s) }) {
			return
		}
	}
	if !slices.ContainsFunc(f.same[keyword], func(v any) bool { return equal(v, want) }) {
		c.tell(at, keyword, f.same[keyword], want)
	}
}

// others looks at members without a name.
func (c *comparison) others(f facts, in *contracts, want node, at string) {
	if want.schema == true {
		return
	}
	if have, has := f.inner["additionalProperties"]; has {
		c.within(node{map[string]any{"allOf": have}, in}, want, at+".*")
		return
	}
	c.tell(at, "other members", "allowed", "not all allowed")
}

// excluded looks at what b excludes: a has to exclude it too.
func (c *comparison) excluded(f facts, in *contracts, want node, at string) {
	for _, not := range f.not {
		inner := &comparison{asked: c.asked, depth: c.depth}
		if inner.within(want, node{not, in}, at); len(inner.found) == 0 {
			return
		}
	}
	c.tell(at, "what is excluded", f.not, want.schema)
}

// gone finds members and values that have a name in the released schema, and none any more.
func (c *comparison) gone(released, present node, at string) {
	if c.depth++; c.depth > 60 {
		panic("a schema contains itself: " + at)
	}
	defer func() { c.depth-- }()
	was, is := released.named(), present.named()
	for name, schemas := range was {
		if is[name] == nil {
			c.found = append(c.found, at+name+" is gone")
			continue
		}
		before, now := node{map[string]any{"anyOf": schemas}, released.in}, node{map[string]any{"anyOf": is[name]}, present.in}
		for _, v := range before.values() {
			if all := now.values(); all != nil && !slices.ContainsFunc(all, func(w any) bool { return equal(v, w) }) {
				c.found = append(c.found, fmt.Sprintf("%s: the value %s is gone", at+name, brief(v)))
			}
		}
		c.gone(before, now, at+name)
	}
}

// named are the schemas below a schema: of its members, and of its items, by how a path goes on there.
func (n node) named() map[string][]any {
	all := map[string][]any{}
	add := func(name string, schemas []any) {
		for _, s := range schemas {
			if s != false && !slices.ContainsFunc(all[name], func(other any) bool { return equal(s, other) }) {
				all[name] = append(all[name], s)
			}
		}
	}
	for _, f := range n.alternatives() {
		for name, schemas := range f.members {
			if len(node{map[string]any{"allOf": schemas}, n.in}.alternatives()) > 0 {
				add("."+name, schemas)
			}
		}
		if f.mayBe([]string{"array"}) {
			add("[]", f.inner["items"])
		}
		if f.mayBe([]string{"string"}) {
			add(" content", f.inner["contentSchema"])
		}
	}
	return all
}

// values are all that a schema lets something be; nil is any.
func (n node) values() (all []any) {
	for _, f := range n.alternatives() {
		if f.values == nil {
			return nil
		}
		all = append(all, f.values...)
	}
	return all
}

// mayBe reports whether a value of one of the types is possible.
func (f facts) mayBe(types []string) bool {
	may := func(t string) bool { return slices.Contains(types, t) }
	if f.values != nil {
		return slices.ContainsFunc(f.values, func(v any) bool { return may(typeOf(v)) || typeOf(v) == "integer" && may("number") })
	}
	return f.types == nil || slices.ContainsFunc(f.types, may)
}

// includes reports whether all values of type b are of type a.
func includes(a, b string) bool { return a == b || a == "number" && b == "integer" }

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	}
	return "object"
}

// both is what two lists allow; nil allows everything.
func both[T any](a, b []T, same func(a, b T) bool) []T {
	if a == nil {
		return b
	}
	shared := []T{}
	for _, x := range a {
		for _, y := range b {
			switch {
			case same(x, y):
				shared = append(shared, y)
			case same(y, x):
				shared = append(shared, x)
			}
		}
	}
	return shared
}

func equal(a, b any) bool { return brief(a) == brief(b) }

func list(v any) []any { l, _ := v.([]any); return l }

func texts(v any) (all []string) {
	if one, is := v.(string); is {
		return []string{one}
	}
	for _, t := range list(v) {
		all = append(all, t.(string))
	}
	return all
}

func cloned[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

func brief(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
