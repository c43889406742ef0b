package expression

import "github.com/watchroute/watchroute/localstack/aws/dynamodb/item"

// Projection is a ProjectionExpression.
type Projection struct {
	tree       tree
	attributes []string
}

// Projection parses a projection.
func (s *Scope) Projection(text string) (*Projection, error) {
	p, err := s.open(projectionGrammar, "ProjectionExpression", text)
	if err != nil {
		return nil, err
	}
	projection := &Projection{}
	p.insert(&projection.tree, p.path())
	for p.symbol(",") {
		p.insert(&projection.tree, p.path())
	}
	projection.attributes = p.attributes
	if err := p.end(); err != nil {
		return nil, err
	}
	return projection, nil
}

// insert adds a path to those that must not lead into each other.
func (p *parser) insert(t *tree, to path) {
	if p.syntax != nil {
		return
	}
	other, err := t.insert(to)
	if err != nil {
		p.faults.add(unusablePath, "Two document paths %s with each other; must remove or rewrite one of these paths; "+
			"path one: %s, path two: %s", err, other, to)
	}
}

// Apply gives what the projection's paths lead to. Elements of a List keep their
// order and close up; a path that leads nowhere gives nothing. The item given
// shares its values with it.
func (p *Projection) Apply(it item.Item) item.Item { return p.tree.project(it) }

// Attributes are the top-level attributes that the projection looks at.
func (p *Projection) Attributes() []string { return p.attributes }
