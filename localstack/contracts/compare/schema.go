package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

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
