package template

import (
	"fmt"
	"slices"
	"strings"
)

// order gives the resources that are to be created, each after those it needs,
// and checks on the way that all references lead somewhere.
func (t *Template) order(r *resolver) ([]string, error) {
	g := &graph{template: t, resolver: r, state: map[string]visit{}}
	for _, id := range sorted(t.resources) {
		if err := g.visit(id); err != nil {
			return nil, err
		}
	}
	for _, name := range sorted(t.outputs) {
		if err := g.checkOutput(name); err != nil {
			return nil, err
		}
	}
	return g.order, nil
}

// visit is how far the walk is with a resource.
type visit int

const (
	unseen visit = iota
	open         // on the path from the first resource to the current one
	done
)

// graph is a depth-first walk over the resources along their needs.
type graph struct {
	template *Template
	resolver *resolver
	state    map[string]visit
	path     []string
	order    []string
}

func (g *graph) visit(id string) error {
	written := g.template.resources[id]
	holds, err := g.resolver.holds(written.Condition)
	if err != nil || !holds || g.state[id] == done {
		return err
	}
	if g.state[id] == open {
		return g.cycle(id)
	}
	g.state[id] = open
	g.path = append(g.path, id)
	if err := g.visitNeeds(id, written); err != nil {
		return err
	}
	g.path = g.path[:len(g.path)-1]
	g.state[id] = done
	g.order = append(g.order, id)
	return nil
}

// visitNeeds visits what a resource names in DependsOn, which may be a resource
// that is not created, and what it refers to, which may not.
func (g *graph) visitNeeds(id string, written resource) error {
	for _, other := range written.DependsOn {
		if err := g.visit(other); err != nil {
			return err
		}
	}
	if err := g.references(written.Properties, in(id+".Properties"), g.visit); err != nil {
		return err
	}
	return g.references(written.Metadata, in(id+".Metadata"), g.visit)
}

func (g *graph) cycle(id string) error {
	from := slices.Index(g.path, id)
	return fmt.Errorf("%s: depends on itself: %s", id, strings.Join(append(g.path[from:], id), " -> "))
}

func (g *graph) checkOutput(name string) error {
	written := g.template.outputs[name]
	holds, err := g.resolver.holds(written.Condition)
	if err != nil || !holds {
		return err
	}
	return g.references(written.Value, outputLocation(name), func(string) error { return nil })
}

// references calls found for each resource that value refers to. Of Fn::If only
// the branch that is taken counts.
func (g *graph) references(value any, at location, found func(id string) error) error {
	switch v := value.(type) {
	case []any:
		for i, element := range v {
			if err := g.references(element, at.index(i), found); err != nil {
				return err
			}
		}
	case map[string]any:
		if name, argument, ok := intrinsic(v); ok {
			return g.intrinsicReferences(name, argument, at.key(name), found)
		}
		for _, key := range sorted(v) {
			if err := g.references(v[key], at.key(key), found); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *graph) intrinsicReferences(name string, argument any, at location, found func(id string) error) error {
	switch name {
	case "Ref":
		id, _ := argument.(string)
		return g.reference(id, at, found)
	case "Fn::GetAtt":
		id, attribute, err := attributeOf(argument, at)
		if err != nil {
			return err
		}
		if _, ok := g.template.resources[id]; !ok {
			return at.errorf("no resource %q", id)
		}
		if err := g.reference(id, at, found); err != nil {
			return err
		}
		return g.references(attribute, at, found)
	case "Fn::Sub":
		return g.subReferences(argument, at, found)
	case "Fn::If":
		taken, err := g.resolver.branch(argument, at)
		if err != nil {
			return err
		}
		return g.references(taken, at, found)
	}
	return g.references(argument, at, found)
}

// reference calls found if id is a resource; a parameter is no dependency.
func (g *graph) reference(id string, at location, found func(id string) error) error {
	written, ok := g.template.resources[id]
	if !ok {
		return g.resolver.checkParameter(id, at)
	}
	holds, err := g.resolver.holds(written.Condition)
	if err != nil {
		return err
	}
	if !holds {
		return at.errorf("resource %q is not created: its condition %q is false", id, written.Condition)
	}
	return found(id)
}

// subReferences finds the references in the text of Fn::Sub, apart from its own
// variables, and those in the variables' values.
func (g *graph) subReferences(argument any, at location, found func(id string) error) error {
	text, variables, err := subArguments(argument, at)
	if err != nil {
		return err
	}
	pieces, err := splitSub(text, at)
	if err != nil {
		return err
	}
	for _, piece := range pieces {
		if _, own := variables[piece.name]; own || piece.name == "" {
			continue
		}
		id, _, isAttribute := strings.Cut(piece.name, ".")
		if _, ok := g.template.resources[id]; isAttribute && !ok {
			return at.errorf("no resource %q", id)
		}
		if err := g.reference(id, at, found); err != nil {
			return err
		}
	}
	return g.references(variables, at, found)
}
