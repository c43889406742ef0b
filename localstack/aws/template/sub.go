package template

import (
	"strings"
)

// piece is a part of the text of Fn::Sub: literal text, or the name in a ${…}.
type piece struct {
	literal string
	name    string // "" for literal text
}

// subArguments reads both forms of Fn::Sub: a text, or a text and its variables.
func subArguments(argument any, at location) (text string, variables map[string]any, err error) {
	if text, ok := argument.(string); ok {
		return text, nil, nil
	}
	list, err := arguments(argument, 2, at)
	if err != nil {
		return "", nil, err
	}
	text, isText := list[0].(string)
	variables, isMap := list[1].(map[string]any)
	if !isText || !isMap {
		return "", nil, at.errorf("is neither a text nor a text and a map of variables")
	}
	return text, variables, nil
}

// splitSub cuts a text at its ${…}. ${!Name} is the literal text ${Name}.
func splitSub(text string, at location) ([]piece, error) {
	var pieces []piece
	for {
		before, rest, found := strings.Cut(text, "${")
		if before != "" {
			pieces = append(pieces, piece{literal: before})
		}
		if !found {
			return pieces, nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, at.errorf("${ without }")
		}
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			pieces = append(pieces, piece{literal: "${" + literal + "}"})
		} else if name = strings.TrimSpace(name); name != "" {
			pieces = append(pieces, piece{name: name})
		} else {
			return nil, at.errorf("${} names nothing")
		}
		text = after
	}
}

func (r *resolver) callSub(argument any, at location) (any, error) {
	text, variables, err := subArguments(argument, at)
	if err != nil {
		return nil, err
	}
	pieces, err := splitSub(text, at)
	if err != nil {
		return nil, err
	}
	own, err := r.object(variables, at)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	for _, piece := range pieces {
		text, err := r.substitute(piece, own, at)
		if err != nil {
			return nil, err
		}
		if err := r.spend(len(text), at); err != nil {
			return nil, err
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

// substitute gives a piece its text: its own variables come first, then
// resources' attributes and references.
func (r *resolver) substitute(p piece, own map[string]any, at location) (string, error) {
	if p.name == "" {
		return p.literal, nil
	}
	value, ok := own[p.name]
	if !ok {
		var err error
		if value, err = r.named(p.name, at); err != nil {
			return "", err
		}
	}
	text, ok := scalar(value)
	if !ok {
		return "", at.errorf("${%s} is not a string", p.name)
	}
	return text, nil
}

// named is what ${Name} or ${Name.Attribute} stands for.
func (r *resolver) named(name string, at location) (any, error) {
	if id, attribute, ok := strings.Cut(name, "."); ok {
		return r.attribute(id, attribute, at)
	}
	return r.ref(name, at)
}
