package main

import (
	"reflect"
	"regexp"
	"strings"

	"github.com/watchroute/watchroute/events"
)

var (
	link    = regexp.MustCompile(`\[([A-Za-z]+)(?:\.([A-Za-z]+))?\]`)
	word    = regexp.MustCompile(`\b[A-Z][A-Za-z]*\b`)
	wrapped = regexp.MustCompile(`([^\n])\n([^\n\s])`)
)

// prose makes text for readers of a contract out of a Go comment on a type or a field of it: Go's names
// become those of the wire, the names of limits their values, and lines that belong together are one.
func prose(comment string, t reflect.Type) string {
	names := wireNames(t)
	text := word.ReplaceAllStringFunc(unlinked(comment), func(found string) string {
		if name, ok := names[found]; ok {
			return code(name)
		}
		return found
	})
	return sentence(wrapped.ReplaceAllString(text, "$1 $2"))
}

// fragment is how a comment begins that goes on from the name of its field.
var fragment = regexp.MustCompile(`^(by|in|of|or|that|to|up|whose) `)

var hump = regexp.MustCompile(`[A-Z]`)

// about makes such a comment a sentence about the member, as readers of a contract see it apart from the name.
func about(member, comment string) string {
	if !fragment.MatchString(comment) {
		return comment
	}
	name := hump.ReplaceAllStringFunc(member, func(capital string) string { return " " + strings.ToLower(capital) })
	return "the " + name + " " + comment
}

// unnamed leaves out that the comment is of the name: a contract says it under the name.
func unnamed(name, comment string) string {
	return strings.TrimPrefix(strings.TrimPrefix(comment, name+" is "), name+" are ")
}

// unlinked puts names and values in place of links.
func unlinked(comment string) string {
	return link.ReplaceAllStringFunc(comment, func(found string) string {
		parts := link.FindStringSubmatch(found)
		switch value, ok := limits[parts[1]]; {
		case ok:
			return value
		case parts[2] != "":
			return code(strings.ToLower(parts[2][:1]) + parts[2][1:])
		}
		return parts[1]
	})
}

// sentence makes the words at the end of a line of code a sentence.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	if first := text[:1]; first >= "a" && first <= "z" && !strings.HasPrefix(text, "https") {
		text = strings.ToUpper(first) + text[1:]
	}
	if !strings.ContainsAny(text[len(text)-1:], ".)") {
		text += "."
	}
	return text
}

func code(name string) string { return "`" + name + "`" }

// wireNames are what the wire calls the fields of a type, the frames, and what can happen to an item.
func wireNames(t reflect.Type) map[string]string {
	names := map[string]string{}
	for _, op := range []events.Op{events.Added, events.Modified, events.Removed, events.Skipped} {
		names[strings.ToUpper(string(op[:1]))+string(op[1:])] = string(op)
	}
	for _, f := range frames {
		names[reflect.TypeOf(f).Elem().Name()] = events.TypeOf(f)
	}
	if t.Kind() != reflect.Struct {
		return names
	}
	for _, field := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			names[field.Name] = name
		}
	}
	return names
}
