// Package header is the only place that knows how API Gateway's events give the headers of
// a request: one map has the last line of each name, another has all of them.
package header

import (
	"maps"
	"slices"
	"strings"
)

// Lines gives all lines of a header in their order, whatever the capitals of its name.
// single and multi are an event's headers and multiValueHeaders; one of them may be nil.
func Lines(single map[string]string, multi map[string][]string, name string) []string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(multi)) {
		if strings.EqualFold(key, name) {
			lines = append(lines, multi[key]...)
		}
	}
	if lines != nil {
		return lines
	}
	for _, key := range slices.Sorted(maps.Keys(single)) {
		if strings.EqualFold(key, name) {
			lines = append(lines, single[key])
		}
	}
	return lines
}

// List gives the elements of a header whose lines are lists, separated by commas: several
// lines are one list (RFC 9110, section 5.3). Spaces around an element are not part of it.
func List(single map[string]string, multi map[string][]string, name string) []string {
	var elements []string
	for _, line := range Lines(single, multi, name) {
		for element := range strings.SplitSeq(line, ",") {
			elements = append(elements, strings.TrimSpace(element))
		}
	}
	return elements
}
