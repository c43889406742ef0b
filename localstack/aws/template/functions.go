package template

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// call resolves one intrinsic function.
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
func (r *resolver) call(name string, argument any, at location) (any, error) {
	switch name {
	case "Ref":
		return r.callRef(argument, at)
	case "Fn::GetAtt":
		return r.callGetAtt(argument, at)
	case "Fn::If":
		return r.callIf(argument, at)
	case "Fn::Sub":
		return r.callSub(argument, at)
	case "Fn::Join":
		return r.callJoin(argument, at)
	case "Fn::Split":
		return r.callSplit(argument, at)
	case "Fn::Select":
		return r.callSelect(argument, at)
	case "Fn::FindInMap":
		return r.callFindInMap(argument, at)
	case "Fn::Base64":
		return r.callBase64(argument, at)
	case "Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not":
		return nil, at.errorf("stands outside of Conditions")
	}
	return nil, at.errorf("the function is not supported")
}

// arguments are the elements of a function's argument list of fixed length.
func arguments(argument any, count int, at location) ([]any, error) {
	list, ok := argument.([]any)
	if !ok || len(list) != count {
		return nil, at.errorf("does not have a list of %d arguments", count)
	}
	return list, nil
}

func (r *resolver) callRef(argument any, at location) (any, error) {
	name, ok := argument.(string)
	if !ok {
		return nil, at.errorf("is not a name")
	}
	return r.ref(name, at)
}

func (r *resolver) callGetAtt(argument any, at location) (any, error) {
	id, attribute, err := attributeOf(argument, at)
	if err != nil {
		return nil, err
	}
	name, err := r.text(attribute, at)
	if err != nil {
		return nil, err
	}
	return r.attribute(id, name, at)
}

// attributeOf reads both forms of Fn::GetAtt: "Table.Arn" and ["Table", "Arn"].
// The attribute's name may itself be a Ref.
func attributeOf(argument any, at location) (id string, attribute any, err error) {
	if text, ok := argument.(string); ok {
		id, name, found := strings.Cut(text, ".")
		if !found {
			return "", nil, at.errorf("%q names no attribute", text)
		}
		return id, name, nil
	}
	list, err := arguments(argument, 2, at)
	if err != nil {
		return "", nil, err
	}
	id, ok := list[0].(string)
	if !ok {
		return "", nil, at.index(0).errorf("is not a logical ID")
	}
	return id, list[1], nil
}

func (r *resolver) callIf(argument any, at location) (any, error) {
	taken, err := r.branch(argument, at)
	if err != nil {
		return nil, err
	}
	return r.value(taken, at)
}

// branch is the value that Fn::If takes, unresolved.
func (r *resolver) branch(argument any, at location) (any, error) {
	list, err := arguments(argument, 3, at)
	if err != nil {
		return nil, err
	}
	name, ok := list[0].(string)
	if !ok {
		return nil, at.index(0).errorf("is not the name of a condition")
	}
	holds, err := r.condition(name, at.index(0))
	if err != nil {
		return nil, err
	}
	if holds {
		return list[1], nil
	}
	return list[2], nil
}

func (r *resolver) callJoin(argument any, at location) (any, error) {
	list, err := arguments(argument, 2, at)
	if err != nil {
		return nil, err
	}
	delimiter, ok := list[0].(string)
	if !ok {
		return nil, at.index(0).errorf("the delimiter is not a string")
	}
	texts, err := r.texts(list[1], at.index(1))
	if err != nil {
		return nil, err
	}
	size := len(delimiter) * len(texts)
	for _, text := range texts {
		size += len(text)
	}
	if err := r.spend(size, at); err != nil {
		return nil, err
	}
	return strings.Join(texts, delimiter), nil
}

func (r *resolver) callSplit(argument any, at location) (any, error) {
	list, err := arguments(argument, 2, at)
	if err != nil {
		return nil, err
	}
	delimiter, ok := list[0].(string)
	if !ok || delimiter == "" {
		return nil, at.index(0).errorf("the delimiter is not a string of at least one character")
	}
	text, err := r.text(list[1], at.index(1))
	if err != nil {
		return nil, err
	}
	if err := r.spend(len(text), at); err != nil {
		return nil, err
	}
	var parts []any
	for part := range strings.SplitSeq(text, delimiter) {
		parts = append(parts, part)
	}
	return parts, nil
}

func (r *resolver) callSelect(argument any, at location) (any, error) {
	list, err := arguments(argument, 2, at)
	if err != nil {
		return nil, err
	}
	position, err := r.text(list[0], at.index(0))
	if err != nil {
		return nil, err
	}
	values, err := r.texts(list[1], at.index(1))
	if err != nil {
		return nil, err
	}
	i, err := strconv.Atoi(position)
	if err != nil || i < 0 || i >= len(values) {
		return nil, at.errorf("no element %q in a list of %d", position, len(values))
	}
	return values[i], nil
}

func (r *resolver) callFindInMap(argument any, at location) (any, error) {
	list, err := arguments(argument, 3, at)
	if err != nil {
		return nil, err
	}
	var keys [3]string
	for i := range keys {
		if keys[i], err = r.text(list[i], at.index(i)); err != nil {
			return nil, err
		}
	}
	value, ok := r.template.mappings[keys[0]][keys[1]][keys[2]]
	if !ok {
		return nil, at.errorf("Mappings have no %s", strings.Join(keys[:], "."))
	}
	return value, nil
}

func (r *resolver) callBase64(argument any, at location) (any, error) {
	text, err := r.text(argument, at)
	if err != nil {
		return nil, err
	}
	if err := r.spend(base64.StdEncoding.EncodedLen(len(text)), at); err != nil {
		return nil, err
	}
	return base64.StdEncoding.EncodeToString([]byte(text)), nil
}
