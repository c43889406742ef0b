package template

import (
	"fmt"
	"strconv"
	"strings"
)

// place is where in a template a value stands, for errors: the logical ID and
// the path from there, such as "Connect.Properties.Code.S3Key". It is put
// together only when an error needs it.
type place struct {
	parent *place
	step   string
}

func in(step string) place { return place{step: step} }

func (p place) key(name string) place {
	if strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) {
		name = strconv.Quote(name)
	}
	return place{parent: &p, step: "." + name}
}

func (p place) index(i int) place {
	return place{parent: &p, step: "[" + strconv.Itoa(i) + "]"}
}

// String is the path from the logical ID on.
func (p place) String() string {
	path := p.step
	for up := p.parent; up != nil; up = up.parent {
		path = up.step + path
	}
	return path
}

func (p place) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %s", p, fmt.Sprintf(format, args...))
}
