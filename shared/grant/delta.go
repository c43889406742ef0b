package grant

import (
	"encoding/json"

	"github.com/watchroute/watchroute/shared/pattern"
)

// mergePatch gives the merge patch from one object to another; nil if there is none, be
// it that the steps do not suffice.
func mergePatch(was, is map[string]any, steps *pattern.Steps) json.RawMessage {
	if was == nil || is == nil {
		return nil
	}
	patch, ok := diff(was, is, steps)
	if !ok {
		return nil
	}
	return encodeWithin(patch, steps)
}

// What follows takes the same steps in whatever order Go goes through the members, so it
// does not end early when it knows its result. It does when the steps are spent.

// diff gives a merge patch as an object. Members that it does not name stay as they are,
// objects that it names are merged, null removes, and everything else replaces. So ok is
// false if a member would have to become null.
func diff(was, is map[string]any, steps *pattern.Steps) (patch map[string]any, ok bool) {
	patch, ok = map[string]any{}, true
	for name, after := range is {
		if !steps.Take(memberSteps) {
			return nil, false
		}
		before, there := was[name]
		objectWas, wasObject := before.(map[string]any)
		objectIs, isObject := after.(map[string]any)
		switch {
		case wasObject && isObject:
			below, belowOK := diff(objectWas, objectIs, steps)
			if len(below) > 0 {
				patch[name] = below
			}
			ok = ok && belowOK
		case !there || !equal(before, after, steps):
			patch[name] = after
			ok = !hasNull(after, steps) && ok
		}
	}
	for name := range was {
		if !steps.Take(memberSteps) {
			return nil, false
		}
		if _, there := is[name]; !there {
			patch[name] = nil
		}
	}
	return patch, ok
}

// hasNull tells whether a value is null or has a member, at any depth, that is. Those in
// lists count, as some libraries remove them too when they apply a patch.
func hasNull(value any, steps *pattern.Steps) bool {
	found := value == nil
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			if !steps.Take(memberSteps) {
				return true
			}
			found = hasNull(member, steps) || found
		}
	case []any:
		for _, element := range value {
			if !steps.Take(elementSteps) {
				return true
			}
			found = element != nil && hasNull(element, steps) || found
		}
	}
	return found
}

// equal compares values digit for digit. It is false if the steps do not suffice.
func equal(a, b any, steps *pattern.Steps) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		same := true
		for name, member := range a {
			if !steps.Take(memberSteps) {
				return false
			}
			other, there := b[name]
			same = there && equal(member, other, steps) && same
		}
		return same
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		same := true
		for i, element := range a {
			if !steps.Take(elementSteps) {
				return false
			}
			same = equal(element, b[i], steps) && same
		}
		return same
	case string:
		return steps.Take(len(a)/pattern.StepBytes) && a == b
	case json.Number:
		return steps.Take(len(a)/pattern.StepBytes) && a == b
	}
	return a == b
}
