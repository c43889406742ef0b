package dynamodb

import "github.com/watchroute/watchroute/localstack/aws/dynamodb/item"

// maxPageBytes is how much a Query or Scan reads before it ends its page, whatever
// its filter leaves of it. The row that reaches it is still in the page.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
const maxPageBytes = 1 << 20

// span is a range of rows in a tree, and the direction to read it in.
type span struct {
	first, last location // bounds, both included; edges make them exact
	backward    bool
}

// partition spans all rows with a partition key.
func partition(hash string) span {
	first := newLocation(hash, "")
	last := first
	last.edge = afterPartition
	return span{first: first, last: last}
}

// from narrows the span to what has a sort key of at least, or above, low.
func (s span) from(low string, included bool) span {
	s.first.sort = low
	if !included {
		s.first.edge = afterSort
	}
	return s
}

// to narrows the span to what has a sort key of at most, or below, high.
func (s span) to(high string, included bool) span {
	s.last.sort, s.last.edge = high, afterSort
	if !included {
		s.last.edge = beforeSort
	}
	return s
}

// prefixed narrows the span to sort keys that begin with a prefix.
func (s span) prefixed(prefix string) span {
	s = s.from(prefix, true)
	if next, ok := successor(prefix); ok {
		s = s.to(next, false)
	}
	return s
}

// successor is the least string above all that begin with a prefix; there is none
// if the prefix is nothing but 0xFF.
func successor(prefix string) (string, bool) {
	for end := len(prefix) - 1; end >= 0; end-- {
		if b := prefix[end]; b < 0xFF {
			return prefix[:end] + string([]byte{b + 1}), true
		}
	}
	return "", false
}

// contains reports whether a location is in the span.
func (s span) contains(p location) bool { return s.first.compare(p) <= 0 && p.compare(s.last) <= 0 }

// page is what one Query or Scan read.
type page struct {
	rows []*row
	size int
	read int64 // rows looked at
	more bool  // there may be more after the last row
}

// read collects the span's rows after a location, if one is given, until limit or
// maxPageBytes is reached. Besides the page it looks at the row it starts after
// and at one past the span, at most. The caller holds the table's lock.
func (r *rows) read(s span, after *location, limit int) page {
	var p page
	start := s.first
	if s.backward {
		start = s.last
	}
	if after != nil {
		start = *after
	}
	r.walk(start, !s.backward, func(next *row) bool {
		p.read++
		switch {
		case after != nil && next.compare(*after) == 0:
			return true
		case !s.contains(next.location):
			return false
		}
		p.rows = append(p.rows, next)
		p.size += next.size
		p.more = len(p.rows) == limit || p.size >= maxPageBytes
		return !p.more
	})
	return p
}

// lastKey is the key that the next page starts after; nil if this is the last.
func (p page) lastKey(keys ...key) item.Item {
	if !p.more {
		return nil
	}
	last := p.rows[len(p.rows)-1]
	start := item.Item{}
	for _, k := range keys {
		for _, a := range k.attributes() {
			start[a.name] = last.item[a.name]
		}
	}
	return start
}
