package grant

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/shared/pattern"
)

// tree holds what is done to members of the data, by the names on the way to them.
type tree struct {
	below map[string]*tree
	// leaf ends a path: what is here is left out of what is seen (masks), replaced
	// (masks), or shown (fields).
	leaf     bool
	replaces bool
	value    any // in place of what is here, if replaces
}

// addAll adds paths of members that are left out or shown.
func (t *tree) addAll(paths []string) error {
	for _, path := range paths {
		if err := t.add(path, tree{leaf: true}); err != nil {
			return err
		}
	}
	return nil
}

// replace adds paths of members, each with the value that replaces it.
func (t *tree) replace(values map[string]any) error {
	for _, path := range slices.Sorted(maps.Keys(values)) {
		switch values[path].(type) {
		case map[string]any, []any:
			return fmt.Errorf("the value for path %.100q is no string, number, boolean or null", path)
		}
		if err := t.add(path, tree{leaf: true, replaces: true, value: values[path]}); err != nil {
			return err
		}
	}
	return nil
}

// add ends a path in the tree. Of two paths of which one begins the other, the shorter
// one counts; of two equal ones, the first.
func (t *tree) add(path string, end tree) error {
	names, err := parsePath(path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if t.leaf {
			return nil
		}
		t = t.child(name)
	}
	if !t.leaf {
		*t = end
	}
	return nil
}

func (t *tree) child(name string) *tree {
	if t.below == nil {
		t.below = map[string]*tree{}
	}
	if t.below[name] == nil {
		t.below[name] = &tree{}
	}
	return t.below[name]
}

// leaves calls do for each path in the tree.
func (t *tree) leaves(path string, do func(path string, leaf *tree)) {
	if t.leaf {
		do(path, t)
		return
	}
	for name, child := range t.below {
		child.leaves(joinPath(path, name), do)
	}
}

// weight bounds what it costs to show a value by the tree, see [View.Weight]: each name
// costs a step for a byte at most, writing what comes out a few.
func (t *tree) weight() int {
	sum := narrowWeight
	var count func(*tree)
	count = func(t *tree) {
		for _, child := range t.below {
			sum++
			count(child)
		}
	}
	count(t)
	return sum
}

// mask gives a value without the members that the tree omits, and with those replaced
// that it replaces. The value itself is not touched.
func (t *tree) mask(value any) any {
	switch value := value.(type) {
	case map[string]any:
		masked := make(map[string]any, len(value))
		for name, member := range value {
			switch child := t.below[name]; {
			case child == nil:
				masked[name] = member
			case !child.leaf:
				masked[name] = child.mask(member)
			case child.replaces:
				masked[name] = child.value
			}
		}
		return masked
	case []any:
		masked := make([]any, len(value))
		for i, element := range value {
			masked[i] = t.mask(element)
		}
		return masked
	}
	return value
}

// project gives what the tree shows of a value; ok is false if that is nothing. An
// object on the way to what is shown stays even if it comes out empty, so do its lists,
// while a value that is neither cannot be on the way. What comes out when the steps are
// spent means nothing.
func (t *tree) project(value any, steps *pattern.Steps) (shown any, ok bool) {
	if t.leaf {
		return value, true
	}
	switch value := value.(type) {
	case map[string]any:
		return t.projectObject(value, steps), true
	case []any:
		shown := []any{}
		steps.Take(makeSteps)
		for _, element := range value {
			if !steps.Take(elementSteps) {
				break
			}
			if s, ok := t.project(element, steps); ok {
				shown = append(shown, s)
			}
		}
		return shown, true
	}
	return nil, false
}

func (t *tree) projectObject(object map[string]any, steps *pattern.Steps) map[string]any {
	shown := map[string]any{}
	steps.Take(makeSteps)
	for name, child := range t.below {
		if !steps.Take(memberSteps) {
			break
		}
		member, ok := object[name]
		if !ok {
			continue
		}
		if s, ok := child.project(member, steps); ok && steps.Take(makeMemberSteps) {
			shown[name] = s
		}
	}
	return shown
}

// parsePath splits a path into names.
func parsePath(path string) ([]string, error) {
	var names []string
	var name strings.Builder
	escaped := false
	for _, r := range path + "." {
		switch {
		case escaped && r != '.' && r != '\\':
			return nil, fmt.Errorf("path %.100q has a backslash before neither a dot nor a backslash", path)
		case !escaped && r == '\\':
			escaped = true
			continue
		case !escaped && r == '.':
			if name.Len() == 0 {
				return nil, fmt.Errorf("path %.100q has an empty name", path)
			}
			names = append(names, name.String())
			name.Reset()
			continue
		}
		escaped = false
		name.WriteRune(r)
	}
	if name.Len() > 0 { // the last dot was escaped
		return nil, fmt.Errorf("path %.100q ends in a backslash", path)
	}
	return names, nil
}

var pathEscapes = strings.NewReplacer(`\`, `\\`, `.`, `\.`)

// joinPath is the inverse of parsePath, name by name.
func joinPath(path, name string) string {
	if path == "" {
		return pathEscapes.Replace(name)
	}
	return path + "." + pathEscapes.Replace(name)
}
