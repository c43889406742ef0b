package template

import (
	"fmt"
	"strconv"
	"strings"
)

// location is where in a template a value stands, for errors: the logical ID and
// the path from there, such as "Connect.Properties.Code.S3Key". It is put
// together only when an error needs it.
type location struct {
	parent *location
	step   string
}

func in(step string) location { return location{step: step} }

func (p location) key(name string) location {
	if strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) {
		name = strconv.Quote(name)
	}
	return location{parent: &p, step: "." + name}
}

func (p location) index(i int) location {
	return location{parent: &p, step: "[" + strconv.Itoa(i) + "]"}
}

// String is the path from the logical ID on.
func (p location) String() string {
	path := p.step
	for up := p.parent; up != nil; up = up.parent {
		path = up.step + path
	}
	return path
}

func (p location) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %s", p, fmt.Sprintf(format, args...))
}
