package grant

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/pattern"
)

// Limits of what a client narrows its view by, see also [MaxFilterWeight].
const (
	MaxFilterBytes = 1024
	MaxFields      = 32
	MaxFieldBytes  = 256
	MaxFieldsBytes = 4096 // of all together, as a JSON list
)

// View is what a watcher sees of a topic. It does not change; safe for concurrent use.
// The zero View shows everything.
//
// What is seen may be longer than the data, if the mask replaces short members by longer
// values.
type View struct {
	text   string           // what String gives
	must   *pattern.Pattern // the grant's filter, on the whole data; nil holds for all
	mask   *tree            // nil masks nothing
	filter *pattern.Pattern // the client's, on the masked data; nil holds for all
	fields *tree            // nil shows all

	maskText string // the same for equal masks
	weight   int    // of filter and fields
}

// IsZero tells whether the view shows everything.
func (v View) IsZero() bool { return v.text == "" }

// String gives the view as text, for [DecodeView]. Views that are made of the same
// parts have the same text, however those were written, so that it can be a key. The
// zero View is the empty text.
func (v View) String() string { return v.text }

// DecodeView reads what [View.String] writes. The filter may weigh more than Narrow
// allows, as it may have been allowed once.
func DecodeView(s string) (v View, err error) {
	if s == "" {
		return View{}, nil
	}
	parts, err := members([]byte(s), "view", "must", "omit", "replace", "filter", "fields")
	if err != nil {
		return View{}, err
	}
	if v.must, err = parseOptional(parts["must"], "view.must"); err != nil {
		return View{}, err
	}
	if v.mask, err = parseMask(parts["omit"], parts["replace"], "view"); err != nil {
		return View{}, err
	}
	if v.filter, err = parseOptional(parts["filter"], "view.filter"); err != nil {
		return View{}, err
	}
	if parts["fields"] == nil {
		return v.complete(), nil
	}
	v.fields = &tree{}
	if err := v.fields.parse(parts["fields"], "view.fields"); err != nil {
		return View{}, err
	}
	return v.complete(), nil
}

// Narrow gives the view with a client's own filter and fields, in place of those that
// it has; nil is none. As they apply to what the grant lets through, they never show
// more. The error is a sentence for the client. A filter is refused for what it is, never
// for the data that it would be applied to.
func (v View) Narrow(filter json.RawMessage, fields []string) (View, error) {
	narrowed := View{must: v.must, mask: v.mask}
	var err error
	if narrowed.filter, err = parseFilter(filter); err != nil {
		return View{}, err
	}
	if narrowed.fields, err = parseFields(fields); err != nil {
		return View{}, err
	}
	return narrowed.complete(), nil
}

func parseFilter(filter json.RawMessage) (*pattern.Pattern, error) {
	switch {
	case len(filter) == 0 || string(filter) == "null":
		return nil, nil
	case len(filter) > MaxFilterBytes:
		return nil, fmt.Errorf("filter has %d bytes, at most %d are allowed", len(filter), MaxFilterBytes)
	}
	p, err := pattern.Parse(string(filter))
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	if p.Weight() > MaxFilterWeight {
		return nil, fmt.Errorf("filter has %d conditions, at most %d are allowed", p.Weight(), MaxFilterWeight)
	}
	return p, nil
}

func parseFields(fields []string) (*tree, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	if len(fields) > MaxFields {
		return nil, fmt.Errorf("fields has %d paths, at most %d are allowed", len(fields), MaxFields)
	}
	for _, path := range fields {
		if len(path) > MaxFieldBytes {
			return nil, fmt.Errorf("fields has a path of %d bytes, at most %d are allowed", len(path), MaxFieldBytes)
		}
	}
	if size := len(encode(fields)); size > MaxFieldsBytes {
		return nil, fmt.Errorf("fields has %d bytes as JSON, at most %d are allowed", size, MaxFieldsBytes)
	}
	shown := &tree{}
	if err := shown.addAll(fields); err != nil {
		return nil, fmt.Errorf("fields: %w", err)
	}
	return shown, nil
}

// Weight bounds what the client's part of the view costs, so that cheap views can be
// evaluated first: at most as many steps as the weight times the bytes of what the mask
// leaves of the data, without Delta. It is 0 if the client chose nothing.
func (v View) Weight() int { return v.weight }

// Item gives what is seen of an item's data; visible is false if nothing is, not even
// that the item is there. See [Change.In].
func (v View) Item(data json.RawMessage, b *Budget) (seen json.RawMessage, visible bool, err error) {
	s, err := NewChange(events.Added, nil, data).In(v, b)
	return s.Data, s.Visible(), err
}

// passes tells whether the client's filter holds for what the mask left.
func (v View) passes(object map[string]any, steps *pattern.Steps) bool {
	return v.filter == nil || v.filter.MatchObject(object, steps)
}

// viewText is a view as text.
type viewText struct {
	Must    json.RawMessage `json:"must,omitempty"`
	Omit    []string        `json:"omit,omitempty"`
	Replace map[string]any  `json:"replace,omitempty"`
	Filter  json.RawMessage `json:"filter,omitempty"`
	Fields  []string        `json:"fields,omitempty"`
}

// complete gives the view with its text.
func (v View) complete() View {
	if v == (View{}) {
		return v
	}
	p := viewText{Must: patternText(v.must), Filter: patternText(v.filter), Replace: map[string]any{}}
	if v.filter != nil {
		v.weight = v.filter.Weight()
	}
	if v.mask != nil {
		v.mask.leaves("", func(path string, leaf *tree) {
			if leaf.replaces {
				p.Replace[path] = leaf.value
			} else {
				p.Omit = append(p.Omit, path)
			}
		})
	}
	if v.fields != nil {
		v.weight += v.fields.weight()
		v.fields.leaves("", func(path string, _ *tree) { p.Fields = append(p.Fields, path) })
	}
	slices.Sort(p.Omit)
	slices.Sort(p.Fields)
	if v.mask != nil {
		v.maskText = string(encode(viewText{Omit: p.Omit, Replace: p.Replace}))
	}
	v.text = string(encode(p))
	return v
}

func patternText(p *pattern.Pattern) json.RawMessage {
	if p == nil {
		return nil
	}
	return json.RawMessage(p.String())
}
