package template

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// parameter is one entry of Parameters.
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
type parameter struct {
	Type           string
	Default        any
	AllowedValues  []any
	AllowedPattern string
	MinLength      any
	MaxLength      any
	MinValue       any
	MaxValue       any
}

// HasParameter reports whether the template declares a parameter.
func (t *Template) HasParameter(name string) bool {
	_, ok := t.parameters[name]
	return ok
}

// parameterValues gives each parameter its value: the one that is given, or the
// default. A value of the Parameter Store (AWS::SSM::Parameter::Value<…>) is
// given as such; left to its default, which is its name in the store, it stays
// that name.
func (t *Template) parameterValues(given map[string]string) (map[string]any, error) {
	for _, name := range sorted(given) {
		if !t.HasParameter(name) {
			return nil, in("Parameters").errorf("the template has no parameter %q", name)
		}
	}
	values := make(map[string]any, len(t.parameters))
	for _, name := range sorted(t.parameters) {
		at, declared := in("Parameters."+name), t.parameters[name]
		text, ok := given[name]
		if !ok {
			if declared.Default == nil {
				return nil, at.errorf("has no default and was given no value")
			}
			if text, ok = scalar(declared.Default); !ok {
				return nil, at.errorf("Default is not a string, number or boolean")
			}
		}
		value, err := declared.value(text, at)
		if err != nil {
			return nil, err
		}
		values[name] = value
	}
	return values, nil
}

// value checks the text and gives it the parameter's type: a string, or a list
// of strings.
func (p parameter) value(text string, at location) (any, error) {
	element, isList, err := p.elementType(at)
	if err != nil {
		return nil, err
	}
	if !isList {
		return text, p.check(text, element, at)
	}
	var list []any
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if err := p.check(item, element, at); err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, nil
}

// elementType gives the type of a value or, for lists, of one element. The
// types that name things in an account, such as AWS::EC2::VPC::Id, are strings.
func (p parameter) elementType(at location) (element string, isList bool, err error) {
	element = p.Type
	if inner, ok := unwrap(element, "AWS::SSM::Parameter::Value<"); ok {
		element = inner
	}
	if element == "CommaDelimitedList" {
		return "String", true, nil
	}
	if inner, ok := unwrap(element, "List<"); ok {
		element, isList = inner, true
	}
	if element != "String" && element != "Number" && !strings.HasPrefix(element, "AWS::") {
		return "", false, at.errorf("type %q is not supported", p.Type)
	}
	return element, isList, nil
}

func unwrap(typ, prefix string) (inner string, ok bool) {
	inner, ok = strings.CutPrefix(typ, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(inner, ">")
}

func (p parameter) check(text, element string, at location) error {
	if !p.allows(text) {
		return at.errorf("%q is not one of the AllowedValues", text)
	}
	if p.AllowedPattern != "" {
		// CloudFormation matches the whole value.
		pattern, err := regexp.Compile(`^(?:` + p.AllowedPattern + `)$`)
		if err != nil {
			return at.errorf("AllowedPattern: %v", err)
		}
		if !pattern.MatchString(text) {
			return at.errorf("%q does not match %s", text, p.AllowedPattern)
		}
	}
	if element != "Number" {
		return within(float64(len([]rune(text))), p.MinLength, p.MaxLength, at.key("length"))
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return at.errorf("%q is not a number", text)
	}
	return within(number, p.MinValue, p.MaxValue, at)
}

func (p parameter) allows(text string) bool {
	return p.AllowedValues == nil || slices.ContainsFunc(p.AllowedValues, func(allowed any) bool {
		written, ok := scalar(allowed)
		return ok && written == text
	})
}

// within holds a number to bounds that are numbers, numbers as strings, or nil.
func within(number float64, least, most any, at location) error {
	if bound, ok := asNumber(least); ok && number < bound {
		return at.errorf("%v is less than %v", number, bound)
	}
	if bound, ok := asNumber(most); ok && number > bound {
		return at.errorf("%v is more than %v", number, bound)
	}
	return nil
}

func asNumber(value any) (float64, bool) {
	text, ok := scalar(value)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseFloat(text, 64)
	return number, err == nil
}

// scalar is a string, number or boolean as text; CloudFormation takes each for
// the other.
func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
