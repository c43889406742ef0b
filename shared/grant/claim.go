package grant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/pattern"
)

// version is the one that this package knows.
const version = "1"

// Parse reads the claim of a token whose subject is given. The error says what is
// wrong and where, for whoever issues tokens.
func Parse(claim []byte, subject string) (Grant, error) {
	if err := checkSubject(subject); err != nil {
		return Grant{}, err
	}
	if len(claim) > MaxBytes {
		return Grant{}, fmt.Errorf("claim has %d bytes, at most %d are allowed", len(claim), MaxBytes)
	}
	if err := events.CheckText(claim); err != nil {
		return Grant{}, fmt.Errorf("claim %w", err)
	}
	parts, err := members(claim, "claim", "v", "allow", "deliverFor")
	if err != nil {
		return Grant{}, err
	}
	if string(parts["v"]) != version {
		return Grant{}, fmt.Errorf("claim has the version %.20s, known is %s", orNone(parts["v"]), version)
	}
	rules, err := parseRules(parts["allow"], subject)
	if err != nil {
		return Grant{}, err
	}
	life, err := parseLife(parts["deliverFor"])
	if err != nil {
		return Grant{}, err
	}
	var compact bytes.Buffer
	_ = json.Compact(&compact, claim) // it is JSON, as it was just read
	return Grant{subject, compact.Bytes(), rules, life}, nil
}

// parseLife reads for how many seconds a destination lives; 0 if it is left out.
func parseLife(text json.RawMessage) (time.Duration, error) {
	if text == nil {
		return 0, nil
	}
	seconds, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || seconds < int64(MinDeliverFor.Seconds()) || seconds > int64(MaxDeliverFor.Seconds()) {
		return 0, fmt.Errorf("claim.deliverFor is a whole number of seconds from %.0f to %.0f", MinDeliverFor.Seconds(), MaxDeliverFor.Seconds())
	}
	return time.Duration(seconds) * time.Second, nil
}

func orNone(text json.RawMessage) string {
	if text == nil {
		return "none"
	}
	return string(text)
}

func parseRules(list json.RawMessage, subject string) ([]rule, error) {
	var elements []json.RawMessage
	if json.Unmarshal(list, &elements) != nil || len(elements) == 0 {
		return nil, errors.New("claim.allow is no list of rules")
	}
	var rules []rule
	for i, element := range elements {
		r, err := parseRule(element, fmt.Sprintf("allow[%d]", i), subject)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(text json.RawMessage, at, subject string) (r rule, err error) {
	parts, err := members(text, at, "topics", "actions", "filter", "mask")
	if err != nil {
		return rule{}, err
	}
	if r.topics, err = parseTopics(parts["topics"], at+".topics", subject); err != nil {
		return rule{}, err
	}
	if r.actions, err = parseActions(parts["actions"], at+".actions"); err != nil {
		return rule{}, err
	}
	if r.view, err = parseView(parts["filter"], parts["mask"], at); err != nil {
		return rule{}, err
	}
	if !r.view.IsZero() && !slices.ContainsFunc(r.actions, Action.shows) {
		return rule{}, fmt.Errorf("%s has a filter or a mask, but shows nothing", at)
	}
	return r, nil
}

// parseTopics gives the patterns for a subject; those that cannot match a topic with
// this one are left out.
func parseTopics(list json.RawMessage, at, subject string) ([]Pattern, error) {
	names, err := stringList(list, at)
	if err != nil {
		return nil, err
	}
	var topics []Pattern
	for i, name := range names {
		p, ok, err := parseFor(name, subject)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", at, i, err)
		}
		if ok {
			topics = append(topics, p)
		}
	}
	return topics, nil
}

func parseActions(list json.RawMessage, at string) ([]Action, error) {
	names, err := stringList(list, at)
	if err != nil {
		return nil, err
	}
	var allowed []Action
	for _, name := range names {
		action := Action(name)
		if !slices.Contains(Actions(), action) {
			return nil, fmt.Errorf("%s has the unknown action %.40q", at, name)
		}
		allowed = append(allowed, action)
	}
	return allowed, nil
}

// parseView reads a rule's filter and mask, nil if it has none.
func parseView(filter, mask json.RawMessage, at string) (v View, err error) {
	if v.must, err = parseOptional(filter, at+".filter"); err != nil {
		return View{}, err
	}
	if mask == nil {
		return v.complete(), nil
	}
	parts, err := members(mask, at+".mask", "omit", "replace")
	if err != nil {
		return View{}, err
	}
	if len(parts) == 0 {
		return View{}, fmt.Errorf("%s.mask is empty", at)
	}
	if v.mask, err = parseMask(parts["omit"], parts["replace"], at+".mask"); err != nil {
		return View{}, err
	}
	return v.complete(), v.mask.checkReplaced(at + ".mask.replace")
}

// checkReplaced bounds the values that replace others. A value may stand in place of each of
// thousands of members.
func (t *tree) checkReplaced(at string) (err error) {
	t.leaves("", func(path string, leaf *tree) {
		if size := len(encode(leaf.value)); leaf.replaces && size > MaxReplaceBytes {
			err = fmt.Errorf("%s: the value for path %.100q has %d bytes, at most %d are allowed", at, path, size, MaxReplaceBytes)
		}
	})
	return err
}

// parseOptional reads an event pattern, nil if it is left out.
func parseOptional(text json.RawMessage, at string) (*pattern.Pattern, error) {
	if text == nil {
		return nil, nil
	}
	p, err := pattern.Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return p, nil
}

// parseMask reads what a mask omits, which counts first, and what it replaces; both nil
// make none.
func parseMask(omit, replace json.RawMessage, at string) (*tree, error) {
	if omit == nil && replace == nil {
		return nil, nil
	}
	mask := &tree{}
	if err := mask.parse(omit, at+".omit"); err != nil {
		return nil, err
	}
	if replace == nil {
		return mask, nil
	}
	values, ok := decodeObject(replace)
	if !ok || len(values) == 0 {
		return nil, fmt.Errorf("%s.replace is no object with members", at)
	}
	if err := mask.replace(values); err != nil {
		return nil, fmt.Errorf("%s.replace: %w", at, err)
	}
	return mask, nil
}

// parse adds a list of paths, nil if it is left out.
func (t *tree) parse(list json.RawMessage, at string) error {
	if list == nil {
		return nil
	}
	paths, err := stringList(list, at)
	if err != nil {
		return err
	}
	if err := t.addAll(paths); err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	return nil
}
