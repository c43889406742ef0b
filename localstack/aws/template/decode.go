package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Decode fills the struct that into points to with the properties, matched by
// name or json tag. As CloudFormation does, it takes a number or boolean that is
// written as a string, and the other way round. Properties without a field are
// ignored. The error names the logical ID and, where it is known, the property.
func (r Resource) Decode(into any) error {
	target := reflect.TypeOf(into)
	if target == nil || target.Kind() != reflect.Pointer {
		return fmt.Errorf("%s (%s): decode into %T, which is not a pointer", r.LogicalID, r.Type, into)
	}
	encoded, err := json.Marshal(coerce(r.Properties, target.Elem()))
	if err != nil {
		return fmt.Errorf("%s (%s): %w", r.LogicalID, r.Type, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	err = decoder.Decode(into)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		return in(r.LogicalID+".Properties").key(wrong.Field).errorf("is a %s, not a %s", wrong.Value, wrong.Type)
	}
	if err != nil {
		return fmt.Errorf("%s (%s): %w", r.LogicalID, r.Type, err)
	}
	return nil
}

// coerce writes the scalars in value as the target wants them, where it can;
// the JSON decoder reports those that it cannot.
func coerce(value any, target reflect.Type) any {
	for target.Kind() == reflect.Pointer {
		target = target.Elem()
	}
	if reflect.PointerTo(target).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return value
	}
	switch v := value.(type) {
	case map[string]any:
		return coerceObject(v, target)
	case []any:
		if target.Kind() == reflect.Slice || target.Kind() == reflect.Array {
			list := make([]any, len(v))
			for i, element := range v {
				list[i] = coerce(element, target.Elem())
			}
			return list
		}
		return v
	}
	return coerceScalar(value, target)
}

func coerceObject(object map[string]any, target reflect.Type) any {
	coerced := make(map[string]any, len(object))
	for key, value := range object {
		coerced[key] = value
		switch target.Kind() {
		case reflect.Map:
			coerced[key] = coerce(value, target.Elem())
		case reflect.Struct:
			if field, ok := fieldFor(target, key); ok {
				coerced[key] = coerce(value, field.Type)
			}
		}
	}
	return coerced
}

// fieldFor finds the field that the JSON decoder would fill.
func fieldFor(target reflect.Type, key string) (reflect.StructField, bool) {
	for _, field := range reflect.VisibleFields(target) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		if field.IsExported() && strings.EqualFold(name, key) {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

func coerceScalar(value any, target reflect.Type) any {
	text, ok := scalar(value)
	if !ok {
		return value
	}
	switch kind := target.Kind(); {
	case kind == reflect.String && target != reflect.TypeFor[json.Number]():
		return text
	case kind == reflect.Bool:
		if text == "true" || text == "false" {
			return text == "true"
		}
	case kind >= reflect.Int && kind <= reflect.Float64:
		if _, err := strconv.ParseFloat(text, 64); err == nil && json.Valid([]byte(text)) {
			return json.Number(text)
		}
	}
	return value
}
