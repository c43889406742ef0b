package template

import (
	"strings"
)

// maxResolved bounds what the intrinsics of one deployment may yield in all, in
// bytes: nested Fn::Sub could otherwise grow a small template without end.
const maxResolved = 16 << 20

// noValue is what {"Ref": "AWS::NoValue"} yields: whatever holds it drops it.
type noValue struct{}

// resolver replaces intrinsics with their values. Not safe for concurrent use.
type resolver struct {
	template   *Template
	parameters map[string]any // string or []any of strings
	pseudo     map[string]string
	created    map[string]Physical
	conditions map[string]bool // those evaluated so far
	evaluating []string        // the conditions being evaluated, outermost first
	resolved   int             // bytes that intrinsics have yielded so far
}

func (t *Template) resolver(parameters, pseudo map[string]string) (*resolver, error) {
	values, err := t.parameterValues(parameters)
	if err != nil {
		return nil, err
	}
	return &resolver{
		template: t, parameters: values, pseudo: pseudo,
		created: map[string]Physical{}, conditions: map[string]bool{},
	}, nil
}

// intrinsic tells whether an object is a call of a function, and of which.
func intrinsic(object map[string]any) (name string, argument any, ok bool) {
	if len(object) != 1 {
		return "", nil, false
	}
	for name, argument = range object {
	}
	return name, argument, name == "Ref" || strings.HasPrefix(name, "Fn::")
}

// value resolves anything: what it yields has no intrinsics left, and may be
// noValue.
func (r *resolver) value(value any, at location) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		if name, argument, ok := intrinsic(v); ok {
			return r.call(name, argument, at.key(name))
		}
		return r.object(v, at)
	case []any:
		return r.list(v, at)
	}
	return value, nil
}

// object resolves the values of an object and drops those without a value.
func (r *resolver) object(object map[string]any, at location) (map[string]any, error) {
	resolved := make(map[string]any, len(object))
	for _, key := range sorted(object) {
		if strings.HasPrefix(key, "Fn::") && len(object) > 1 {
			return nil, at.errorf("%s stands beside other keys", key)
		}
		value, err := r.value(object[key], at.key(key))
		if err != nil {
			return nil, err
		}
		if value != (noValue{}) {
			resolved[key] = value
		}
	}
	return resolved, nil
}

// list resolves the elements of a list and drops those without a value.
func (r *resolver) list(list []any, at location) ([]any, error) {
	resolved := make([]any, 0, len(list))
	for i, element := range list {
		value, err := r.value(element, at.index(i))
		if err != nil {
			return nil, err
		}
		if value != (noValue{}) {
			resolved = append(resolved, value)
		}
	}
	return resolved, nil
}

// text resolves a value that must be a string, number or boolean.
func (r *resolver) text(value any, at location) (string, error) {
	resolved, err := r.value(value, at)
	if err != nil {
		return "", err
	}
	text, ok := scalar(resolved)
	if !ok {
		return "", at.errorf("is not a string")
	}
	return text, nil
}

// texts resolves a value that must be a list of strings, numbers or booleans.
func (r *resolver) texts(value any, at location) ([]string, error) {
	resolved, err := r.value(value, at)
	if err != nil {
		return nil, err
	}
	list, ok := resolved.([]any)
	if !ok {
		return nil, at.errorf("is not a list")
	}
	texts := make([]string, len(list))
	for i, element := range list {
		if texts[i], ok = scalar(element); !ok {
			return nil, at.index(i).errorf("is not a string")
		}
	}
	return texts, nil
}

// spend counts what an intrinsic yields.
func (r *resolver) spend(bytes int, at location) error {
	if r.resolved += bytes; r.resolved > maxResolved {
		return at.errorf("the template's functions yield more than %d bytes", maxResolved)
	}
	return nil
}

// ref is the value of a parameter, a pseudo parameter or a created resource.
func (r *resolver) ref(name string, at location) (any, error) {
	if name == "AWS::NoValue" {
		return noValue{}, nil
	}
	if value, ok := r.parameters[name]; ok {
		return value, nil
	}
	if value, ok := r.pseudo[name]; ok {
		return value, nil
	}
	if physical, ok := r.created[name]; ok {
		return physical.Ref, nil
	}
	return nil, r.unknown(name, at)
}

// unknown says why a name that should be a reference is none here.
func (r *resolver) unknown(name string, at location) error {
	if strings.HasPrefix(name, "AWS::") {
		return at.errorf("pseudo parameter %q has no value here", name)
	}
	if _, ok := r.template.resources[name]; ok {
		return at.errorf("resource %q cannot be referred to here", name)
	}
	return at.errorf("no parameter or resource %q", name)
}

// checkParameter fails unless the name is a parameter or pseudo parameter.
func (r *resolver) checkParameter(name string, at location) error {
	_, isParameter := r.parameters[name]
	_, isPseudo := r.pseudo[name]
	if isParameter || isPseudo || name == "AWS::NoValue" {
		return nil
	}
	return r.unknown(name, at)
}

// attribute is what Fn::GetAtt yields.
func (r *resolver) attribute(id, name string, at location) (string, error) {
	physical, ok := r.created[id]
	if !ok {
		return "", r.unknown(id, at)
	}
	value, ok := physical.Attributes[name]
	if !ok && physical.Others != "" {
		return physical.Others, nil
	}
	if !ok {
		return "", at.errorf("%s (%s) has no attribute %q", id, r.template.resources[id].Type, name)
	}
	return value, nil
}
