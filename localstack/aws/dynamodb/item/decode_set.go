package item

import "strings"

// set reads the elements of a set, of which there must be some, all different.
func (s *scanner) set(kind Kind) ([]string, error) {
	if err := s.expect('['); err != nil {
		return nil, err
	}
	var elements []string
	err := s.array(func() error {
		if s.null() {
			return errNullMember(kind)
		}
		e, err := s.scalar(kind.element())
		elements = append(elements, e)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(elements) == 0:
		return nil, errEmptySet(kind)
	case repeats(elements):
		return nil, errDuplicates(kind, elements)
	}
	return elements, nil
}

func repeats(elements []string) bool {
	seen := make(map[string]struct{}, len(elements))
	for _, e := range elements {
		seen[e] = struct{}{}
	}
	return len(seen) < len(elements)
}

// errEmptySet keeps the grammar and the spaces of DynamoDB's own text.
func errEmptySet(kind Kind) error {
	what := map[Kind]string{
		StringSet: "An string set  may not be empty",
		NumberSet: "An number set  may not be empty",
		BinarySet: "Binary sets should not be empty",
	}[kind]
	return invalid("One or more parameter values were invalid: %s", what)
}

func errNullMember(kind Kind) error {
	what := map[Kind]string{
		StringSet: "An string set may not have a null string as a member",
		NumberSet: "An number set may not have a null string as a member",
		BinarySet: "Binary sets may not contain null values",
	}[kind]
	return invalid("One or more parameter values were invalid: %s", what)
}

func errDuplicates(kind Kind, elements []string) error {
	switch kind {
	case NumberSet:
		return invalid("Input collection contains duplicates")
	case BinarySet:
		return invalid("One or more parameter values were invalid: Input collection of type BS contains duplicates.")
	}
	return invalid("One or more parameter values were invalid: Input collection [%s] contains duplicates.",
		strings.Join(elements, ", "))
}
